//! Containers that are recreated: one that this helps, one that it does not help, and crashes of ours in each step.

mod ladder;
mod refused;
mod reloaded;
mod stopped;
mod undone;

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use bollard::models::RestartPolicyNameEnum;
use health_spec::config::EngineKind::{self, Docker, Podman};

use crate::gate::{Call, Gate, Side};
use crate::harness::{Events, Orchestrator, free_port, log, run, until};
use crate::pier::{Container, Habits, Pier};
use crate::quay::{SOCKET, engine};
use crate::recorder::Recorder;
use crate::socket::listed;

/// Quick, and with little time for what does not come back.
const QUICK: &str = "
health_check: {interval_seconds: 0.3, timeout_seconds: 0.5, confirm_interval_seconds: 0.1, start_period_seconds: 3, success_threshold: 2}
recovery: {backoff: {schedule: [0.2, 0.4, 0.8, 0.8]}, verify_timeout_seconds: 5}
";

/// Fails, as soon as the file `go` is there.
const FAILS: &str = "after: {command: [sh, -c, \"while [ ! -e go ]; do sleep 0.05; done; false\"], timeout_seconds: 600}";

fn watch(container: &Container<'_>, engine: &str, recovery: &str) -> (Orchestrator, Events) {
    let entry = container.entry();
    let registry = format!("{QUICK}{engine}servers:\n{entry}    recovery: {{strategy: recreate, {recovery}}}\n");
    let orchestrator = Orchestrator::start_with(&registry);
    let mut events = orchestrator.events();
    assert_eq!(events.wait_until("a good answer", |event| event["event_type"] == "status_changed")["status"], "ok");
    listened_to(&orchestrator);
    (orchestrator, events)
}

fn directly(kind: EngineKind) -> String {
    format!("engines: [{{name: {0}, kind: {0}, address: \"{1}\"}}]\n", kind.as_str(), engine(kind).address)
}

fn listened_to(orchestrator: &Orchestrator) {
    until("the engine is listened to", || (orchestrator.get("/health")["checks"]["engines"] == "ok").then_some(()));
}

fn phase(orchestrator: &Orchestrator) -> String {
    orchestrator.get("/servers/calculator")["phase"].as_str().expect("a phase").to_owned()
}

/// It is well, under its name, alone, and nothing was done twice.
fn settled(orchestrator: &mut Orchestrator, container: &Container<'_>) {
    until("it is well again", || (phase(orchestrator) == "healthy").then_some(()));
    until("what was replaced is gone", || container.kept().is_empty().then_some(()));
    assert!(container.answers());
    assert!(orchestrator.stop().success());
    let log = log(orchestrator);
    let of = |event_type: &str| log.iter().filter(|event| event["event_type"] == event_type).collect::<Vec<_>>();
    let attempts: Vec<_> = of("recovery_started").iter().map(|event| event["attempt"].as_u64()).collect();
    assert_eq!(attempts.iter().collect::<HashSet<_>>().len(), attempts.len(), "an attempt was repeated: {attempts:?}");
    assert_eq!(of("server_down").len(), 1, "{log:#?}");
    assert_eq!(of("recovery_successful").len() + of("server_recovered").len(), 1, "{log:#?}");
    assert_eq!(of("server_stopped").len() + of("server_started").len(), 0, "{log:#?}");
}

fn helps(kind: EngineKind) {
    let pier = Pier::with(kind);
    let container = pier.run("calculator");
    let (mut orchestrator, mut events) = watch(&container, &directly(kind), "enabled: true");
    let before = container.id();
    container.break_by("hang");
    assert_eq!(events.wait_for("calculator", "recovery_started")["strategy"], "recreate");
    assert_eq!(events.wait_for("calculator", "recovery_successful")["attempts"], 1);
    assert_ne!(container.id(), before);
    assert_eq!(container.label("mcp-health.recreates").as_deref(), Some(before.as_str()));
    assert_eq!(container.label("mcp-health-test").as_deref(), Some("1"), "labels are kept");
    settled(&mut orchestrator, &container);
}

#[test]
fn one_that_hangs_is_replaced_in_docker() {
    helps(Docker);
}

#[test]
fn one_that_hangs_is_replaced_in_podman() {
    helps(Podman);
}

fn does_not_help(kind: EngineKind) {
    let pier = Pier::with(kind);
    let container = pier.run("calculator");
    let (mut orchestrator, mut events) = watch(&container, &directly(kind), FAILS);
    let before = container.id();
    container.break_by("hang");
    events.wait_for("calculator", "recovery_started");
    until("it is replaced", || (container.id() != before && container.answers()).then_some(()));
    assert_eq!(container.kept().len(), 1, "the old one is kept");
    container.break_by("hang");
    std::fs::write(orchestrator.directory.path().join("go"), "").expect("written");
    let failed = events.wait_for("calculator", "recovery_failed");
    assert_eq!(failed["error"], "action: hook `after`: it ended with exit code 1");
    events.wait_for("calculator", "server_recovered");
    assert_eq!(container.id(), before, "the old one is back");
    assert_eq!(container.label("mcp-health.recreates"), None);
    settled(&mut orchestrator, &container);
}

