//! Real rmcp servers as child processes.

use std::net::TcpStream;

use orchestrator::shell::runtime::process::procfs::Identity;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{Message, WebSocket, connect};

use crate::harness::{Orchestrator, PATIENCE, QUICK, answers, free_port, log, sample, sample_server, signal, until};

#[test]
fn a_server_killed_with_sigkill_is_brought_back_and_a_browser_client_sees_it() {
    let port = free_port();
    let orchestrator = Orchestrator::start(&sample("calculator", port));
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    let mut socket = follow_stream(&orchestrator.gateway);
    let first_pid = orchestrator.pid_of("calculator");

    signal(first_pid, "KILL");

    let died = events.wait_for("calculator", "container_died");
    assert_eq!(died["signal"], 9);
    assert_eq!(events.wait_for("calculator", "server_down")["reason"], "container_died");
    assert_eq!(events.wait_for("calculator", "recovery_started")["attempt"], 1);
    assert_eq!(events.wait_for("calculator", "recovery_successful")["attempts"], 1);
    assert_ne!(orchestrator.pid_of("calculator"), first_pid);
    assert!(answers(port));
    wait_for_status(&mut socket, "down");
    wait_for_status(&mut socket, "ok");
}

#[test]
fn a_server_that_hangs_is_found_by_timeouts_and_restarted() {
    let port = free_port();
    let orchestrator = Orchestrator::start(&sample("calculator", port));
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");

    ureq::post(&format!("http://127.0.0.1:{port}/break/hang")).send_empty().expect("it is told to hang");

    let failed = events.wait_until("a timeout", |event| event["failure"]["reason"] == "timeout");
    assert_eq!(failed["event_type"], "health_check_completed");
    assert_eq!(events.wait_for("calculator", "server_down")["reason"], "3_consecutive_failures");
    events.wait_for("calculator", "recovery_successful");
    let view = orchestrator.get("/servers/calculator");
    assert_eq!((view["status"].as_str(), view["restarts"]["ours"].as_u64()), (Some("ok"), Some(1)));
}

#[test]
fn a_server_that_never_comes_back_uses_up_its_schedule_and_wants_a_person() {
    let registry = format!(
        "{QUICK}servers:\n  - {{name: broken, port: {}, runtime: {{kind: process, command: /bin/false}}}}\n",
        free_port()
    );
    let orchestrator = Orchestrator::start_with(&registry);
    let mut events = orchestrator.events();

    let exhausted = events.wait_for("broken", "recovery_exhausted");

    assert_eq!((exhausted["attempts"].as_u64(), exhausted["reason"].as_str()), (Some(3), Some("attempts")));
    assert_eq!(exhausted["requires_manual"], true);
    let attempts: Vec<_> = events.seen.iter().filter(|event| event["event_type"] == "recovery_started").collect();
    assert_eq!(attempts.iter().map(|event| event["attempt"].as_u64().expect("a number")).collect::<Vec<_>>(), [1, 2, 3]);
    let delays: Vec<_> = attempts.iter().map(|event| event["delay_ms"].as_u64().expect("a number")).collect();
    assert_eq!(delays, [200, 400, 800]);
    let view = orchestrator.get("/servers/broken");
    assert_eq!((view["phase"].as_str(), view["requires_manual"].as_bool()), (Some("failed"), Some(true)));
}

/// Invariant: an attempt is on disk before its action starts. The server itself looks, each time it is started.
#[test]
fn an_attempt_is_on_disk_before_its_action_starts() {
    let port = free_port();
    let server = sample_server().display();
    let script = format!("grep -c recovery_started state/health-events.jsonl >> seen; exec {server} --listen 127.0.0.1:{port}");
    let entry = format!(
        "  - name: calculator\n    port: {port}\n    runtime: {{kind: process, command: /bin/sh, args: [-c, {script:?}]}}\n"
    );
    let orchestrator = Orchestrator::start(&entry);
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    signal(orchestrator.pid_of("calculator"), "KILL");
    events.wait_for("calculator", "recovery_successful");
    let seen = std::fs::read_to_string(orchestrator.directory.path().join("seen")).expect("it has looked");
    assert_eq!(seen, "0\n1\n");
}

#[test]
fn an_operator_restarts_with_the_token_and_nobody_without_it() {
    let orchestrator = Orchestrator::start(&sample("calculator", free_port()));
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    let first_pid = orchestrator.pid_of("calculator");
    let url = format!("{}/servers/calculator/restart", orchestrator.api);

    let refused = ureq::post(&url).config().http_status_as_error(false).build().send_empty().expect("an answer");
    assert_eq!(refused.status(), 401);
    let wrong = ureq::post(&url).header("authorization", "Bearer wrong").config().http_status_as_error(false).build();
    assert_eq!(wrong.send_empty().expect("an answer").status(), 401);
    assert_eq!(orchestrator.pid_of("calculator"), first_pid);

    let state = orchestrator.state();
    let arguments = ["restart", "calculator", "--url", &orchestrator.api, "--state-dir", &state.to_string_lossy()];
    let (code, text) = crate::harness::run(orchestrator.directory.path(), &arguments);
    assert_eq!(code, 0, "{text}");
    assert_eq!(events.wait_for("calculator", "action_requested")["action"], "restart");
    events.wait_for("calculator", "recovery_successful");
    assert_ne!(orchestrator.pid_of("calculator"), first_pid);
    assert!(!events.types("calculator").contains(&"server_down"));
}

