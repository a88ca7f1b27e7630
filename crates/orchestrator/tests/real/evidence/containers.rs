//! What is kept of containers, whichever engine runs them.

use health_spec::config::EngineKind;
use serde_json::{Value, json};

use super::{captures, has_after, incident_when, lines, list, noted, watched};
use crate::browser::Browser;
use crate::harness::{Events, Orchestrator, QUICK, until};
use crate::pier::{Container, Habits, Pier};
use crate::quay;

const SECRET: &str = "swordfish-2";

/// A server that says its secret in each answer: its own name is what its environment calls a token.
fn talkative(pier: &Pier, memory: Option<i64>) -> Container<'_> {
    let habits = Habits { memory, environment: &["SECRET_TOKEN=swordfish-2", "MODE=x"], ..Habits::default() };
    pier.run_changed("calculator", habits, &[], |body| {
        let name = body.entrypoint.as_mut().and_then(|words| words.last_mut()).expect("its name");
        SECRET.clone_into(name);
    })
}

/// Well, with what it is made of noted. So rarely checked that it is the engine that tells, also on a busy machine.
fn noted_in(kind: EngineKind, container: &Container<'_>) -> (Orchestrator, Events) {
    let engine = quay::engine(kind);
    let engines = format!("engines:\n  - {{name: mine, kind: {}, address: \"{}\"}}\n", kind.as_str(), engine.address);
    let settings = QUICK.replace("interval_seconds: 0.3", "interval_seconds: 30");
    let orchestrator = Orchestrator::start_with(&format!("{settings}{engines}servers:\n{}", container.entry()));
    let events = watched(&orchestrator);
    until("it is noted what it was made of", || noted(&orchestrator, "calculator").then_some(()));
    (orchestrator, events)
}

fn state(incident: &Value) -> &Value {
    captures(incident)[0].get("state").unwrap_or_else(|| panic!("no state in {incident:#}"))
}

fn is_digest(value: &Value) -> bool {
    value.as_str().and_then(|text| text.strip_prefix("sha256:")).is_some_and(|digits| digits.len() == 64)
}

/// What is told of every container that has died, and has not been changed since it was well.
fn assert_told(kind: EngineKind, incident: &Value) {
    let state = state(incident);
    assert_eq!((state["kind"].as_str(), state["running"].as_bool()), (Some(kind.as_str()), Some(false)), "{state:#}");
    assert!(state["exit_code"].as_i64().is_some_and(|code| code != 0), "{state:#}");
    assert!(state["started_at"].is_string() && state["finished_at"].is_string(), "{state:#}");
    assert!(is_digest(&state["image"]["digest"]), "{state:#}");
    let names = list(state, "/environment");
    assert!(["SECRET_TOKEN", "MODE"].iter().all(|name| names.contains(&json!(name))), "{state:#}");
    assert!(!incident.to_string().contains("swordfish"), "{incident:#}");
    let bodies: Vec<_> = list(&captures(incident)[0], "/answers").iter().filter_map(|answer| answer["body"].as_str()).collect();
    assert!(bodies.iter().any(|body| body.contains("***")), "{bodies:?}");
    let engine = &captures(incident)[0]["engine"];
    assert!(engine["version"].is_string() && engine["processors"].as_u64() > Some(0), "{incident:#}");
    assert!(engine["memory_bytes"].as_u64() > Some(0) && engine["containers"].as_u64() > Some(0), "{incident:#}");
    assert!(incident["evidence"]["well_at"].is_string(), "{incident:#}");
    assert_eq!(incident["evidence"]["changed"], json!([]), "{incident:#}");
    for after in [false, true] {
        assert!(lines(incident, after).iter().any(|line| line.contains("serving")), "after: {after}, {incident:#}");
    }
}

