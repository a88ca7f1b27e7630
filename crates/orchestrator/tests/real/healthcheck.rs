//! Probes of kind `container` and `process`: what an engine makes of a real HEALTHCHECK, and a real child that is dead.

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HealthConfig, Mount, MountType};
use health_spec::config::EngineKind;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Events, Orchestrator, QUICK, free_port, sample, signal};
use crate::pier::{Container, Habits, Pier, static_server};
use crate::quay;

/// Between two looks, in nanoseconds.
const INTERVAL: i64 = 200_000_000;

/// A folder with a program that a container's HEALTHCHECK runs, as long as it is there.
struct Gate(TempDir);

impl Gate {
    fn new() -> Self {
        let gate = Self(tempfile::tempdir().expect("a directory"));
        std::fs::copy(static_server(), gate.program("check")).expect("copied");
        gate
    }

    fn program(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn close(&self) {
        std::fs::rename(self.program("check"), self.program("away")).expect("renamed");
    }

    fn open(&self) {
        std::fs::rename(self.program("away"), self.program("check")).expect("renamed");
    }

    fn checks(&self, body: &mut ContainerCreateBody) {
        body.healthcheck = Some(HealthConfig {
            test: Some(["CMD", "/gate/check", "--version"].map(str::to_owned).to_vec()),
            interval: Some(INTERVAL),
            retries: Some(1),
            ..HealthConfig::default()
        });
        let mount = Mount {
            target: Some("/gate".to_owned()),
            source: Some(self.0.path().to_str().expect("text").to_owned()),
            typ: Some(MountType::BIND),
            ..Mount::default()
        };
        body.host_config.get_or_insert_default().mounts = Some(vec![mount]);
    }
}

/// Asks Podman to look, again and again until this is dropped. Docker does so by itself.
fn looked_at(kind: EngineKind, container: &Container<'_>) -> Option<Sender<()>> {
    let (stop, stopped) = channel();
    let name = container.full_name();
    (kind == EngineKind::Podman).then(|| {
        std::thread::spawn(move || {
            while stopped.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
                // One that is paused, or just being restarted, cannot be looked at.
                let _ = quay::ask_podman_to_check(&name);
            }
        });
        stop
    })
}

/// The next check that finds this.
fn found(events: &mut Events, status: &str, says: &str) -> Value {
    events.wait_until(&format!("{status}: {says}"), |event| {
        let message = event["failure"]["message"].as_str().unwrap_or_default();
        event["event_type"] == "health_check_completed" && event["status"] == status && message.contains(says)
    })
}

fn phase(orchestrator: &Orchestrator) -> Value {
    orchestrator.get("/servers/calculator")["phase"].clone()
}

fn decides(kind: EngineKind) {
    let (gate, pier) = (Gate::new(), Pier::with(kind));
    let container = pier.run_changed("calculator", Habits::default(), &[], |body| gate.checks(body));
    let _looked_at = looked_at(kind, &container);
    let engines = format!("engines: [{{name: here, kind: {}, address: \"{}\"}}]\n", kind.as_str(), quay::engine(kind).address);
    let entry = format!("{}    probes: [{{kind: container}}]\n", container.entry());
    let orchestrator = Orchestrator::start_with(&format!("{QUICK}{engines}servers:\n{entry}"));
    let mut events = orchestrator.events();
    orchestrator.hears_its_engines();
    found(&mut events, "ok", "");
    let life = container.life();

    gate.close();

    let failed = found(&mut events, "down", "its HEALTHCHECK says unhealthy");
    assert_eq!(failed["failure"]["reason"], "reported");
    assert_eq!(events.wait_for("calculator", "server_down")["reason"], "3_consecutive_failures");
    events.wait_for("calculator", "recovery_started");
    gate.open();
    events.wait_for("calculator", "recovery_successful");
    assert_ne!(container.life(), life, "it was restarted");
    found(&mut events, "ok", "");
    assert_eq!(phase(&orchestrator), "healthy");
    assert_eq!(orchestrator.get("/servers/calculator")["last_check"]["probes"][0]["kind"], "container");

    container.pause();

    assert_eq!(events.wait_for("calculator", "server_stopped")["reason"], "paused");
    let frozen = found(&mut events, "degraded", "its container is paused");
    assert_eq!((&frozen["failure"]["reason"], phase(&orchestrator)), (&Value::from("reported"), Value::from("stopped")));
    container.unpause();
    events.wait_for("calculator", "server_started");
    found(&mut events, "ok", "");
}

#[test]
fn what_docker_makes_of_a_healthcheck_decides() {
    decides(EngineKind::Docker);
}

#[test]
fn what_podman_makes_of_a_healthcheck_decides() {
    decides(EngineKind::Podman);
}

#[test]
fn a_child_that_is_dead_does_not_run() {
    let settings = QUICK.replace("recovery: {", "recovery: {enabled: false, ");
    let entry = format!("{}    probes: [{{kind: process}}]\n", sample("calculator", free_port()));
    let orchestrator = Orchestrator::start_with(&format!("{settings}servers:\n{entry}"));
    let mut events = orchestrator.events();
    found(&mut events, "ok", "");
    signal(orchestrator.pid_of("calculator"), "KILL");
    assert_eq!(events.wait_for("calculator", "server_down")["reason"], "container_died");
    let failed = found(&mut events, "down", "it has died by signal 9");
    assert_eq!(failed["failure"]["reason"], "not_running");
    assert_eq!(orchestrator.get("/servers/calculator")["last_check"]["probes"][0]["kind"], "process");
}
