//! What a person asks for, through the command line and the API: who may, what it does, and what is left in the log.

use std::io::Read as _;

use serde_json::Value;

use crate::harness::{Orchestrator, free_port, run, sample, signal, until};

/// The command line against this orchestrator.
fn ask(orchestrator: &Orchestrator, arguments: &[&str]) -> (i32, String) {
    let directory = orchestrator.directory.path();
    run(directory, &[arguments, &["--url", &orchestrator.api]].concat())
}

/// The same, with the operator token of its state directory.
fn act(orchestrator: &Orchestrator, arguments: &[&str]) -> (i32, String) {
    ask(orchestrator, &[arguments, &["--state-dir", "state"]].concat())
}

fn post(url: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    // Whoever is refused may find the connection closed before all was sent: then it is asked again.
    let mut response = until("an answer", || {
        let request = headers.iter().fold(agent.post(url), |request, (name, value)| request.header(*name, *value));
        match request.send(body) {
            Err(ureq::Error::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => None,
            answer => Some(answer.expect("an answer")),
        }
    });
    let mut text = String::new();
    response.body_mut().as_reader().read_to_string(&mut text).expect("text");
    (response.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
}

fn bearer(orchestrator: &Orchestrator) -> String {
    let token = std::fs::read_to_string(orchestrator.state().join("operator-token")).expect("a token");
    format!("Bearer {}", token.trim())
}

#[test]
fn a_paused_server_is_not_recovered_until_it_is_resumed() {
    let orchestrator = Orchestrator::start(&sample("a", free_port()));
    let mut events = orchestrator.events();
    events.wait_for("a", "status_changed");

    let (code, text) = act(&orchestrator, &["pause", "a", "--for", "2h", "--reason", "moving its disk"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("a is paused until "), "{text}");
    let asked = events.wait_for("a", "action_requested");
    assert_eq!(asked["action"], "pause");
    assert!(asked["actor"].as_str().expect("who").starts_with("operator"), "{asked}");
    assert!(events.wait_for("a", "server_paused")["until"].is_string());
    let paused = orchestrator.get("/servers/a")["paused"].clone();
    assert_eq!(paused["reason"], "moving its disk");

    signal(orchestrator.pid_of("a"), "KILL");
    assert_eq!(events.wait_for("a", "recovery_held")["reason"], "paused");
    assert_eq!(ask(&orchestrator, &["status"]).0, 4);
    assert!(ask(&orchestrator, &["status"]).1.contains("paused until "));

    let (code, text) = act(&orchestrator, &["resume", "a"]);
    assert_eq!((code, text.as_str()), (0, "a is no longer paused"));
    assert_eq!(events.wait_for("a", "action_requested")["action"], "resume");
    events.wait_for("a", "server_resumed");
    events.wait_for("a", "recovery_successful");
}

#[test]
fn a_check_is_made_at_once_and_a_restart_is_verified() {
    let registry = format!(
        "health_check: {{interval_seconds: 3600, confirm_interval_seconds: 0.1, success_threshold: 1}}\nservers:\n{}",
        sample("a", free_port())
    );
    let orchestrator = Orchestrator::start_with(&registry);
    let mut events = orchestrator.events();
    events.wait_for("a", "status_changed");
    let (code, text) = act(&orchestrator, &["check", "a", "--json"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(serde_json::from_str::<Value>(&text).expect("a view")["name"], "a");
    assert_eq!(events.wait_for("a", "action_requested")["action"], "check");
    // Its next turn would be in an hour.
    events.wait_for("a", "health_check_completed");

    let pid = orchestrator.pid_of("a");
    assert_eq!(act(&orchestrator, &["restart", "a"]).0, 0);
    events.wait_for("a", "recovery_successful");
    assert_ne!(orchestrator.pid_of("a"), pid);
}

#[test]
fn whoever_may_not_is_refused_and_nothing_happens() {
    let orchestrator = Orchestrator::start(&sample("a", free_port()));
    orchestrator.events().wait_for("a", "status_changed");
    let token = bearer(&orchestrator);
    let authorized = ("authorization", token.as_str());
    for action in ["restart", "pause", "resume", "check"] {
        let url = format!("{}/servers/a/{action}", orchestrator.api);
        let code = |headers: &[(&str, &str)], body: &str| {
            let (status, problem) = post(&url, headers, body);
            (status, problem["code"].as_str().unwrap_or_default().to_owned())
        };
        let of = |status: u16, code: &str| (status, code.to_owned());
        assert_eq!(code(&[], ""), of(401, "operator_token_needed"), "{action}");
        assert_eq!(code(&[("authorization", "Bearer 0123456789abcdef0123456789abcdef")], ""), of(401, "operator_token_needed"));
        assert_eq!(code(&[authorized, ("origin", "http://evil.example")], ""), of(403, "foreign_page"));
        assert_eq!(code(&[authorized, ("host", "evil.example")], ""), of(403, "foreign_page"));
        assert_eq!(code(&[authorized], "{\"by\": 3}"), of(400, "bad_body"));
        assert_eq!(code(&[authorized], &"x".repeat(3_000_000)), of(413, "unread_body"));
        let nobody = format!("{}/servers/nobody/{action}", orchestrator.api);
        assert_eq!(post(&nobody, &[authorized], "").0, 404);
        assert_eq!(post(&format!("{}/servers/%FF/{action}", orchestrator.api), &[authorized], "").0, 400);
    }
    let page = orchestrator.get("/events?since=0&limit=1000");
    assert!(!page.to_string().contains("action_requested"), "{page}");
    assert_eq!(post(&format!("{}/servers/a/pause", orchestrator.api), &[authorized], r#"{"by": "ada", "for": "2h"}"#).0, 202);
    assert_eq!(orchestrator.get("/servers/a")["paused"]["by"], "operator ada");
    assert!(!std::fs::read_to_string(orchestrator.state().join("health-events.jsonl")).expect("a log").contains(&token[7..]));
}

#[test]
fn a_mistake_of_whoever_asks_is_said() {
    let orchestrator = Orchestrator::start("  - {name: a, port: 1}\n");
    let (code, text) = act(&orchestrator, &["restart", "nobody"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("no server `nobody`"), "{text}");
    let (code, text) = act(&orchestrator, &["restart", "a"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("nothing here can restart it"), "{text}");
    assert!(act(&orchestrator, &["pause", "a", "--for", "400d"]).1.contains("at most 366 days"));
    let (code, text) = ask(&orchestrator, &["restart", "a", "--state-dir", "elsewhere"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("elsewhere/operator-token") && text.contains("--operator-token-file"), "{text}");
    std::fs::write(orchestrator.directory.path().join("other"), "0123456789abcdef").expect("written");
    let (code, text) = ask(&orchestrator, &["restart", "a", "--operator-token-file", "other"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("the token in other: the token that was sent is not this orchestrator's"), "{text}");
    assert_eq!(ask(&orchestrator, &["events", "--since", "1000000"]).0, 1);
}

/// Without a daemon, and with one that would find it out.
#[test]
fn wrong_usage_is_exit_code_2() {
    let orchestrator = Orchestrator::start("  - {name: a, port: 1}\n");
    for arguments in [
        &["pause", "a", "--for", "soon"][..],
        &["pause", "a", "--for", "0"],
        &["pause", "a", "--for", "400d"],
        &["pause", "a", "--reason", " "],
        &["events", "--limit", "0"],
        &["incidents", "--limit", "0"],
        &["incidents", "--before", "x"],
    ] {
        let (code, text) = act_if_asked(&orchestrator, arguments);
        assert_eq!(code, 2, "{arguments:?}: {text}");
    }
    for command in ["status", "events", "incidents", "slo", "healthcheck"] {
        for url in ["nonsense", "ftp://x", "http://x:y", "http://"] {
            let (code, text) = run(std::path::Path::new("."), &[command, "--url", url]);
            assert_eq!(code, 2, "{command} {url}: {text}");
        }
    }
}

fn act_if_asked(orchestrator: &Orchestrator, arguments: &[&str]) -> (i32, String) {
    if arguments[0] == "pause" { act(orchestrator, arguments) } else { ask(orchestrator, arguments) }
}

/// A program reads JSON whatever comes, on stdout alone.
#[test]
fn whoever_asks_for_json_gets_json_of_errors_too() {
    let orchestrator = Orchestrator::start("  - {name: a, port: 1}\n");
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let cases: [(&[&str], &str, i32, &str); 12] = [
        (&["status"], &nobody, 69, "unreachable"),
        (&["why", "a"], &nobody, 69, "unreachable"),
        (&["incidents"], &nobody, 69, "unreachable"),
        (&["slo"], &nobody, 69, "unreachable"),
        (&["events"], &nobody, 69, "unreachable"),
        (&["why", "x"], &orchestrator.api, 1, "unknown_server"),
        (&["incidents", "x"], &orchestrator.api, 1, "unknown_incident"),
        (&["incidents", "--before", "x"], &orchestrator.api, 2, "bad_query"),
        (&["restart", "a", "--state-dir", "state"], &orchestrator.api, 1, "not_restartable"),
        (&["check", "x", "--state-dir", "state"], &orchestrator.api, 1, "unknown_server"),
        (&["pause", "a", "--state-dir", "elsewhere"], &orchestrator.api, 1, "failure"),
        (&["resume", "x", "--state-dir", "state"], &orchestrator.api, 1, "unknown_server"),
    ];
    for (arguments, url, code, word) in cases {
        let (found, error) = json_of(orchestrator.directory.path(), &[arguments, &["--json", "--url", url]].concat());
        assert_eq!((found, error["error"]["code"].as_str()), (code, Some(word)), "{arguments:?}: {error}");
        assert!(error["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    }
    let (code, error) = json_of(orchestrator.directory.path(), &["discover", "nowhere.yaml", "--json"]);
    assert_eq!((code, error["error"]["code"].as_str()), (78, Some("configuration")), "{error}");
    let (code, report) = json_of(orchestrator.directory.path(), &["check-config", "nowhere.yaml", "--json"]);
    assert!(code == 78 && report["ok"] == false && report["problems"][0]["message"].is_string(), "{report}");
}

/// The exit code, and what stands on stdout.
fn json_of(directory: &std::path::Path, arguments: &[&str]) -> (i32, Value) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_orchestrator")).current_dir(directory).args(arguments).output();
    let output = output.expect("it runs");
    (output.status.code().unwrap_or(-1), serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// Nobody listens there, and that is not why it is as it is.
#[test]
fn status_says_why_a_server_is_stopped() {
    let server = "  - {name: a, port: 1, runtime: {kind: process, command: 'true'}, recovery: {on_exit_zero: stop}}\n";
    let orchestrator = Orchestrator::start(server);
    orchestrator.events().wait_for("a", "server_stopped");
    let of_check = |view: &Value| !view["last_check"]["message"].is_null() && view["phase"] == "stopped";
    until("it was checked", || Some(orchestrator.get("/servers/a")).filter(of_check));
    let (code, text) = ask(&orchestrator, &["status"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("it ended with exit code 0, which is a stop for it") && !text.contains("listens"), "{text}");
}

/// One that was there is known by its events.
#[test]
fn a_server_that_nobody_knows_is_said_to_be_none() {
    let orchestrator = Orchestrator::start("  - {name: search, port: 1}\n");
    for arguments in [["events", "--server", "serch"], ["incidents", "--server", "serch"]] {
        let (code, text) = ask(&orchestrator, &arguments);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("no server of the name serch is known; did you mean search?"), "{text}");
        let (code, text) = ask(&orchestrator, &[arguments[0], "--server", "search"]);
        assert!(code == 0 && !text.contains("is known"), "{text}");
    }
}

#[test]
fn events_are_shown_and_followed() {
    let orchestrator = Orchestrator::start(&(sample("a", free_port()) + "  - {name: b, port: 1}\n"));
    orchestrator.events().wait_for("a", "status_changed");
    let (code, text) = ask(&orchestrator, &["events", "--server", "a", "--json"]);
    assert_eq!(code, 0, "{text}");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(events.iter().all(|event| event["server_name"] == "a" && event["event_type"] != "health_check_completed"), "{text}");
    assert_eq!(events[0]["event_type"], "server_registered");
    let (_, text) = ask(&orchestrator, &["events", "--type", "monitor_started", "--limit", "1"]);
    assert!(text.contains("monitor_started version="), "{text}");

    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_orchestrator"))
        .args(["events", "--follow", "--limit", "0", "--json", "--type", "health_check_completed", "--url", &orchestrator.api])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("piped")));
    let line = lines.next().expect("a line").expect("text");
    child.kill().expect("it is killed");
    child.wait().expect("it has ended");
    assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON")["event_type"], "health_check_completed");
}

#[test]
fn metrics_count_what_happens() {
    let orchestrator = Orchestrator::start(&(sample("a", free_port()) + "  - {name: b, port: 1}\n"));
    let mut events = orchestrator.events();
    events.wait_for("a", "status_changed");
    signal(orchestrator.pid_of("a"), "KILL");
    events.wait_for("a", "recovery_successful");
    let text = || ureq::get(format!("{}/metrics", orchestrator.api)).call().expect("an answer").body_mut().read_to_string().ok();
    let has = |line: &str| text().filter(|text| text.lines().any(|found| found == line)).map(drop);
    for line in [
        "mcp_health_server_state{server=\"a\",state=\"ok\"} 1",
        "mcp_health_restarts_total{server=\"a\",outcome=\"successful\"} 1",
        "mcp_health_failures_total{server=\"a\"} 1",
        "mcp_health_state_impaired 0",
        "# EOF",
    ] {
        until(line, || has(line));
    }
    until("checks of b are counted", || {
        text()
            .filter(|text| text.contains("mcp_health_probes_total{server=\"b\",result=\"down\",reason=\"connect_refused\"}"))
            .map(drop)
    });
}

#[test]
fn a_type_of_events_that_there_is_not_is_a_mistake() {
    let here = std::path::Path::new(".");
    let (code, text) = run(here, &["events", "--type", "server_dwon"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("similar") && text.contains("'server_down'") && text.contains("monitor_impaired"), "{text}");
}

/// It forwards what it can; for the rest it is said what it is, and what to do.
#[test]
fn a_gateway_is_no_orchestrator() {
    let orchestrator = Orchestrator::start(&sample("a", free_port()));
    orchestrator.events().wait_for("a", "status_changed");
    let of_gateway =
        |arguments: &[&str]| run(orchestrator.directory.path(), &[arguments, &["--url", &orchestrator.gateway]].concat());
    for arguments in [&["status"][..], &["why", "a"], &["events"], &["restart", "a", "--state-dir", "state"]] {
        let (code, text) = of_gateway(arguments);
        assert_eq!(code, 1, "{arguments:?}: {text}");
        assert!(text.contains("is a gateway") && text.contains("--url http://127.0.0.1:8090"), "{arguments:?}: {text}");
    }
    for arguments in [&["incidents"][..], &["slo"]] {
        let (code, text) = of_gateway(arguments);
        assert_eq!(code, 0, "{arguments:?}: {text}");
    }
    let (code, text) = of_gateway(&["incidents", "none-1"]);
    assert!(code == 1 && text.contains("has an incident"), "{text}");
}

/// Nobody is to be surprised by what observe mode does all the same.
#[test]
fn the_help_says_what_observe_mode_still_does() {
    let (code, text) = run(std::path::Path::new("."), &["run", "--help"]);
    assert!(code == 0 && text.contains("what an operator asks for is done") && !text.contains("never act"), "{text}");
}

#[test]
fn shells_complete_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, text) = run(std::path::Path::new("."), &["completions", shell]);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("check-config") && text.contains("operator-token-file"), "{shell}");
    }
}
