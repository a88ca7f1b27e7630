//! Docker and Podman alike: a stop that takes a SIGKILL, the engine's own restarts, and what is kept of a lack of memory.

mod endings;

use bollard::models::{ContainerStateStatusEnum, RestartPolicyNameEnum};
use bollard::query_parameters::RestartContainerOptions;
use health_spec::config::EngineKind::{self, Docker, Podman};
use serde_json::Value;

use crate::gate::{Gate, Side};
use crate::harness::{Events, Orchestrator, QUICK, free_port, log, until};
use crate::pier::{Container, Habits, Pier};
use crate::quay;

/// Seconds; longer than a test waits: what the container was created with is not what ends it.
const TOO_LONG: i64 = 100;

/// So many checks of another one are more than would be needed to call this one down.
const ENOUGH: usize = 8;

/// Over this one server, once it is well and its engine is listened to.
fn watch(kind: EngineKind, settings: &str, entry: &str) -> (Orchestrator, Events) {
    let engines = format!("engines: [{{name: here, kind: {}, address: \"{}\"}}]\n", kind.as_str(), quay::engine(kind).address);
    let orchestrator = Orchestrator::start_with(&format!("{settings}{engines}servers:\n{entry}"));
    let mut events = orchestrator.events();
    assert_eq!(events.wait_for("calculator", "status_changed")["status"], "ok");
    orchestrator.hears_its_engines();
    (orchestrator, events)
}

/// Checks so far apart that it is the engine that tells, also on a busy machine.
fn rare() -> String {
    QUICK.replace("interval_seconds: 0.3", "interval_seconds: 30")
}

fn restarts(orchestrator: &Orchestrator) -> (Option<u64>, Option<u64>) {
    let restarts = orchestrator.get("/servers/calculator")["restarts"].clone();
    (restarts["ours"].as_u64(), restarts["engine"].as_u64())
}

/// Process 1 without a handler does not even notice SIGHUP: it ends when the time that the registry gives it is over.
fn is_killed_when_its_time_is_over(kind: EngineKind, strategy: &str) {
    let pier = Pier::with(kind);
    let habits = Habits { stop_signal: Some("SIGHUP"), ..Habits::default() };
    let container = pier.run_changed("calculator", habits, &[], |body| body.stop_timeout = Some(TOO_LONG));
    let entry = container.entry().replace(&container.full_name(), &format!("{}, stop_timeout_seconds: 1", container.full_name()));
    let entry = format!("{entry}    recovery: {{strategy: {strategy}}}\n");
    let (orchestrator, mut events) = watch(kind, QUICK, &entry);
    let life = container.life();

    container.break_by("hang");

    assert_eq!(events.wait_for("calculator", "server_down")["reason"], "3_consecutive_failures");
    events.wait_for("calculator", "recovery_started");
    assert_eq!(events.wait_for("calculator", "container_died")["exit_code"], 137);
    assert_eq!(events.wait_for("calculator", "recovery_successful")["attempts"], 1);
    assert!(container.life() != life && container.answers());
    assert_eq!(restarts(&orchestrator), (Some(1), Some(0)));
    assert_eq!(events.types("calculator").iter().filter(|it| **it == "recovery_started").count(), 1);
    drop(orchestrator);
    // Or its removal would wait for it.
    container.kill();
}

#[test]
fn one_that_does_not_end_when_asked_is_killed_in_docker() {
    is_killed_when_its_time_is_over(Docker, "restart");
}

#[test]
fn also_when_it_is_recreated_in_docker() {
    is_killed_when_its_time_is_over(Docker, "recreate");
}

#[test]
fn one_that_does_not_end_when_asked_is_killed_in_podman() {
    is_killed_when_its_time_is_over(Podman, "restart");
}

#[test]
fn also_when_it_is_recreated_in_podman() {
    is_killed_when_its_time_is_over(Podman, "recreate");
}

/// Longer than the listener's rounds are apart, in seconds: it looks while they are being stopped.
const LONGER_THAN_A_ROUND: i32 = 12;

