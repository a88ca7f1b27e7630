//! What comes between while the old one is put back: the orchestrator is killed while its engine stops the new one, or the engine errs.

use bollard::models::ContainerStateStatusEnum::STOPPING;
use health_spec::config::EngineKind::{self, Docker, Podman};

use super::{FAILS, directly, phase, settled, watch};
use crate::gate::{Gate, Side};
use crate::harness::{Orchestrator, log, until};
use crate::pier::{Container, Habits, Pier};
use crate::quay::engine;

/// It does not end when it is asked to: its engine kills it after so many seconds.
fn deaf<'a>(pier: &'a Pier, name: &str, seconds: i64) -> Container<'a> {
    let habits = Habits { stop_signal: Some("SIGHUP"), ..Habits::default() };
    pier.run_changed(name, habits, &[], |body| body.stop_timeout = Some(seconds))
}

/// Podman has a state for it and Docker an event.
fn until_it_is_being_stopped(kind: EngineKind, container: &Container<'_>, signals: usize) {
    until("it is being stopped", || {
        let is_asked = match kind {
            Docker => container.count("kill") > signals,
            Podman => container.state().status == Some(STOPPING),
        };
        is_asked.then_some(())
    });
}

/// Killed while the new one is being stopped, in each of so many runs.
fn crash_while_it_is_stopped(kind: EngineKind, crashes: usize) {
    let pier = Pier::with(kind);
    let container = deaf(&pier, "calculator", 3);
    let (mut orchestrator, _events) = watch(&container, &directly(kind), FAILS);
    let before = container.id();
    container.break_by("hang");
    until("it is replaced", || (container.id() != before && container.answers()).then_some(()));
    let mut signals = container.count("kill");
    std::fs::write(orchestrator.directory.path().join("go"), "").expect("written");
    for _ in 0..crashes {
        until_it_is_being_stopped(kind, &container, signals);
        signals = container.count("kill");
        orchestrator = Orchestrator::crash_and_start_again(orchestrator);
    }
    settled(&mut orchestrator, &container);
    assert_eq!(container.id(), before, "the old one is back");
}

/// And while the old one is, at the beginning: the attempt has no more time than that, and the next one comes while that goes on.
#[test]
fn a_crash_while_docker_stops_the_old_one() {
    let pier = Pier::new();
    let container = deaf(&pier, "calculator", 5);
    let quick = "verify_timeout_seconds: 2}\n    health_check: {start_period_seconds: 1";
    let (orchestrator, _events) = watch(&container, &directly(Docker), quick);
    container.break_by("hang");
    until_it_is_being_stopped(Docker, &container, 0);
    let mut orchestrator = orchestrator.crash_and_start_again();
    settled(&mut orchestrator, &container);
}

#[test]
fn a_crash_while_docker_stops_the_new_one() {
    crash_while_it_is_stopped(Docker, 1);
}

#[test]
fn two_crashes_while_docker_stops_the_new_one() {
    crash_while_it_is_stopped(Docker, 2);
}

#[test]
fn a_crash_while_podman_stops_the_new_one() {
    crash_while_it_is_stopped(Podman, 1);
}

/// The new one is stopped, and the engine does not hear that it is to be removed.
#[test]
fn what_the_engine_errs_in_is_tried_again() {
    let pier = Pier::new();
    let container = pier.run("calculator");
    let directory = tempfile::tempdir().expect("a directory");
    let gate = Gate::open(&directory.path().join("gate.sock"), &engine(Docker).address);
    let (mut orchestrator, _events) = watch(&container, &gate.engine("docker"), FAILS);
    let before = container.id();
    container.break_by("hang");
    until("it is replaced", || (container.id() != before && container.answers()).then_some(()));
    gate.arm(("DELETE", "/containers/"), Side::Cut);
    std::fs::write(orchestrator.directory.path().join("go"), "").expect("written");
    gate.wait_until_caught("it is to be removed");
    gate.let_go();
    settled(&mut orchestrator, &container);
    let log = log(&orchestrator);
    let count = |event_type: &str| log.iter().filter(|event| event["event_type"] == event_type).count();
    assert_eq!((container.id(), count("monitor_impaired"), count("recovery_started")), (before, 0, 1), "{log:#?}");
}

/// Somebody stops the new one as well, while both runs do.
#[test]
fn a_stop_of_somebodys_beside_those_of_both_runs_is_honoured() {
    let pier = Pier::new();
    let container = deaf(&pier, "calculator", 6);
    let (orchestrator, _events) = watch(&container, &directly(Docker), FAILS);
    let before = container.id();
    container.break_by("hang");
    until("it is replaced", || (container.id() != before && container.answers()).then_some(()));
    let signals = container.count("kill");
    std::fs::write(orchestrator.directory.path().join("go"), "").expect("written");
    until_it_is_being_stopped(Docker, &container, signals);
    let orchestrator = orchestrator.crash_and_start_again();
    until_it_is_being_stopped(Docker, &container, signals + 1);
    container.stop(1);
    until("it is told as stopped", || (phase(&orchestrator) == "stopped").then_some(()));
    assert_eq!((container.id(), container.state().running, container.kept().len()), (before, Some(false), 0));
    let why = orchestrator.get("/servers/calculator/why").to_string();
    assert!(!why.contains("is kept until it is well"), "{why}");
}
