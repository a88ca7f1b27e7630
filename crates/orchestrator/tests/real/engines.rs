//! Docker and Podman side by side in one orchestrator: what people do with their containers is followed, and an engine that is cut
//! off is nobody's death.

mod restart;
mod slow;

use health_spec::config::EngineKind;
use serde_json::Value;

use crate::harness::{Events, Orchestrator, QUICK, log, until};
use crate::pier::{Container, Pier};
use crate::quay;
use crate::strait::Strait;

/// Both engines as they are, and these servers.
fn registry(engines: &[health_spec::config::Engine], containers: &[&Container<'_>]) -> String {
    let engine = |it: &health_spec::config::Engine| {
        format!("  - {{name: {}, kind: {}, address: \"{}\"}}\n", it.name, it.kind.as_str(), it.address)
    };
    let engines: String = engines.iter().map(engine).collect();
    let servers: String = containers.iter().map(|container| container.entry()).collect();
    format!("{QUICK}engines:\n{engines}servers:\n{servers}")
}

/// Once all are well, and their engines are listened to.
fn watch(engines: &[health_spec::config::Engine], containers: &[&Container<'_>]) -> (Orchestrator, Events) {
    watch_by(&registry(engines, containers), containers)
}

fn watch_by(registry: &str, containers: &[&Container<'_>]) -> (Orchestrator, Events) {
    let orchestrator = Orchestrator::start_with(registry);
    let mut events = orchestrator.events();
    for _ in containers {
        assert_eq!(events.wait_until("a good answer", |event| event["event_type"] == "status_changed")["status"], "ok");
    }
    listened_to(&orchestrator);
    (orchestrator, events)
}

fn listened_to(orchestrator: &Orchestrator) -> Value {
    until("the engines are listened to", || {
        let health = orchestrator.get("/health");
        (health["checks"]["engines"] == "ok").then_some(health)
    })
}

fn both() -> [health_spec::config::Engine; 2] {
    [EngineKind::Docker, EngineKind::Podman].map(quay::engine)
}

fn phase_of(orchestrator: &Orchestrator, server: &str) -> String {
    orchestrator.get(&format!("/servers/{server}"))["phase"].as_str().expect("a phase").to_owned()
}

#[test]
fn a_death_is_mended_by_the_engine_that_runs_the_server() {
    let (docker, podman) = (Pier::new(), Pier::with(EngineKind::Podman));
    let (near, far) = (docker.run("near"), podman.run("far"));
    let (orchestrator, mut events) = watch(&both(), &[&near, &far]);
    for (name, container) in [("far", &far), ("near", &near)] {
        container.kill();
        // Checks are quick here, and may be quicker than the engine's word.
        events.wait_for(name, "recovery_successful");
        let died = events.seen.iter().find(|event| event["server_name"] == name && event["event_type"] == "container_died");
        assert_eq!(died.expect("the death was said")["exit_code"], 137);
        assert!(container.answers());
        assert_eq!(phase_of(&orchestrator, name), "healthy");
    }
}

#[test]
fn what_people_do_with_their_containers_is_followed() {
    for kind in [EngineKind::Docker, EngineKind::Podman] {
        let pier = Pier::with(kind);
        let mut container = pier.run("calculator");
        // So many failures that an engine that is late is heard before checks have decided.
        let patient =
            registry(&both(), &[&container]).replacen("success_threshold: 2", "success_threshold: 2, failure_threshold: 50", 1);
        let (orchestrator, mut events) = watch_by(&patient, &[&container]);

        container.pause();
        assert_eq!(events.wait_for("calculator", "server_stopped")["reason"], "paused");
        assert_eq!(phase_of(&orchestrator, "calculator"), "stopped");
        container.unpause();
        events.wait_for("calculator", "server_started");

        container.stop(10);
        assert_eq!(events.wait_for("calculator", "server_stopped")["reason"], "operator");
        container.start();
        events.wait_for("calculator", "server_started");

        container.restart();
        events.wait_for("calculator", "server_started");
        assert_eq!(events.wait_for("calculator", "status_changed")["status"], "ok");

        let seen = events.types("calculator");
        assert!(!seen.iter().any(|it| ["server_down", "recovery_started", "server_restarted"].contains(it)), "{kind:?} {seen:?}");

        container.rename("renamed");
        container.break_by("crash");
        events.wait_for("calculator", "recovery_successful");

        container.forget_name("renamed");
        container.remove();
        assert_eq!(events.wait_for("calculator", "server_stopped")["reason"], "operator");
        assert_eq!(phase_of(&orchestrator, "calculator"), "stopped");
    }
}

#[test]
fn how_one_ended_while_nobody_looked_is_told() {
    let (docker, podman) = (Pier::new(), Pier::with(EngineKind::Podman));
    let [near, far] = [docker.run("near"), podman.run("far")];
    let (mut orchestrator, _) = watch(&both(), &[&near, &far]);
    orchestrator.crash();
    for container in [&near, &far] {
        container.kill();
        until("it is dead", || (container.state().running == Some(false)).then_some(()));
    }

    let orchestrator = orchestrator.start_again();

    let mut events = orchestrator.events();
    for name in ["near", "far"] {
        events.wait_for(name, "recovery_successful");
        let log = log(&orchestrator);
        let died = |event: &&Value| event["event_type"] == "container_died" && event["server_name"] == name;
        let codes: Vec<_> = log.iter().filter(died).map(|event| &event["exit_code"]).collect();
        assert_eq!(codes, [137]);
    }
}

#[test]
fn an_engine_that_is_cut_off_is_nobodys_death_and_what_it_did_meanwhile_is_heard() {
    let directory = tempfile::tempdir().expect("a directory");
    let (docker, podman) = (Pier::new(), Pier::with(EngineKind::Podman));
    let (near, far) = (docker.run("near"), podman.run("far"));
    let mut straits = [EngineKind::Docker, EngineKind::Podman]
        .map(|kind| Strait::to(kind, &directory.path().join(format!("{}.sock", kind.as_str()))));
    let (orchestrator, mut events) = watch(&[straits[0].engine(), straits[1].engine()], &[&near, &far]);

    straits.iter_mut().for_each(Strait::close);
    for _ in 0..2 {
        events.wait_until("an impaired monitor", |event| event["event_type"] == "monitor_impaired");
    }
    let health = until("our own health says so", || {
        let health = orchestrator.get("/health");
        (health["status"] == "degraded" && health["checks"]["engines"] == "degraded").then_some(health)
    });
    let why = health["error"].as_str().expect("why");
    assert!(why.contains("docker") && why.contains("podman"), "{why}");

    near.kill();
    far.kill();
    for name in ["near", "far"] {
        until("its recovery waits for the engine", || {
            (orchestrator.get(&format!("/servers/{name}"))["held"]["reason"] == "engine").then_some(())
        });
    }
    straits.iter_mut().for_each(Strait::open);
    for name in ["near", "far"] {
        until("it is well again", || (phase_of(&orchestrator, name) == "healthy").then_some(()));
    }
    listened_to(&orchestrator);
    for name in ["near", "far"] {
        let mut all = orchestrator.events();
        all.wait_for(name, "recovery_successful");
        let count = |what: &str| all.types(name).iter().filter(|it| **it == what).count();
        assert_eq!((count("server_down"), count("recovery_started"), count("server_stopped")), (1, 1, 0), "{name}");
    }
}
