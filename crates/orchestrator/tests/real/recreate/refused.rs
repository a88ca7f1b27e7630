//! What cannot be recreated is left as it is, and what somebody has made meanwhile too.

use health_spec::config::EngineKind::{self, Docker, Podman};

use super::{directly, phase, watch, watch_sharing};
use crate::gate::{Gate, Side};
use crate::harness::{free_port, log, signal, until};
use crate::pier::{Habits, Pier};
use crate::quay::engine;

/// Its engine would remove it as soon as it is stopped.
fn one_that_goes_when_it_stops(kind: EngineKind) {
    let pier = Pier::with(kind);
    let container = pier.run_changed("calculator", Habits::default(), &[], |body| {
        body.host_config.get_or_insert_default().auto_remove = Some(true);
    });
    let (orchestrator, mut events) = watch(&container, &directly(kind), "enabled: true");
    let (before, life) = (container.id(), container.life());
    container.break_by("hang");
    let failed = events.wait_for("calculator", "recovery_failed");
    assert!(failed["error"].as_str().is_some_and(|error| error.contains("created with --rm")), "{failed}");
    events.wait_for("calculator", "recovery_exhausted");
    assert_eq!((container.id(), container.life(), container.kept().len()), (before, life, 0), "it was touched");
    drop(orchestrator);
}

#[test]
fn one_that_goes_when_it_stops_is_left_alone_in_docker() {
    one_that_goes_when_it_stops(Docker);
}

#[test]
fn one_that_goes_when_it_stops_is_left_alone_in_podman() {
    one_that_goes_when_it_stops(Podman);
}

/// Nothing was done to it, so whoever shares its network has lost nothing.
fn one_that_was_not_touched_is_not_followed(kind: EngineKind) {
    let pier = Pier::with(kind);
    let port = free_port();
    let leader = pier.run_changed("calculator", Habits { publishes: Some(port), ..Habits::default() }, &[], |body| {
        body.host_config.get_or_insert_default().auto_remove = Some(true);
    });
    let follower = pier.run_with("follower", Habits { network_of: Some((leader.full_name(), port)), ..Habits::default() });
    let (mut orchestrator, mut events) = watch_sharing(&leader, &follower, &directly(kind), "recreate");
    let life = follower.life();
    let main = leader.state().pid.and_then(|pid| i32::try_from(pid).ok()).expect("it runs");
    signal(main, "STOP");
    let failed = events.wait_for("calculator", "recovery_failed");
    assert!(failed["error"].as_str().is_some_and(|error| error.contains("created with --rm")), "{failed}");
    signal(main, "CONT");
    events.wait_for("calculator", "server_recovered");
    // Whoever follows does so in the same step.
    events.wait_for("follower", "health_check_completed");
    assert!(orchestrator.stop().success());
    let log = log(&orchestrator);
    let follows = log.iter().find(|event| event["event_type"] == "recovery_started" && event["server_name"] == "follower");
    assert_eq!((follows, follower.life()), (None, life));
}

#[test]
fn one_that_was_not_touched_is_not_followed_in_docker() {
    one_that_was_not_touched_is_not_followed(Docker);
}

#[test]
fn one_that_was_not_touched_is_not_followed_in_podman() {
    one_that_was_not_touched_is_not_followed(Podman);
}

/// Somebody makes another one of the name while the old one has another name and the new one is not there yet.
fn one_whose_name_is_taken(kind: EngineKind) {
    let pier = Pier::with(kind);
    let container = pier.run("calculator");
    let directory = tempfile::tempdir().expect("a directory");
    let gate = Gate::open(&directory.path().join("gate.sock"), &engine(kind).address);
    let (orchestrator, mut events) = watch(&container, &gate.engine(kind.as_str()), "enabled: true");
    let before = container.id();
    gate.arm(("POST", "/containers/create"), Side::Late);
    container.break_by("hang");
    gate.wait_until_caught("the new one is to be created");
    container.create_again(&[]);
    let strangers = container.id();
    gate.let_go();
    let failed = events.wait_for("calculator", "recovery_failed");
    assert!(failed["error"].as_str().is_some_and(|error| error.contains("did not create the new container")), "{failed}");
    let said = events.wait_until("it is said", |event| event["event_type"] == "monitor_impaired");
    let error = said["error"].as_str().expect("an error");
    assert!(error.contains("is another container now; the one that was replaced is kept as"), "{said}");
    until("the other one is the server", || (phase(&orchestrator) == "healthy").then_some(()));
    let kept = container.kept();
    assert!(kept.len() == 1 && kept[0].ends_with(&before[..12]), "{kept:?}");
    assert_eq!((container.id(), container.label("mcp-health.recreates")), (strangers, None));
}

#[test]
fn one_whose_name_is_taken_is_kept_in_docker() {
    one_whose_name_is_taken(Docker);
}

#[test]
fn one_whose_name_is_taken_is_kept_in_podman() {
    one_whose_name_is_taken(Podman);
}
