//! A reload in the middle of a recreate ends neither the attempt nor what it owes.

use health_spec::config::EngineKind::Docker;
use serde_json::Value;

use super::{QUICK, directly, listened_to, settled};
use crate::harness::{Orchestrator, until};
use crate::pier::Pier;
use crate::reload::rewrite;

/// Verification begins when somebody writes into the pipe `go`.
const WAITS: &str = "after: {command: [cat, go], timeout_seconds: 600}";

/// The same container, which may take another time to end.
fn otherwise(entry: &str) -> String {
    entry.replace("}\n", ", stop_timeout_seconds: 3}\n")
}

#[test]
fn what_is_not_verified_is_put_back_after_a_reload_too() {
    let pier = Pier::new();
    let container = pier.run("calculator");
    let (engine, entry) = (directly(Docker), container.entry());
    let quick = QUICK.replace("start_period_seconds: 3", "start_period_seconds: 1");
    let quick = quick.replace("verify_timeout_seconds: 5", "verify_timeout_seconds: 2");
    let registry = format!("{quick}{engine}servers:\n{entry}    recovery: {{strategy: recreate, {WAITS}}}\n");
    let mut orchestrator = Orchestrator::start_with(&registry);
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    listened_to(&orchestrator);
    let go = orchestrator.directory.path().join("go");
    assert!(std::process::Command::new("mkfifo").arg(&go).status().expect("it runs").success());
    let before = container.id();
    container.break_by("hang");
    events.wait_for("calculator", "recovery_started");
    until("it is replaced", || (container.id() != before && container.answers()).then_some(()));
    container.break_by("hang");
    std::fs::write(&go, "").expect("written");

    rewrite(&orchestrator, &registry.replace(&entry, &otherwise(&entry)));
    events.wait_until("the reload", |event| event["event_type"] == "config_reloaded");

    assert_eq!(events.wait_for("calculator", "recovery_failed")["error"], "verify_timeout");
    events.wait_for("calculator", "server_recovered");
    assert_eq!(container.id(), before, "the old one is back");
    settled(&mut orchestrator, &container);
}

#[test]
fn a_container_that_is_missing_just_now_is_no_reason_to_reject_a_reload() {
    let pier = Pier::new();
    let container = pier.run("calculator");
    let (engine, entry) = (directly(Docker), container.entry());
    let registry = format!("{QUICK}{engine}servers:\n{entry}");
    let orchestrator = Orchestrator::start_with(&registry);
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    listened_to(&orchestrator);
    container.remove();
    events.wait_for("calculator", "server_stopped");

    rewrite(&orchestrator, &registry.replace(&entry, &otherwise(&entry)));
    let is_read = |event: &Value| ["config_reloaded", "config_rejected"].iter().any(|it| event["event_type"] == *it);
    let read = events.wait_until("the reload", is_read);
    assert_eq!(read["event_type"], "config_reloaded", "{read}");

    container.create_again(&[]);
    events.wait_for("calculator", "server_started");
}