#[test]
fn one_that_this_does_not_help_is_put_back_in_docker() {
    does_not_help(Docker);
}

#[test]
fn one_that_this_does_not_help_is_put_back_in_podman() {
    does_not_help(Podman);
}

/// The new one does not come up at all.
#[test]
fn what_is_never_verified_is_put_back() {
    let pier = Pier::new();
    let container = pier.run("calculator");
    let hang = format!("after: {{url: \"{}\"}}", container.url("/break/hang"));
    let (mut orchestrator, mut events) = watch(&container, &directly(Docker), &hang);
    let before = container.id();
    container.break_by("hang");
    let failed = events.wait_for("calculator", "recovery_failed");
    let error = failed["error"].as_str().expect("an error");
    // A server that is just being started may not hear the hook.
    assert!(error == "verify_timeout" || error.contains("hook `after`"), "{error}");
    events.wait_for("calculator", "server_recovered");
    assert_eq!(container.id(), before, "the old one is back");
    settled(&mut orchestrator, &container);
}

#[test]
fn one_that_is_registered_by_its_id_is_left_alone() {
    let pier = Pier::new();
    let container = pier.run("calculator");
    let (before, life) = (container.id(), container.life());
    let entry = container.entry().replace(&container.full_name(), &before);
    let registry = format!("{QUICK}servers:\n{entry}    recovery: {{strategy: recreate}}\n");
    let orchestrator = Orchestrator::start_with(&registry);
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    listened_to(&orchestrator);
    container.break_by("hang");
    let failed = events.wait_for("calculator", "recovery_failed");
    assert!(failed["error"].as_str().is_some_and(|error| error.contains("registered by its id")), "{failed}");
    events.wait_for("calculator", "recovery_exhausted");
    assert_eq!((container.id(), container.life()), (before, life), "it was touched");
}

/// Somebody removes the new one while it is being verified: that is followed, and what it has replaced is there until it is wanted.
fn removed_meanwhile(kind: EngineKind, crashes: bool) {
    let pier = Pier::with(kind);
    let container = pier.run("calculator");
    // It takes some seconds until the new one has shown that it is well.
    let patient = QUICK
        .replace("success_threshold: 2", "success_threshold: 80")
        .replace("verify_timeout_seconds: 5", "verify_timeout_seconds: 600");
    let (engine, entry) = (directly(kind), container.entry());
    let registry = format!("{patient}{engine}servers:\n{entry}    recovery: {{strategy: recreate}}\n");
    let mut orchestrator = Orchestrator::start_with(&registry);
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    listened_to(&orchestrator);
    let before = container.id();
    container.break_by("hang");
    events.wait_for("calculator", "recovery_started");
    until("it is replaced", || (container.id() != before && container.answers()).then_some(()));

    container.remove();

    assert_eq!(events.wait_for("calculator", "server_stopped")["reason"], "operator");
    let seen = events.types("calculator");
    assert!(!seen.iter().any(|it| ["recovery_successful", "recovery_failed", "server_recovered"].contains(it)), "{seen:?}");
    assert_eq!((phase(&orchestrator).as_str(), container.kept().len(), container.id().as_str()), ("stopped", 1, ""));
    let why = orchestrator.get("/servers/calculator/why").to_string();
    assert!(why.contains("is kept until it is well, and the log names it"), "{why}");
    if crashes {
        orchestrator = orchestrator.crash_and_start_again();
        listened_to(&orchestrator);
        assert_eq!((phase(&orchestrator).as_str(), container.kept().len()), ("stopped", 1));
    }
    let mut events = orchestrator.events_from_now();
    let restart = ["restart", "calculator", "--state-dir", "state", "--url", orchestrator.api.as_str()];
    let (code, text) = run(orchestrator.directory.path(), &restart);
    assert_eq!(code, 0, "{text}");
    let ended = events
        .wait_until("its end", |event| ["recovery_successful", "recovery_failed"].iter().any(|it| event["event_type"] == *it));
    assert_eq!(ended["event_type"], "recovery_successful", "{ended}");
    assert_eq!((container.id(), container.kept().len(), container.answers()), (before, 0, true));
}

#[test]
fn one_that_is_removed_while_it_is_verified_is_stopped_until_somebody_restarts_it() {
    removed_meanwhile(Docker, false);
}

#[test]
fn the_same_when_we_are_killed_before_that() {
    removed_meanwhile(Docker, true);
}

