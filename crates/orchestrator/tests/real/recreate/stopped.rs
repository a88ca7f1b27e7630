//! What somebody stops in the middle of a recreate stays so.

use health_spec::config::EngineKind::{self, Docker, Podman};

use super::{FAILS, QUICK, directly, listened_to, phase};
use crate::gate::{Gate, Side};
use crate::harness::{Events, Orchestrator, until};
use crate::pier::{Container, Pier};
use crate::quay::engine;

/// A server that is recreated, and another one; what the engine tells about that one was told after everything before.
fn watch_two(two: [&Container<'_>; 2], engine: &str, recovery: &str) -> (Orchestrator, Events) {
    let [container, other] = two.map(Container::entry);
    let registry = format!("{QUICK}{engine}servers:\n{other}{container}    recovery: {{strategy: recreate, {recovery}}}\n");
    let orchestrator = Orchestrator::start_with(&registry);
    let mut events = orchestrator.events();
    for _ in two {
        events.wait_until("a good answer", |event| event["event_type"] == "status_changed" && event["status"] == "ok");
    }
    listened_to(&orchestrator);
    (orchestrator, events)
}

fn is_put_back_and_not_started(kind: EngineKind) {
    let pier = Pier::with(kind);
    let (container, other) = (pier.run("calculator"), pier.run("other"));
    let (orchestrator, mut events) = watch_two([&container, &other], &directly(kind), FAILS);
    let before = container.id();
    container.break_by("hang");
    until("it is replaced", || (container.id() != before && container.answers()).then_some(()));
    container.stop(10);
    other.kill();
    events.wait_for("other", "container_died");
    std::fs::write(orchestrator.directory.path().join("go"), "").expect("written");
    assert_eq!(events.wait_for("calculator", "server_stopped")["reason"], "operator");
    assert_eq!((container.id(), container.state().running, container.kept().len()), (before, Some(false), 0));
    container.start();
    events.wait_for("calculator", "server_started");
}

#[test]
fn what_somebody_stops_within_a_recreate_is_put_back_and_not_started_in_docker() {
    is_put_back_and_not_started(Docker);
}

#[test]
fn what_somebody_stops_within_a_recreate_is_put_back_and_not_started_in_podman() {
    is_put_back_and_not_started(Podman);
}

fn nor_after_a_crash(kind: EngineKind) {
    let pier = Pier::with(kind);
    let (container, other) = (pier.run("calculator"), pier.run("other"));
    let directory = tempfile::tempdir().expect("a directory");
    let gate = Gate::open(&directory.path().join("gate.sock"), &engine(kind).address);
    let (orchestrator, mut events) = watch_two([&container, &other], &gate.engine(kind.as_str()), "enabled: true");
    let before = container.id();
    gate.arm(("POST", "/stop"), Side::After);
    container.break_by("hang");
    gate.wait_until_caught("it is stopped");
    container.start();
    container.stop(10);
    let started_at = container.state().started_at;
    other.kill();
    events.wait_for("other", "container_died");
    let orchestrator = orchestrator.crash_and_start_again();
    listened_to(&orchestrator);
    until("it is told as stopped", || (phase(&orchestrator) == "stopped").then_some(()));
    assert_eq!(container.state().started_at, started_at, "it was started");
    assert_eq!((container.id(), container.state().running, container.kept().len()), (before, Some(false), 0));
}

#[test]
fn nor_is_it_started_after_a_crash_in_the_recreate_in_docker() {
    nor_after_a_crash(Docker);
}

#[test]
fn nor_is_it_started_after_a_crash_in_the_recreate_in_podman() {
    nor_after_a_crash(Podman);
}