/// Podman tells of the life before while it waits for the end of this one. One of them does not answer any more, and both take their time.
#[test]
fn whoever_is_being_stopped_or_restarted_in_podman_is_left_alone_until_that_has_ended() {
    let pier = Pier::with(Podman);
    let habits = Habits { stop_signal: Some("SIGHUP"), ..Habits::default() };
    let (stopped, restarted) = (pier.run_with("calculator", habits.clone()), pier.run_with("restarted", habits));
    for container in [&stopped, &restarted] {
        container.stop(1);
        container.start();
        until("it answers again", || container.answers().then_some(()));
    }
    let (orchestrator, mut events) = watch(Podman, QUICK, &format!("{}{}", stopped.entry(), restarted.entry()));
    let is_stopping = |container: &Container<'_>| {
        let state = container.state().status;
        (state == Some(ContainerStateStatusEnum::STOPPING)).then_some(())
    };
    let before = restarted.life();

    std::thread::scope(|scope| {
        scope.spawn(|| stopped.stop(LONGER_THAN_A_ROUND));
        scope.spawn(|| {
            let options = RestartContainerOptions { t: Some(LONGER_THAN_A_ROUND), signal: None };
            pier.0.wait(pier.0.client.restart_container(&restarted.full_name(), Some(options)));
        });
        until("both are being stopped", || is_stopping(&stopped).and(is_stopping(&restarted)));
        stopped.break_by("hang");
    });

    events.wait_for("calculator", "server_stopped");
    events.wait_for("restarted", "server_started");
    let told = log(&orchestrator);
    let of = |event_type: &str| told.iter().filter(|event| event["event_type"] == event_type).collect::<Vec<_>>();
    assert!(of("server_down").is_empty() && of("recovery_started").is_empty(), "{told:#?}");
    assert!(of("container_died").iter().all(|death| death["exit_code"] == 137), "{told:#?}");
    assert!(!stopped.answers() && restarted.life() != before);
    drop(orchestrator);
    restarted.kill();
}

#[test]
fn one_that_podman_brings_back_is_left_to_it() {
    let pier = Pier::with(Podman);
    let container = pier.run_with("calculator", Habits { restart: Some(RestartPolicyNameEnum::ALWAYS), ..Habits::default() });
    let (orchestrator, mut events) = watch(Podman, &rare(), &container.entry());

    container.break_by("crash");

    assert_eq!(events.wait_for("calculator", "server_down")["reason"], "container_died");
    events.wait_for("calculator", "server_recovered");
    assert!(!events.types("calculator").contains(&"recovery_started"), "{:?}", events.types("calculator"));
    assert_eq!(restarts(&orchestrator), (Some(0), Some(1)));
    assert_eq!(container.engine_restarts(), 1);
}

/// Podman 4.3 has no word for it: the kernel is asked.
#[test]
fn a_podman_container_that_was_out_of_memory_says_so_with_its_limit_and_its_engines_load() {
    const LIMIT: i64 = 32 * 1024 * 1024;
    let pier = Pier::with(Podman);
    let container = pier.run_with("calculator", Habits { memory: Some(LIMIT), ..Habits::default() });
    let (orchestrator, mut events) = watch(Podman, &rare(), &container.entry());

    container.break_by("memory");

    assert_eq!(events.wait_for("calculator", "container_died")["oom_killed"], true);
    let down = events.wait_for("calculator", "server_down");
    events.wait_for("calculator", "recovery_successful");
    let id = down["incident_id"].as_str().expect("an incident");
    let capture = until("a look at how it ended", || {
        let incident = orchestrator.get(&format!("/incidents/{id}"));
        incident.pointer("/evidence/captures/0").filter(|capture| capture["state"].is_object()).cloned()
    });
    let state = &capture["state"];
    assert_eq!((state["memory_limit_bytes"].as_i64(), state["exit_code"].as_i64()), (Some(LIMIT), Some(137)), "{state:#}");
    let load = &capture["engine"];
    assert_eq!((&load["name"], load["version"].is_string()), (&Value::from("here"), true), "{load:#}");
    assert!(load["containers"].as_u64().is_some_and(|all| all >= 1) && load["running"].is_u64(), "{load:#}");
}