#[test]
fn the_same_in_podman() {
    removed_meanwhile(Podman, false);
}

/// The orchestrator is killed while the engine has this call before it, and just after it has done it.
fn crash_in(kind: EngineKind, call: Call, sides: &[Side]) {
    for side in sides {
        let pier = Pier::with(kind);
        let container = pier.run("calculator");
        let directory = tempfile::tempdir().expect("a directory");
        let gate = Gate::open(&directory.path().join("gate.sock"), &engine(kind).address);
        let (orchestrator, _events) = watch(&container, &gate.engine(kind.as_str()), "enabled: true");
        gate.arm(call, *side);
        container.break_by("hang");
        gate.wait_until_caught(&format!("{call:?} is held up, {side:?}"));
        let mut orchestrator = orchestrator.crash_and_start_again();
        settled(&mut orchestrator, &container);
    }
}

const BOTH: [Side; 2] = [Side::Before, Side::After];

/// What it has replaced cannot be removed, for weeks perhaps. It is not thrown away for that one.
#[test]
fn one_that_was_well_stays_while_what_it_has_replaced_cannot_be_removed() {
    let pier = Pier::with(Docker);
    let container = pier.run("calculator");
    let directory = tempfile::tempdir().expect("a directory");
    let gate = Gate::open(&directory.path().join("gate.sock"), &engine(Docker).address);
    let (orchestrator, mut events) = watch(&container, &gate.engine("docker"), "enabled: true");
    gate.arm(("DELETE", "/containers/"), Side::Cut);
    container.break_by("hang");
    events.wait_for("calculator", "recovery_successful");
    events.wait_until("it is said", |event| event["event_type"] == "monitor_impaired" && event["reason"] == "recreate");
    let (second, kept) = (container.id(), container.kept());
    container.break_by("hang");
    let failed = events.wait_for("calculator", "recovery_failed");
    let error = failed["error"].as_str().expect("an error");
    assert!(error.contains("is still there") && error.contains(kept[0].trim_start_matches('/')), "{failed}");
    assert_eq!((container.id(), container.kept()), (second.clone(), kept));
    // Nor when we are killed before the engine has heard of the next attempt.
    gate.arm(("DELETE", "/containers/"), Side::Before);
    gate.wait_until_caught("what was replaced is to be removed");
    assert_eq!(container.id(), second);
    let orchestrator = orchestrator.crash_and_start_again();
    until("it is well again", || (phase(&orchestrator) == "healthy").then_some(()));
    until("what was replaced is gone", || container.kept().is_empty().then_some(()));
    assert_eq!((container.label("mcp-health.recreates"), container.answers()), (Some(second), true));
}

#[test]
fn a_crash_when_it_is_stopped() {
    crash_in(Docker, ("POST", "/stop"), &BOTH);
}

#[test]
fn a_crash_when_it_is_renamed() {
    crash_in(Docker, ("POST", "/rename"), &BOTH);
}

#[test]
fn a_crash_when_the_new_one_is_created() {
    crash_in(Docker, ("POST", "/containers/create"), &BOTH);
}

#[test]
fn a_crash_when_the_new_one_is_started() {
    crash_in(Docker, ("POST", "/start"), &BOTH);
}

#[test]
fn a_crash_when_the_old_one_is_removed() {
    crash_in(Docker, ("DELETE", "/containers/"), &BOTH);
}

/// What is there when a call was not heard of is what the one before has left.
#[test]
fn crashes_with_podman() {
    for call in [("POST", "/stop"), ("POST", "/rename"), ("POST", "/containers/create"), ("POST", "/start")] {
        crash_in(Podman, call, &[Side::After]);
    }
}

#[test]
fn a_crash_when_podman_removes_the_old_one() {
    crash_in(Podman, ("DELETE", "/containers/"), &[Side::After]);
}

/// Killed while the old one is put back.
fn crash_back_in(kind: EngineKind, call: Call, sides: &[Side]) {
    for side in sides {
        let pier = Pier::with(kind);
        let container = pier.run("calculator");
        let directory = tempfile::tempdir().expect("a directory");
        let gate = Gate::open(&directory.path().join("gate.sock"), &engine(kind).address);
        let (orchestrator, _events) = watch(&container, &gate.engine(kind.as_str()), FAILS);
        let before = container.id();
        container.break_by("hang");
        until("it is replaced", || (container.id() != before && container.answers()).then_some(()));
        gate.arm(call, *side);
        std::fs::write(orchestrator.directory.path().join("go"), "").expect("written");
        gate.wait_until_caught(&format!("{call:?} is held up, {side:?}"));
        let mut orchestrator = orchestrator.crash_and_start_again();
        settled(&mut orchestrator, &container);
        assert_eq!(container.id(), before, "the old one is back");
    }
}