#[test]
fn stopping_the_orchestrator_stops_its_children() {
    let port = free_port();
    let mut orchestrator = Orchestrator::start(&sample("calculator", port));
    orchestrator.events().wait_for("calculator", "status_changed");

    let status = orchestrator.stop();

    assert!(status.success(), "{status}");
    assert!(!answers(port));
    let log = std::fs::read_to_string(orchestrator.state().join("health-events.jsonl")).expect("a log");
    assert!(log.lines().last().is_some_and(|line| line.contains("monitor_stopped")), "{log}");
}

/// As systemd does it with `KillMode=control-group`; the children hear of it first.
#[test]
fn servers_that_are_ended_by_the_signal_that_ends_the_orchestrator_have_not_died() {
    let names = ["a", "b", "c", "d"];
    let orchestrator = Orchestrator::start(&names.map(|name| sample(name, free_port())).concat());
    for name in names {
        until("it is well", || (orchestrator.get(&format!("/servers/{name}"))["phase"] == "healthy").then_some(()));
    }
    let itself = i32::try_from(orchestrator.pid()).expect("a pid");
    for pid in names.map(|name| orchestrator.pid_of(name)).into_iter().chain([itself]) {
        kill_process(Pid::from_raw(pid).expect("a pid"), Signal::TERM).expect("it runs");
    }
    until("it has ended", || Identity::of(itself).expect("/proc").is_none().then_some(()));
    let mut orchestrator = orchestrator.start_again();
    for name in names {
        until("it is well again", || (orchestrator.get(&format!("/servers/{name}"))["phase"] == "healthy").then_some(()));
    }
    assert!(orchestrator.stop().success());
    let log = log(&orchestrator);
    let count = |event_type: &str| log.iter().filter(|event| event["event_type"] == event_type).count();
    assert_eq!(count("monitor_stopped"), 2);
    assert_eq!((count("container_died"), count("server_down"), count("recovery_started")), (0, 0, 0), "{log:#?}");
}

fn follow_stream(gateway: &str) -> WebSocket<MaybeTlsStream<TcpStream>> {
    let url = format!("{}/health/stream", gateway.replacen("http", "ws", 1));
    let (mut socket, _) = connect(url).expect("a WebSocket");
    if let MaybeTlsStream::Plain(stream) = socket.get_mut() {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    }
    wait_for_status(&mut socket, "ok");
    socket
}

fn wait_for_status(socket: &mut WebSocket<MaybeTlsStream<TcpStream>>, status: &str) {
    loop {
        let message = socket.read().unwrap_or_else(|error| panic!("no `{status}` on the stream: {error}"));
        let Message::Text(text) = message else { continue };
        let event: Value = serde_json::from_str(&text).expect("JSON");
        for key in ["event_type", "server", "status", "timestamp", "cursor"] {
            assert!(event.get(key).is_some(), "{key} is missing in {event}");
        }
        if event["status"] == status {
            return;
        }
    }
}

/// Its pipes end with the orchestrator, and so does it: that is no death, and the next orchestrator starts it anew, once.
#[test]
fn after_a_crash_a_server_that_speaks_on_its_pipes_is_started_anew_and_nothing_is_down() {
    let port = free_port();
    let server = sample_server().display();
    // It answers nobody any more after the end of its input, and has to be killed: checks would find it down long before.
    let serve = format!("{server} --listen 127.0.0.1:{port} <&- >&2 & cat > /dev/null; kill -KILL $!");
    let script = format!("echo started >> starts; {serve}; trap '' TERM; exec sleep 1000");
    let stop = "{stdin_seconds: 0.5, term_seconds: 2}";
    let runtime = format!("{{kind: process, command: /bin/sh, args: [-c, {script:?}], stdio: mcp, stop: {stop}}}");
    let entry = format!("  - name: calculator\n    port: {port}\n    probes: [{{kind: http}}]\n    runtime: {runtime}\n");
    let orchestrator = Orchestrator::start_alone(&entry);
    orchestrator.events().wait_for("calculator", "status_changed");
    let mut orchestrator = orchestrator.crash_and_start_again();
    let starts = orchestrator.directory.path().join("starts");
    let times = || std::fs::read_to_string(&starts).expect("it has started").lines().count();
    until("it is started anew", || (times() == 2).then_some(()));
    until("it is well", || (orchestrator.get("/servers/calculator")["phase"] == "healthy").then_some(()));
    assert!(orchestrator.stop().success());
    let log = log(&orchestrator);
    for never in ["container_died", "server_down", "recovery_started"] {
        assert!(!log.iter().any(|event| event["event_type"] == never), "{never}");
    }
    assert_eq!(times(), 2);
    assert!(!answers(port));
}
