//! A unit of systemd, from its death to its stop: the built orchestrator, a real message bus, and a stand-in for systemd on it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::bus::{Bus, Restart, State, Systemd};
use crate::harness::{Events, Orchestrator, QUICK, log, until};

mod stops;

const UNIT: &str = "calculator.service";

/// What the unit would run: answers `ok` while it is up.
struct Service {
    port: u16,
    up: Arc<AtomicBool>,
}

impl Service {
    fn start() -> Self {
        let up = Arc::new(AtomicBool::new(true));
        let is_up = Arc::clone(&up);
        Self { port: serve(move || is_up.load(Ordering::Relaxed)), up }
    }

    fn is(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
    }
}

/// Answers `ok` for as long as this is so; the port.
pub(crate) fn serve(is_up: impl Fn() -> bool + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten().filter(|_| is_up()) {
            let body = format!(r#"{{"status":"ok","timestamp":"{}","uptime_seconds":1}}"#, jiff::Timestamp::now());
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
            // The request is small: one read has it.
            if stream.read(&mut [0; 4_096]).is_ok_and(|read| read > 0) {
                let _ = stream.write_all((head + &body).as_bytes());
            }
        }
    });
    port
}

fn registry(service: &Service, bus: &Bus) -> String {
    let (port, bus) = (service.port, &bus.address);
    format!("{QUICK}servers:\n  - {{name: calculator, port: {port}, runtime: {{kind: systemd, unit: {UNIT}, bus: \"{bus}\"}}}}\n")
}

/// A unit that is watched and well.
fn watched(directory: &Path, state: State) -> (Bus, Systemd, Service, Orchestrator, Events) {
    watched_with(directory, state, &|registry| registry)
}

/// The same, with another registry.
fn watched_with(
    directory: &Path,
    state: State,
    otherwise: &dyn Fn(String) -> String,
) -> (Bus, Systemd, Service, Orchestrator, Events) {
    let bus = Bus::start(directory);
    let systemd = Systemd::start(&bus, &[(UNIT, state)]);
    let service = Service::start();
    let orchestrator = Orchestrator::start_with(&otherwise(registry(&service, &bus)));
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    (bus, systemd, service, orchestrator, events)
}

#[test]
fn a_unit_is_brought_back_and_what_an_operator_stops_stays_stopped() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_bus, systemd, service, _orchestrator, mut events) = watched(directory.path(), State::running());

    service.is(false);
    systemd.dies(UNIT, 9);
    assert_eq!(events.wait_for("calculator", "container_died")["signal"], 9);
    assert_eq!(events.wait_for("calculator", "server_down")["reason"], "container_died");
    until("systemd is asked", || (systemd.state(UNIT).asked > 0).then_some(()));
    service.is(true);
    events.wait_for("calculator", "recovery_successful");
    assert_eq!(systemd.state(UNIT).active, "active");

    systemd.stops(UNIT);
    service.is(false);
    assert_eq!(events.wait_for("calculator", "server_stopped")["reason"], "operator");
    let asked = systemd.state(UNIT).asked;
    service.is(true);
    systemd.happens(UNIT, |state| (state.active, state.sub, state.invocation) = ("active", "running", 99));
    events.wait_for("calculator", "server_started");
    assert_eq!(systemd.state(UNIT).asked, asked, "it was left alone");
    assert!(!events.types("calculator").contains(&"recovery_failed"));
}

#[test]
fn what_somebody_stops_while_nobody_looks_stays_stopped_and_what_dies_does_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_bus, systemd, service, mut orchestrator, _) = watched(directory.path(), State::running());
    orchestrator.crash();
    systemd.set(UNIT, |state| (state.active, state.sub, state.ended) = ("inactive", "dead", (2, 15)));
    service.is(false);
    let mut orchestrator = orchestrator.start_again();
    until("it is stopped", || (orchestrator.get("/servers/calculator")["phase"] == "stopped").then_some(()));

    service.is(true);
    systemd.happens(UNIT, |state| (state.active, state.sub, state.invocation) = ("active", "running", 99));
    until("it is well", || (orchestrator.get("/servers/calculator")["phase"] == "healthy").then_some(()));
    assert_eq!(systemd.state(UNIT).asked, 0, "it was left alone");
    orchestrator.crash();
    systemd.dies(UNIT, 9);
    let orchestrator = orchestrator.start_again();
    let mut events = orchestrator.events();
    events.wait_for("calculator", "recovery_successful");
    let died = log(&orchestrator).into_iter().filter(|event| event["event_type"] == "container_died");
    assert_eq!(died.map(|event| event["signal"].clone()).collect::<Vec<_>>(), [9]);
    assert_eq!(systemd.state(UNIT).asked, 1);
}

