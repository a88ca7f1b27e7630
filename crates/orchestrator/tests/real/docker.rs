//! Real Docker containers: what their engine says is believed, and nothing else of it is touched.

use bollard::models::RestartPolicyNameEnum;
use serde_json::Value;

use crate::evidence::noted;
use crate::harness::{Events, Orchestrator, QUICK, log, run, until};
use crate::pier::{Container, Habits, Pier};
use crate::reload::rewrite;

/// An orchestrator over these containers, once all are well.
fn watch(containers: &[&Container<'_>]) -> (Orchestrator, Events) {
    let orchestrator = Orchestrator::start(&containers.iter().map(|container| container.entry()).collect::<String>());
    let mut events = orchestrator.events();
    for _ in containers {
        assert_eq!(events.wait_until("a good answer", |event| event["event_type"] == "status_changed")["status"], "ok");
    }
    (orchestrator, events)
}

fn phase_of(orchestrator: &Orchestrator, server: &str) -> String {
    orchestrator.get(&format!("/servers/{server}"))["phase"].as_str().expect("a phase").to_owned()
}

#[test]
fn a_kill_is_heard_from_the_engine_and_nobody_else_is_touched() {
    let pier = Pier::new();
    let (registered, stranger, killed) = (pier.run("registered"), pier.run("stranger"), pier.run("killed"));
    let (orchestrator, mut events) = watch(&[&registered]);
    let (life, life_of_stranger) = (registered.life(), stranger.life());

    killed.kill();
    registered.kill();

    assert_eq!(events.wait_for("registered", "container_died")["exit_code"], 137);
    assert_eq!(events.wait_for("registered", "server_down")["reason"], "container_died");
    assert_eq!(events.wait_for("registered", "recovery_started")["attempt"], 1);
    assert_eq!(events.wait_for("registered", "recovery_successful")["attempts"], 1);
    assert_ne!(registered.life(), life);
    assert!(registered.answers());
    assert_eq!(phase_of(&orchestrator, "registered"), "healthy");

    assert_eq!(stranger.life(), life_of_stranger);
    assert_eq!(killed.state().running, Some(false));
    assert_eq!((killed.count("start"), killed.count("restart")), (0, 0));
    assert!(events.seen.iter().all(|event| event["server_name"] != "stranger" && event["server_name"] != "killed"));
}

#[test]
fn one_that_hangs_is_found_by_its_answers_and_our_restart_is_no_stop() {
    let pier = Pier::new();
    let container = pier.run("calculator");
    let (orchestrator, mut events) = watch(&[&container]);

    container.break_by("hang");

    assert_eq!(events.wait_for("calculator", "server_down")["reason"], "3_consecutive_failures");
    events.wait_for("calculator", "recovery_successful");
    events.wait_for("calculator", "status_changed");
    let seen = events.types("calculator");
    assert!(
        !seen.iter().any(|it| ["server_stopped", "server_started", "server_restarted", "recovery_failed"].contains(it)),
        "{seen:?}"
    );
    assert_eq!(container.count("restart"), 1);
    let view = orchestrator.get("/servers/calculator");
    assert_eq!((view["restarts"]["ours"].as_u64(), view["restarts"]["engine"].as_u64()), (Some(1), Some(0)));
}

#[test]
fn one_that_ends_well_when_stopped_stays_stopped_until_it_is_started() {
    stop_and_start(Habits::default(), 10, 0);
}

#[test]
fn one_that_must_be_killed_to_stop_stays_stopped_until_it_is_started() {
    // Process 1 has no default action: without a handler it does not even notice.
    stop_and_start(Habits { stop_signal: Some("SIGHUP"), ..Habits::default() }, 1, 137);
}

fn stop_and_start(habits: Habits, patience: i32, exit_code: i64) {
    let pier = Pier::new();
    let container = pier.run_with("calculator", habits);
    let (orchestrator, mut events) = watch(&[&container]);

    container.stop(patience);

    assert_eq!(container.state().exit_code, Some(exit_code));
    assert_eq!(events.wait_for("calculator", "server_stopped")["reason"], "operator");
    assert_eq!(phase_of(&orchestrator, "calculator"), "stopped");

    container.start();

    events.wait_for("calculator", "server_started");
    assert_eq!(events.wait_for("calculator", "status_changed")["status"], "ok");
    assert_eq!(phase_of(&orchestrator, "calculator"), "healthy");
    let seen = events.types("calculator");
    assert!(!seen.iter().any(|it| ["server_down", "recovery_started", "recovery_held"].contains(it)), "{seen:?}");
    assert_eq!((container.count("start"), container.count("restart")), (1, 0));
}

#[test]
fn a_restart_that_a_crash_of_ours_has_cut_off_is_not_made_again() {
    let pier = Pier::new();
    // Process 1 without a handler: a restart waits for it to end, until it is killed.
    let container = pier.run_with("calculator", Habits { stop_signal: Some("SIGHUP"), ..Habits::default() });
    let (orchestrator, mut events) = watch(&[&container]);

    container.break_by("hang");
    events.wait_for("calculator", "recovery_started");
    container.wait_for("kill");
    let mut orchestrator = orchestrator.crash_and_start_again();
    container.kill();

    until("it is well again", || (phase_of(&orchestrator, "calculator") == "healthy").then_some(()));
    container.wait_for("restart");
    assert!(orchestrator.stop().success());
    assert_eq!((container.count("start"), container.count("restart")), (1, 1));
    let log = log(&orchestrator);
    let count = |event_type: &str| log.iter().filter(|event| event["event_type"] == event_type).count();
    assert_eq!(
        (count("server_down"), count("recovery_started"), count("recovery_successful")),
        (1, 1, 1),
        "{:#?}",
        log.iter().filter(|event| event["event_type"] != "health_check_completed").collect::<Vec<_>>()
    );
    assert_eq!(count("server_stopped") + count("server_started") + count("server_recovered") + count("recovery_failed"), 0);
}

#[test]
fn what_somebody_stops_after_a_restart_that_a_crash_of_ours_has_cut_off_stays_stopped() {
    let pier = Pier::new();
    let container = pier.run_with("calculator", Habits { stop_signal: Some("SIGHUP"), ..Habits::default() });
    let (mut orchestrator, mut events) = watch(&[&container]);
    container.break_by("hang");
    events.wait_for("calculator", "recovery_started");
    container.wait_for("kill");
    orchestrator.crash();
    container.kill();
    container.wait_for("restart");
    container.stop(1);

    let orchestrator = orchestrator.start_again();

    until("it is stopped", || (phase_of(&orchestrator, "calculator") == "stopped").then_some(()));
    assert_eq!((container.count("start"), container.state().running), (1, Some(false)));
    assert_eq!(log(&orchestrator).iter().filter(|event| event["event_type"] == "recovery_started").count(), 1);
}

#[test]
fn a_reload_that_gives_a_server_another_container_does_nothing_to_that_one() {
    let pier = Pier::new();
    let (down, well) = (pier.run("calculator"), pier.run("well"));
    let waits = "{before: {command: [cat, go], timeout_seconds: 600}}";
    let registry = |entry: &str| format!("{QUICK}servers:\n{entry}    recovery: {waits}\n");
    let orchestrator = Orchestrator::start_with(&registry(&down.entry()));
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    orchestrator.hears_its_engines();
    let go = orchestrator.directory.path().join("go");
    assert!(std::process::Command::new("mkfifo").arg(&go).status().expect("it runs").success());
    down.kill();
    events.wait_for("calculator", "recovery_started");

    rewrite(&orchestrator, &registry(&well.entry().replace("name: well", "name: calculator")));
    events.wait_until("the reload", |event| event["event_type"] == "config_reloaded");
    let life = well.life();
    std::fs::write(go, "").expect("the hook reads");

    events.wait_for("calculator", "server_recovered");
    assert_eq!(well.life(), life, "it was touched");
    assert_eq!(events.types("calculator").iter().filter(|it| **it == "recovery_started").count(), 1);
}

#[test]
fn one_that_its_engine_brings_back_is_left_to_it() {
    let pier = Pier::new();
    let container = pier.run_with("calculator", Habits { restart: Some(RestartPolicyNameEnum::ALWAYS), ..Habits::default() });
    let (orchestrator, mut events) = watch(&[&container]);

    container.break_by("crash");

    assert_eq!(events.wait_for("calculator", "server_down")["reason"], "container_died");
    events.wait_for("calculator", "server_recovered");
    let view = orchestrator.get("/servers/calculator");
    assert_eq!((view["restarts"]["ours"].as_i64(), view["restarts"]["engine"].as_i64()), (Some(0), Some(1)));
    assert_eq!((container.engine_restarts(), container.count("start"), container.count("restart")), (1, 1, 0));
}

#[test]
fn a_restart_of_what_was_removed_is_refused_and_changes_nothing() {
    let pier = Pier::new();
    let container = pier.run("calculator");
    let (orchestrator, mut events) = watch(&[&container]);
    container.remove();
    events.wait_for("calculator", "server_stopped");
    let restart = ["restart", "calculator", "--state-dir", "state", "--url", orchestrator.api.as_str()];

    let (code, text) = run(orchestrator.directory.path(), &restart);

    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains(&format!("has no container `{}`", container.full_name())) && text.contains("create and start it"),
        "{text}"
    );
    container.create_again(&[]);
    events.wait_for("calculator", "server_started");
    let seen = events.types("calculator");
    let alarms = ["action_requested", "recovery_started", "server_down", "monitor_impaired"];
    assert!(!seen.iter().any(|it| alarms.contains(it)), "{seen:?}");
    let (code, text) = run(orchestrator.directory.path(), &restart);
    assert_eq!(code, 0, "{text}");
    events.wait_for("calculator", "recovery_successful");
}

#[test]
fn one_that_was_renamed_is_followed_to_its_evidence() {
    let pier = Pier::new();
    let mut container = pier.run("calculator");
    let orchestrator = Orchestrator::start(&container.entry());
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    orchestrator.hears_its_engines();
    until("it is noted what it was made of", || noted(&orchestrator, "calculator").then_some(()));
    container.rename("abacus");
    container.forget_name("abacus");

    container.break_by("crash");

    let down = events.wait_for("calculator", "server_down");
    events.wait_for("calculator", "recovery_successful");
    let path = format!("/incidents/{}", down["incident_id"].as_str().expect("an incident"));
    let capture = until("a look", || orchestrator.get(&path).pointer("/evidence/captures/0").cloned());
    assert_eq!(
        (&capture["missing"], capture["state"]["name"].as_str()),
        (&Value::Null, Some(container.full_name().as_str())),
        "{capture:#}"
    );
    assert!(capture["logs"]["lines"].as_array().is_some_and(|lines| !lines.is_empty()), "{capture:#}");
}
