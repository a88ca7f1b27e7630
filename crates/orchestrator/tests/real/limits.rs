//! The monitor's own limits: descriptors that run out, and a name server that is dead. Found, said, and never held against a server.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::harness::{Orchestrator, free_port, log, until};
use crate::root::is_root;

/// Far more than [`ALLOWED`] can check at once.
const TARGETS: usize = 300;

/// File descriptors of the orchestrator.
const ALLOWED: usize = 200;

/// Nobody is given up while it hangs: what fails here would be the monitor's own fault.
const PATIENT: &str = "
health_check: {interval_seconds: 1, timeout_seconds: 600, confirm_interval_seconds: 1, start_period_seconds: 0, success_threshold: 1}
recovery: {enabled: false}
servers:
";

/// A server that answers, or keeps everybody waiting.
struct Target {
    port: u16,
    /// Who waits; `None` while it answers.
    waiting: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Target {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let waiting = Arc::<Mutex<Option<Vec<TcpStream>>>>::default();
        let keep = Arc::clone(&waiting);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                match keep.lock().expect("not poisoned").as_mut() {
                    Some(waiting) => waiting.push(stream),
                    None => drop(std::thread::spawn(move || answer(stream))),
                }
            }
        });
        Self { port, waiting }
    }

    fn hang(&self) {
        *self.waiting.lock().expect("not poisoned") = Some(Vec::new());
    }

    fn answer_again(&self) {
        let waiting = self.waiting.lock().expect("not poisoned").take();
        waiting.into_iter().flatten().for_each(answer);
    }
}

/// Whoever asked may have given up.
fn answer(mut stream: TcpStream) {
    let body = "{\"status\":\"pass\"}";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/health+json\r\nconnection: close\r\n";
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes());
}

fn all_are_healthy(orchestrator: &Orchestrator) -> bool {
    let views = orchestrator.get("/servers");
    views["servers"].as_array().expect("views").iter().all(|view| view["phase"] == "healthy")
}

/// The types of what is in the log of servers with such a name.
fn types(orchestrator: &Orchestrator, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
    let of_them = |event: &Value| event["server_name"].as_str().is_some_and(&is_meant);
    let log = log(orchestrator);
    log.iter().filter(|event| of_them(event)).filter_map(|event| event["event_type"].as_str().map(str::to_owned)).collect()
}

#[test]
fn descriptors_that_run_out_are_said_before_and_then_and_held_against_nobody() {
    let target = Target::start();
    let entry = |number: usize| format!("  - {{name: s{number}, health_url: \"http://127.0.0.1:{}/health\"}}\n", target.port);
    let entries = (0..TARGETS).map(entry).collect::<Vec<_>>().concat();
    let limit = format!("ulimit -n {ALLOWED} && exec \"$@\"");
    let directory = tempfile::tempdir().expect("a directory");
    let mut orchestrator = Orchestrator::start_under(&["sh", "-c", &limit, "sh"], directory, format!("{PATIENT}{entries}"));
    let health = orchestrator.get("/health");
    assert_eq!((&health["status"], &health["checks"]["descriptors"]), (&"degraded".into(), &"degraded".into()), "{health}");
    let said = health["error"].as_str().expect("why");
    assert!(said.contains(&format!("only {ALLOWED} are allowed")), "{said}");
    until("all are well", || all_are_healthy(&orchestrator).then_some(()));
    let mut events = orchestrator.events_from_now();

    target.hang();

    let impaired = events.wait_until("monitor_impaired", |event| event["event_type"] == "monitor_impaired");
    assert!(impaired["error"].as_str().is_some_and(|error| error.contains("file descriptors")), "{impaired}");
    target.answer_again();
    // Whoever waited is answered, and then everybody is checked again.
    for _ in 0..TARGETS * 2 {
        events.wait_until("a check", |event| event["event_type"] == "health_check_completed");
    }
    assert!(all_are_healthy(&orchestrator));
    assert!(orchestrator.stop().success());
    let types = types(&orchestrator, |_| true);
    for never in ["server_down", "recovery_held", "recovery_started"] {
        assert!(!types.iter().any(|it| it == never), "{never}");
    }
    let failed = |event: &&Value| event["event_type"] == "health_check_completed" && event["status"] != "ok";
    assert_eq!(log(&orchestrator).iter().find(failed), None);
}

/// Nobody else has it.
const NAME_SERVER: &str = "127.0.0.9";

const QUICK: &str = "
health_check: {interval_seconds: 0.3, timeout_seconds: 0.5, confirm_interval_seconds: 0.1, start_period_seconds: 0, success_threshold: 1}
recovery: {enabled: false}
servers:
";

/// In a mount namespace of its own, which only root may make, this machine's name server is another one.
fn with_a_dead_name_server() {
    let target = Target::start();
    let entries = [
        "  - {name: named, health_url: \"http://calculator.mcp-health.test/health\"}\n".to_owned(),
        "  - {name: named-too, probes: [{kind: tcp, address: \"clock.mcp-health.test:80\"}]}\n".to_owned(),
        format!("  - {{name: literal, health_url: \"http://127.0.0.1:{}/health\"}}\n", target.port),
        format!("  - {{name: refused, health_url: \"http://127.0.0.1:{}/health\"}}\n", free_port()),
    ];
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("resolv.conf"), format!("nameserver {NAME_SERVER}\n")).expect("written");
    let become_it = "mount --bind resolv.conf /etc/resolv.conf && exec \"$@\"";
    let wrapper = ["unshare", "-m", "sh", "-c", become_it, "sh"];
    let mut orchestrator = Orchestrator::start_under(&wrapper, directory, format!("{QUICK}{}", entries.concat()));
    let mut events = orchestrator.events();
    let impaired = events.wait_until("monitor_impaired", |event| event["event_type"] == "monitor_impaired");
    assert!(impaired["error"].as_str().is_some_and(|error| error.contains("resolver does not answer")), "{impaired}");
    // Far more than it takes to be down.
    for _ in 0..12 {
        let check = |event: &Value| event["server_name"] == "literal" && event["event_type"] == "health_check_completed";
        let found = events.wait_until("a check of the literal address", check);
        assert_eq!(found["status"], "ok", "{found}");
    }
    for name in ["named", "named-too"] {
        let view = orchestrator.get(&format!("/servers/{name}"));
        assert_eq!((&view["status"], &view["last_check"]), (&"unknown".into(), &Value::Null), "{view}");
    }
    assert_eq!(orchestrator.get("/servers/refused")["status"], "down");
    assert!(orchestrator.stop().success());
    assert_eq!(types(&orchestrator, |name| name.starts_with("named")).iter().filter(|it| *it == "server_down").count(), 0);
    assert!(types(&orchestrator, |name| name == "refused").iter().any(|it| it == "server_down"));
}

#[test]
fn a_name_server_that_is_dead_is_held_against_nobody_and_literal_addresses_go_on() {
    if is_root("limits::a_name_server_that_is_dead_is_held_against_nobody_and_literal_addresses_go_on") {
        with_a_dead_name_server();
    }
}

/// One that takes questions and never answers is the slower kind.
#[test]
fn a_name_server_that_says_nothing_is_held_against_nobody_either() {
    if is_root("limits::a_name_server_that_says_nothing_is_held_against_nobody_either") {
        let bound = UdpSocket::bind((NAME_SERVER, 53));
        let _silent = bound.expect("port 53 of 127.0.0.9 is free, and ours: a user namespace's root needs `sudo` for it");
        with_a_dead_name_server();
    }
}