/// A unit of that name on this machine would be another one.
#[test]
fn the_evidence_of_a_unit_is_from_its_own_bus() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("unit.env");
    std::fs::write(&file, "DB_PASSWORD=swordfish\n").expect("written");
    let files = vec![(file.display().to_string(), false)];
    let environment = &["API_TOKEN=hunter2-hunter2"];
    let state = State { environment, environment_files: files, memory_max: 64 << 20, ..State::running() };
    let (_bus, systemd, service, orchestrator, mut events) = watched(directory.path(), state);
    let noted = || crate::evidence::well(&orchestrator, "calculator").is_some_and(|facts| facts.contains("unit.environment"));
    until("it is noted what it was made of", || noted().then_some(()));

    service.is(false);
    systemd.dies(UNIT, 9);

    let down = events.wait_for("calculator", "server_down");
    let id = down["incident_id"].as_str().expect("an incident");
    let capture = until("a look", || orchestrator.get(&format!("/incidents/{id}")).pointer("/evidence/captures/0").cloned());
    let state = &capture["state"];
    assert_eq!((state["kind"].as_str(), state["name"].as_str()), (Some("systemd"), Some(UNIT)), "{capture:#}");
    assert_eq!((state["status"].as_str(), state["running"].as_bool()), (Some("failed (failed)"), Some(false)), "{capture:#}");
    assert_eq!(state["error"], "result signal, ended by signal 9", "{capture:#}");
    assert_eq!(state["started_at"], "2026-01-02T03:04:05.250Z", "{capture:#}");
    assert_eq!(state["finished_at"], "2026-01-02T03:04:06.250Z", "{capture:#}");
    assert_eq!(state["memory_limit_bytes"], 64 << 20, "{capture:#}");
    assert_eq!(state["environment"], serde_json::json!(["API_TOKEN"]), "{capture:#}");
    assert!(capture.get("logs").is_none(), "they may be a stranger's: {capture:#}");
    let missing = capture["missing"].to_string();
    assert!(
        missing.contains("its bus may be another machine's; there `journalctl -u calculator.service` has them"),
        "{capture:#}"
    );
    assert!(missing.contains("unit.env may be another machine's"), "{capture:#}");
    assert!(!capture.to_string().contains("hunter2"), "{capture:#}");
}

#[test]
fn what_systemd_restarts_itself_is_counted_as_its_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_bus, systemd, _service, orchestrator, mut events) = watched(directory.path(), State::running());
    systemd.happens(UNIT, |state| {
        (state.active, state.sub, state.result, state.ended) = ("activating", "auto-restart", "exit-code", (1, 3));
    });
    events.wait_for("calculator", "container_died");
    systemd.happens(UNIT, |state| {
        (state.active, state.sub, state.invocation, state.restarts) = ("active", "running", 2, 1);
    });
    assert_eq!(events.wait_for("calculator", "server_restarted")["reason"], "engine");
    let view = orchestrator.get("/servers/calculator");
    assert_eq!((view["restarts"]["ours"].as_u64(), view["restarts"]["engine"].as_u64()), (Some(0), Some(1)));
}

#[test]
fn a_start_limit_is_said_and_not_lifted() {
    let directory = tempfile::tempdir().expect("a directory");
    let limited = State { on_restart: Restart::StartLimit, ..State::running() };
    let (_bus, systemd, service, _orchestrator, mut events) = watched(directory.path(), limited);
    service.is(false);
    systemd.dies(UNIT, 11);
    let failed = events.wait_for("calculator", "recovery_failed");
    assert!(failed["error"].as_str().is_some_and(|error| error.contains("systemctl reset-failed")), "{failed}");
    assert_eq!(events.wait_for("calculator", "recovery_exhausted")["attempts"], 3);
}

#[test]
fn without_its_bus_the_monitor_says_so_and_waits() {
    let directory = tempfile::tempdir().expect("a directory");
    let (bus, systemd, service, _orchestrator, mut events) = watched(directory.path(), State::running());
    drop((systemd, bus));
    events.wait_until("systemd is missed", |event| event["event_type"] == "monitor_impaired" && event["reason"] == "engine");
    service.is(false);
    let held = events.wait_for("calculator", "recovery_held");
    assert_eq!(held["reason"], "engine");
    let bus = Bus::start(directory.path());
    let failed = State { active: "failed", sub: "failed", result: "signal", ended: (2, 9), ..State::running() };
    let systemd = Systemd::start(&bus, &[(UNIT, failed)]);
    events.wait_for("calculator", "recovery_released");
    until("systemd is asked", || (systemd.state(UNIT).asked > 0).then_some(()));
    service.is(true);
    events.wait_for("calculator", "recovery_successful");
}