/// It was stopped while no orchestrator ran. Its engine tells that late, and checks find nothing but that it does not answer.
fn is_not_judged_before_its_engine_has_told(kind: EngineKind) {
    let pier = Pier::with(kind);
    let container = pier.run("calculator");
    let directory = tempfile::tempdir().expect("a directory");
    let gate = Gate::open(&directory.path().join("gate.sock"), &quay::engine(kind).address);
    let watched = format!("  - {{name: watched, port: {}}}\n", free_port());
    let registry = format!("{QUICK}{}servers:\n{}{watched}", gate.engine(kind.as_str()), container.entry());
    let mut orchestrator = Orchestrator::start_with(&registry);
    orchestrator.events().wait_until("a good answer", |event| event["event_type"] == "status_changed" && event["status"] == "ok");
    orchestrator.hears_its_engines();
    assert!(orchestrator.stop().success());
    container.stop(10);

    gate.arm(("GET", "until="), Side::Late);
    let orchestrator = orchestrator.start_again();
    let mut events = orchestrator.events_from_now();
    gate.wait_until_caught("it is asked whether that was a stop");
    for _ in 0..ENOUGH {
        events.wait_for("watched", "health_check_completed");
    }
    gate.let_go();

    events.wait_for("calculator", "server_stopped");
    let alarms: Vec<_> = log(&orchestrator).into_iter().filter(|event| event["event_type"] == "server_down").collect();
    assert!(alarms.iter().all(|event| event["server_name"] == "watched"), "{alarms:#?}");
}

#[test]
fn one_of_docker_is_not_judged_before_its_engine_has_told() {
    is_not_judged_before_its_engine_has_told(Docker);
}

#[test]
fn one_of_podman_is_not_judged_before_its_engine_has_told() {
    is_not_judged_before_its_engine_has_told(Podman);
}

/// Its attempt waits for a hook when the orchestrator is killed. What stops the container then is nobody's restart.
fn is_stopped_by_whoever_stops_it_before_an_action_touches_it(kind: EngineKind) {
    let pier = Pier::with(kind);
    let container = pier.run("calculator");
    let entry = format!("{}    recovery: {{before: {{command: [cat, go], timeout_seconds: 600}}}}\n", container.entry());
    let (mut orchestrator, mut events) = watch(kind, QUICK, &entry);
    // A pipe that nobody writes to: the hook waits until the next start ends it.
    let go = orchestrator.directory.path().join("go");
    assert!(std::process::Command::new("mkfifo").arg(&go).status().expect("it runs").success());
    container.break_by("hang");
    assert_eq!(events.wait_for("calculator", "server_down")["reason"], "3_consecutive_failures");
    events.wait_for("calculator", "recovery_started");
    orchestrator.crash();
    container.stop(1);

    let orchestrator = orchestrator.start_again();

    let phase = || orchestrator.get("/servers/calculator")["phase"].as_str().map(str::to_owned);
    until("it is stopped", || phase().filter(|phase| phase == "stopped"));
    let told = log(&orchestrator);
    let told: Vec<_> = told.iter().filter_map(|event| event["event_type"].as_str()).collect();
    assert_eq!(told.iter().filter(|it| **it == "recovery_started").count(), 1, "{told:?}");
    assert!(told.contains(&"server_stopped") && !told.contains(&"recovery_failed"), "{told:?}");
    assert_eq!((container.state().running, container.count("start")), (Some(false), 0));
}

#[test]
fn one_of_docker_that_is_stopped_before_an_action_touches_it_is_stopped() {
    is_stopped_by_whoever_stops_it_before_an_action_touches_it(Docker);
}

#[test]
fn one_of_podman_that_is_stopped_before_an_action_touches_it_is_stopped() {
    is_stopped_by_whoever_stops_it_before_an_action_touches_it(Podman);
}