#[test]
fn a_crash_when_the_new_one_goes() {
    crash_back_in(Docker, ("DELETE", "/containers/"), &BOTH);
}

#[test]
fn a_crash_when_the_old_one_gets_its_name_back() {
    crash_back_in(Docker, ("POST", "/rename"), &BOTH);
}

#[test]
fn a_crash_when_the_old_one_is_started_again() {
    crash_back_in(Docker, ("POST", "/start"), &BOTH);
}

#[test]
fn crashes_while_podman_puts_the_old_one_back() {
    for call in [("DELETE", "/containers/"), ("POST", "/rename")] {
        crash_back_in(Podman, call, &[Side::After]);
    }
}

/// Whoever shares its network has lost it, and gets the new one's.
#[test]
fn a_container_that_shares_the_network_follows() {
    follows(Docker, "recreate");
}

#[test]
fn one_in_podman_follows_too() {
    follows(Podman, "recreate");
}

#[test]
fn one_in_docker_follows_a_restart() {
    follows(Docker, "restart");
}

#[test]
fn one_in_podman_follows_a_restart() {
    follows(Podman, "restart");
}

/// Watches both, of whom the first is brought back by `strategy`.
fn watch_sharing(leader: &Container<'_>, follower: &Container<'_>, engine: &str, strategy: &str) -> (Orchestrator, Events) {
    let entries = format!("{}{}", leader.entry(), follower.entry());
    // Long enough for the follower not to be found down by its own checks before it follows.
    let slow = QUICK.replace("interval_seconds: 0.3", "failure_threshold: 1000, interval_seconds: 0.3");
    let registry = format!("{slow}{engine}servers:\n{entries}").replace(
        &leader.entry(),
        &format!("{}    health_check: {{failure_threshold: 3}}\n    recovery: {{strategy: {strategy}}}\n", leader.entry()),
    );
    let orchestrator = Orchestrator::start_with(&registry);
    let mut events = orchestrator.events();
    for _ in 0..2 {
        events.wait_until("a good answer", |event| event["event_type"] == "status_changed" && event["status"] == "ok");
    }
    listened_to(&orchestrator);
    (orchestrator, events)
}

fn follows(kind: EngineKind, strategy: &str) {
    let pier = Pier::with(kind);
    let port = free_port();
    let leader = pier.run_with("calculator", Habits { publishes: Some(port), ..Habits::default() });
    let follower = pier.run_with("follower", Habits { network_of: Some((leader.full_name(), port)), ..Habits::default() });
    let (_orchestrator, mut events) = watch_sharing(&leader, &follower, &directly(kind), strategy);
    let lives = |container: &Container<'_>| (container.id(), container.life());
    let (before, life) = (lives(&leader), lives(&follower));
    leader.break_by("hang");
    let begun = events.wait_for("follower", "recovery_started");
    assert_eq!((begun["attempt"].as_u64(), begun["reason"].as_str()), (Some(0), Some("network_of:calculator")));
    assert_eq!(begun["strategy"], strategy);
    events.wait_for("follower", "recovery_successful");
    assert!(lives(&leader) != before && lives(&follower) != life);
    let is_new = strategy == "recreate";
    assert_eq!((leader.id() != before.0, follower.id() != life.0), (is_new, is_new));
    assert!(leader.answers() && follower.answers());
    until("nothing is kept", || (leader.kept().is_empty() && follower.kept().is_empty()).then_some(()));
}

#[test]
fn every_call_of_a_recreate_is_in_the_docs() {
    let pier = Pier::new();
    let directory = tempfile::tempdir().expect("a directory");
    let recorder = Recorder::open(&directory.path().join("engine.sock"), Path::new(SOCKET));
    let container = pier.run_with("calculator", Habits { restart: Some(RestartPolicyNameEnum::ALWAYS), ..Habits::default() });
    let engine = format!("engines: [{{name: local, kind: docker, address: \"{}\"}}]\n", recorder.address());
    let (mut orchestrator, mut events) = watch(&container, &engine, FAILS);
    std::fs::write(orchestrator.directory.path().join("go"), "").expect("written");
    container.break_by("hang");
    events.wait_for("calculator", "recovery_failed");
    events.wait_for("calculator", "server_recovered");
    assert_eq!(container.restart_policy(), Some(RestartPolicyNameEnum::ALWAYS), "as it was created");
    settled(&mut orchestrator, &container);
    let known: BTreeSet<_> = ["always", "recovery", "recreate"].into_iter().flat_map(listed).collect();
    let unlisted: Vec<_> = recorder.kinds().into_iter().filter(|call| !known.contains(call)).collect();
    assert!(unlisted.is_empty(), "docs/operations/socket.md does not list {unlisted:?}");
}