fn one_that_crashed(kind: EngineKind) {
    let pier = Pier::with(kind);
    let container = talkative(&pier, None);
    let (orchestrator, mut events) = noted_in(kind, &container);
    let mut dies = || {
        container.break_by("crash");
        let down = events.wait_for("calculator", "server_down");
        events.wait_for("calculator", "recovery_successful");
        incident_when(&orchestrator, &down, "both looks", has_after)
    };

    let incident = dies();

    assert_eq!(incident["reason"], "container_died");
    assert_told(kind, &incident);
    assert_eq!(state(&incident)["image"]["reference_now"], Value::Null, "{incident:#}");

    pier.pull_another();
    let incident = dies();

    let image = &state(&incident)["image"];
    assert!(is_digest(&image["reference_now"]) && image["reference_now"] != image["digest"], "{image:#}");
    assert_told(kind, &incident);
}

#[test]
fn everything_is_kept_of_a_docker_container_that_crashed() {
    one_that_crashed(EngineKind::Docker);
}

#[test]
fn the_same_is_kept_of_a_podman_container() {
    one_that_crashed(EngineKind::Podman);
}

#[test]
fn a_container_that_was_out_of_memory_says_so_with_its_limit_also_to_people() {
    const LIMIT: i64 = 32 * 1024 * 1024;
    let pier = Pier::new();
    let container = talkative(&pier, Some(LIMIT));
    let (orchestrator, mut events) = noted_in(EngineKind::Docker, &container);
    let browser = Browser::open(&orchestrator.gateway);

    container.break_by("memory");

    let down = events.wait_for("calculator", "server_down");
    events.wait_for("calculator", "recovery_successful");
    let incident = incident_when(&orchestrator, &down, "both looks", has_after);
    assert_eq!(incident["detected_by"], "engine");
    let state = state(&incident);
    assert_eq!((state["oom_killed"].as_bool(), state["memory_limit_bytes"].as_i64()), (Some(true), Some(LIMIT)), "{state:#}");
    assert_eq!(state["exit_code"], 137, "{state:#}");
    assert_told(EngineKind::Docker, &incident);

    browser.wait_until("document.querySelector('#incidents li')?.dataset.outcome === 'successful'");
    browser.run("document.querySelector('#incidents button').click()");
    let digest = state["image"]["digest"].as_str().expect("a digest");
    let version = captures(&incident)[0]["engine"]["version"].as_str().expect("a version");
    for expected in [
        "limit 32 MiB, killed for memory",
        "exit code 137",
        digest,
        &format!("mine {version}, "),
        "SECRET_TOKEN",
        "noticed by the engine",
        "Last answers",
        "docker logs ",
    ] {
        browser.wait_until(&format!("document.getElementById('incident').textContent.includes({})", json!(expected)));
    }
}

fn another_image_between_well_and_death(kind: EngineKind) {
    let pier = Pier::with(kind);
    let container = pier.run("calculator");
    let (orchestrator, mut events) = noted_in(kind, &container);

    pier.replace("calculator", &["/sample-server", "--no-such-flag"]);

    // The end of the one before is a stop, or on a busy machine a death that Podman explains too late.
    events.wait_until("the end of the new one", |event| event["event_type"] == "container_died" && event["exit_code"] == 2);
    let down = events.wait_for("calculator", "server_down");
    let incident = incident_when(&orchestrator, &down, "a look", |it| !captures(it).is_empty());
    let changed: Vec<_> = list(&incident, "/evidence/changed").iter().filter_map(|change| change["what"].as_str()).collect();
    for expected in ["container.configuration", "container.id", "image.digest"] {
        assert!(changed.contains(&expected), "{expected} is not in {:#}", incident["evidence"]);
    }
    assert!(!changed.iter().any(|what| what.starts_with("registry.")), "{changed:?}");
    assert!(lines(&incident, false).iter().any(|line| line.contains("no-such-flag")), "{incident:#}");
}

#[test]
fn another_image_between_well_and_death_is_named() {
    another_image_between_well_and_death(EngineKind::Docker);
}

#[test]
fn another_image_of_a_podman_container_is_named() {
    another_image_between_well_and_death(EngineKind::Podman);
}
