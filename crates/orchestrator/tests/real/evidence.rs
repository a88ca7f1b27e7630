//! What a restart would destroy is kept before it does: real processes and containers that fail in each way.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{Events, Gateway, Orchestrator, free_port, get, run, sample, sample_server, signal, until};

mod containers;
mod dashboard;

/// The incident of an event, with its evidence.
fn incident(orchestrator: &Orchestrator, event: &Value) -> Value {
    orchestrator.get(&format!("/incidents/{}", event["incident_id"].as_str().expect("an incident")))
}

/// The incident once this is true of it.
fn incident_when(orchestrator: &Orchestrator, event: &Value, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    until(what, || Some(incident(orchestrator, event)).filter(&fits))
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Every capture of an incident.
fn captures(incident: &Value) -> &[Value] {
    list(incident, "/evidence/captures")
}

/// The texts of all log lines that were captured at these moments.
fn lines(incident: &Value, after: bool) -> Vec<String> {
    let of = |capture: &&Value| (capture["moment"] == "after_attempt") == after;
    let lines = captures(incident).iter().filter(of).flat_map(|capture| list(capture, "/logs/lines"));
    lines.map(|line| line["text"].as_str().expect("a text").to_owned()).collect()
}

fn has_after(incident: &Value) -> bool {
    captures(incident).iter().any(|capture| capture["moment"] == "after_attempt")
}

/// Once the server is well, and its engine is listened to.
fn watched(orchestrator: &Orchestrator) -> Events {
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    until("the engine is listened to", || (orchestrator.get("/health")["checks"]["engines"] == "ok").then_some(()));
    events
}

/// A process that is a shell script.
fn script(name: &str, port: u16, text: &str) -> String {
    format!(
        "  - name: {name}\n    port: {port}\n    runtime: {{kind: process, command: /bin/sh, args: [-c, {text:?}], env: {{API_SETTING: swordfish-1}}}}\n"
    )
}

/// A server that crashes with exit code 3 the first time, after it has said too much.
fn talkative(port: u16) -> String {
    let server = sample_server().display();
    let text = format!(
        "if [ -e crashed ]; then echo up again; exec {server} --listen 127.0.0.1:{port}; fi; \
         mkfifo crash; {server} --listen 127.0.0.1:{port} & cat crash; touch crashed; kill $!; \
         echo connecting with password=hunter2-hunter2; echo setting swordfish-1 >&2; printf 'a\\033[31mb\\n'; exit 3"
    );
    script("calculator", port, &text)
}

#[test]
fn an_exit_code_and_the_last_lines_are_kept_without_their_secrets() {
    let orchestrator = Orchestrator::start(&talkative(free_port()));
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");

    std::fs::write(orchestrator.directory.path().join("crash"), "").expect("written");

    let down = events.wait_for("calculator", "server_down");
    events.wait_for("calculator", "recovery_successful");
    let incident = incident_when(&orchestrator, &down, "the first lines after the restart", |it| {
        lines(it, true).iter().any(|line| line == "up again")
    });
    assert_eq!((incident["outcome"].as_str(), incident["detected_by"].as_str()), (Some("successful"), Some("process")));
    assert_eq!(incident["attempts"][0]["result"], "successful");
    assert_eq!(incident.pointer("/evidence/death/exit_code"), Some(&Value::from(3)));
    let before = lines(&incident, false);
    for expected in ["connecting with password=***", "setting ***", "a\\u{1b}[31mb"] {
        assert!(before.iter().any(|line| line == expected), "{expected} is not in {before:#?}");
    }
    let text = incident.to_string();
    assert!(!text.contains("hunter2") && !text.contains("swordfish"), "{text}");
    assert_eq!(captures(&incident)[0].pointer("/state/environment"), Some(&serde_json::json!(["API_SETTING"])));
    assert!(captures(&incident)[0].pointer("/host/load").is_some(), "{incident:#}");
    let state = &captures(&incident)[0]["state"];
    assert_eq!((state["exit_code"].as_i64(), state["oom_killed"].as_bool()), (Some(3), Some(false)), "{state:#}");
    let moment = |name: &str| state[name].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
    let lasted = moment("finished_at").zip(moment("started_at")).map(|(end, start)| end.duration_since(start).as_millis());
    assert!(lasted.is_some_and(|milliseconds| (1..60_000).contains(&milliseconds)), "{state:#}");

    let (code, text) = run(Path::new("."), &["incidents", incident["id"].as_str().expect("an id"), "--url", &orchestrator.api]);
    assert_eq!(code, 0, "{text}");
    for expected in [
        "calculator: successful",
        "exit code    3",
        "life         started ",
        "| connecting with password=***",
        "| up again",
        "environment  API_SETTING",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    let (code, text) = run(Path::new("."), &["incidents", "--server", "calculator", "--url", &orchestrator.api]);
    assert!(code == 0 && text.lines().count() == 2 && text.contains("container_died"), "{text}");
}

#[test]
fn a_core_dump_is_named_where_the_machine_makes_one() {
    let (port, server, abort) = (free_port(), sample_server().display(), "ulimit -c unlimited; kill -ABRT $$");
    let text = format!(
        "if [ -e crashed ]; then exec {server} --listen 127.0.0.1:{port}; fi; mkfifo crash; {server} --listen 127.0.0.1:{port} & \
         cat crash; touch crashed; kill $!; {abort}"
    );
    let orchestrator = Orchestrator::start(&script("calculator", port, &text));
    let directory = orchestrator.directory.path();
    let here = Command::new("/bin/sh").args(["-c", abort]).current_dir(directory).status().expect("a shell").core_dumped();
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");

    std::fs::write(directory.join("crash"), "").expect("written");

    let died = events.wait_for("calculator", "container_died");
    assert_eq!((died["signal"].as_i64(), died["core_dumped"].as_bool().unwrap_or_default()), (Some(6), here), "{died}");
    let down = events.wait_for("calculator", "server_down");
    events.wait_for("calculator", "recovery_successful");
    let death = incident(&orchestrator, &down).pointer("/evidence/death").cloned().expect("a death");
    assert_eq!((death["signal"].as_i64(), death["core_dumped"].as_bool()), (Some(6), Some(here)), "{death}");
}

#[test]
fn the_last_answers_of_one_that_hangs_are_kept() {
    let port = free_port();
    let orchestrator = Orchestrator::start(&sample("calculator", port));
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");

    ureq::post(&format!("http://127.0.0.1:{port}/break/hang")).send_empty().expect("it is told to hang");

    let down = events.wait_for("calculator", "server_down");
    events.wait_for("calculator", "recovery_successful");
    let incident = incident_when(&orchestrator, &down, "both looks", has_after);
    assert_eq!((incident["detected_by"].as_str(), incident["reason"].as_str()), (Some("probe"), Some("3_consecutive_failures")));
    assert_eq!(incident.pointer("/evidence/noticed/how"), Some(&Value::from("3 checks in a row failed")));
    let answers = list(&captures(&incident)[0], "/answers");
    let failed: Vec<_> = answers.iter().filter(|answer| answer["reason"] == "timeout").collect();
    assert!((3..=10).contains(&failed.len()) && answers.len() <= 10, "{answers:#?}");
    let good = answers.iter().find(|answer| answer["verdict"] == "ok").expect("one of before");
    assert_eq!(good["http_status"], 200);
    assert!(good["body"].as_str().is_some_and(|body| body.contains("uptime_seconds") && body.len() <= 512), "{good:#}");

    let health = orchestrator.get("/servers/calculator/health");
    assert_eq!(health["status"], "ok");
    assert!(
        (5..=10).contains(&list(&health, "/answers").len()) && health["answers"][0]["phases"]["connect"].is_number(),
        "{health:#}"
    );
    let news = orchestrator.get("/servers/calculator/health/events?limit=3");
    let types: Vec<_> = list(&news, "/events").iter().map(|event| event["event_type"].as_str().expect("a type")).collect();
    assert_eq!(types, ["status_changed", "recovery_successful", "recovery_started"]);
    let older = orchestrator.get(&format!("/servers/calculator/health/events?before={}", news["next"]));
    assert_eq!(list(&older, "/events")[0]["event_type"], "server_down");
}

/// Invariant: what an action would destroy is on disk before it starts. The server keeps what the disk has, each time it is started.
#[test]
fn evidence_is_on_disk_before_the_action_starts_and_survives_a_crash() {
    let port = free_port();
    let server = sample_server().display();
    let text = format!("echo started as $$; mkdir -p seen; cp state/state.db* seen/; exec {server} --listen 127.0.0.1:{port}");
    let orchestrator = Orchestrator::start(&script("calculator", port, &text));
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");

    signal(orchestrator.pid_of("calculator"), "KILL");

    let down = events.wait_for("calculator", "server_down");
    let id = down["incident_id"].as_str().expect("an incident").to_owned();
    // The second start has begun once the disk of that moment knows the attempt.
    let seen = until("what the disk had when the server was started again", || {
        let disk = Connection::open(orchestrator.directory.path().join("seen/state.db")).ok()?;
        let incident: String = disk.query_row("SELECT json FROM incident", [], |row| row.get(0)).ok()?;
        let evidence: String = disk.query_row("SELECT json FROM evidence", [], |row| row.get(0)).ok()?;
        incident.contains("\"attempt\":1").then_some(evidence)
    });
    let seen: Value = serde_json::from_str(&seen).expect("JSON");
    let first = &list(&seen, "/captures")[0];
    assert_ne!(first["moment"], "after_attempt");
    assert!(
        list(first, "/logs/lines").iter().any(|line| line["text"].as_str().is_some_and(|it| it.starts_with("started as"))),
        "{first:#}"
    );
    assert_eq!(seen.pointer("/death/signal"), Some(&Value::from(9)));
    assert_eq!(seen.pointer("/death/core_dumped"), Some(&Value::from(false)));

    let orchestrator = orchestrator.crash_and_start_again();

    let kept = until("the incident has ended", || {
        let kept = orchestrator.get(&format!("/incidents/{id}"));
        (kept["outcome"] != "open").then_some(kept)
    });
    assert_eq!(captures(&kept)[0]["at"], first["at"], "{kept:#}");
    assert_eq!(list(&kept, "/attempts").len(), 1, "{kept:#}");
}

#[test]
fn incidents_are_paged_and_found_again() {
    let port = free_port();
    let orchestrator = Orchestrator::start(&sample("calculator", port));
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    let mut ids = Vec::new();
    for _ in 0..3 {
        signal(orchestrator.pid_of("calculator"), "KILL");
        ids.push(events.wait_for("calculator", "server_down")["incident_id"].as_str().expect("an incident").to_owned());
        events.wait_for("calculator", "recovery_successful");
    }
    let ids_of = |page: &Value| -> Vec<String> {
        list(page, "/incidents").iter().map(|it| it["id"].as_str().expect("an id").to_owned()).collect()
    };
    for base in [&orchestrator.api, &orchestrator.gateway] {
        let first = get(&format!("{base}/incidents?server=calculator&limit=2"));
        assert_eq!(ids_of(&first), [ids[2].clone(), ids[1].clone()], "newest first");
        assert!(list(&first, "/incidents").iter().all(|incident| incident.get("evidence").is_none()));
        let second = get(&format!("{base}/incidents?limit=2&before={}", first["next"].as_str().expect("more")));
        assert_eq!((ids_of(&second), &second["next"]), (vec![ids[0].clone()], &Value::Null));
        assert_eq!(get(&format!("{base}/incidents/{}", ids[1]))["id"], ids[1].as_str());
        assert!(ids_of(&get(&format!("{base}/incidents?server=nobody"))).is_empty());
        let unknown = ureq::get(&format!("{base}/incidents/nothing-7")).config().http_status_as_error(false).build().call();
        assert_eq!(unknown.expect("an answer").status(), 404);
    }
    until("all are closed", || ids_of(&orchestrator.get("/incidents?open=true")).is_empty().then_some(()));
}

/// Whether the database has what a server was made of while it was well.
pub(crate) fn noted(orchestrator: &Orchestrator, server: &str) -> bool {
    well(orchestrator, server).is_some_and(|facts| facts.contains("image.digest") || facts.contains("process.command"))
}

/// What the database has of when a server was last well.
pub(crate) fn well(orchestrator: &Orchestrator, server: &str) -> Option<String> {
    let disk = Connection::open(orchestrator.state().join("state.db")).expect("opens");
    disk.query_row("SELECT json FROM well WHERE server_name = ?1", [server], |row| row.get(0)).ok()
}

#[test]
fn levels_are_measured_and_compared_with_what_was_promised() {
    let orchestrator = Orchestrator::start(&sample("calculator", free_port()));
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    signal(orchestrator.pid_of("calculator"), "KILL");
    events.wait_for("calculator", "recovery_successful");
    let state = orchestrator.state();
    let arguments = ["restart", "calculator", "--url", &orchestrator.api, "--state-dir", &state.to_string_lossy()];
    assert_eq!(run(Path::new("."), &arguments).0, 0);

    for base in [&orchestrator.api, &orchestrator.gateway] {
        let slo = get(&format!("{base}/slo?window=24h"));
        let metric = |id: &str| list(&slo, "/metrics").iter().find(|metric| metric["id"] == id).expect("one of five").clone();
        assert_eq!(
            (metric("recovered_120s")["met"].as_bool(), metric("recovered_120s")["samples"].as_u64()),
            (Some(true), Some(1))
        );
        assert_eq!(
            (metric("manual_restarts")["measured"].as_f64(), metric("manual_restarts")["met"].as_bool()),
            (Some(7.0), Some(false))
        );
        assert_eq!((metric("detection")["met"].as_bool(), metric("adoption")["measured"].as_f64()), (Some(true), Some(100.0)));
        assert_eq!((slo["window"].as_str(), slo["servers"][0]["incidents"].as_u64()), (Some("24h"), Some(1)));
    }
    let (code, text) = run(Path::new("."), &["slo", "--window", "24h", "--url", &orchestrator.api]);
    assert!(code == 0 && text.contains("recovered_120s") && text.contains("calculator"), "{text}");
    let wrong = ureq::get(&format!("{}/slo?window=1y", orchestrator.api)).config().http_status_as_error(false).build().call();
    assert_eq!(wrong.expect("an answer").status(), 400);
}

#[test]
fn a_gateway_of_its_own_asks_the_orchestrator() {
    let orchestrator = Orchestrator::start_alone(&sample("calculator", free_port()));
    let gateway = Gateway::start(&orchestrator.api);
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    signal(orchestrator.pid_of("calculator"), "KILL");
    let down = events.wait_for("calculator", "server_down");
    let id = down["incident_id"].as_str().expect("an incident");
    until("the gateway finds it", || {
        let page = get(&format!("{}/incidents", gateway.url));
        list(&page, "/incidents").first().filter(|incident| incident["id"] == id && incident["source"] == "here").map(|_| ())
    });
    assert_eq!(get(&format!("{}/incidents/{id}", gateway.url))["server_name"], "calculator");
    assert_eq!(get(&format!("{}/servers/calculator/health", gateway.url))["name"], "calculator");
}
