//! How containers end, and who brings them back: their engine by its restart policy, this, or nobody.

use std::os::unix::fs::MetadataExt;

use bollard::models::{RestartPolicy, RestartPolicyNameEnum};
use health_spec::config::EngineKind::{self, Docker, Podman};

use super::rare;
use crate::harness::{Events, Orchestrator, signal, until};
use crate::pier::{Container, Habits, Pier};
use crate::quay;

/// How one ends.
#[derive(Clone, Copy)]
enum End {
    /// By itself, with exit code 0.
    Zero,
    /// By itself, otherwise.
    Crash,
    /// The same once more, when it is back.
    CrashTwice,
}

/// Who brings it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Us,
    Engine,
    Nobody,
}

/// A restart policy and what it may retry, `on_exit_zero`, an end, and what comes of it.
type Row = (&'static str, RestartPolicyNameEnum, Option<i64>, &'static str, End, By);

const TABLE: [Row; 6] = [
    ("exit-0-is-a-stop", RestartPolicyNameEnum::NO, None, "stop", End::Zero, By::Nobody),
    ("exit-0-is-a-death", RestartPolicyNameEnum::NO, None, "restart", End::Zero, By::Us),
    ("on-failure-crash", RestartPolicyNameEnum::ON_FAILURE, Some(3), "restart", End::Crash, By::Engine),
    ("on-failure-exit-0", RestartPolicyNameEnum::ON_FAILURE, Some(3), "restart", End::Zero, By::Us),
    ("on-failure-used-up", RestartPolicyNameEnum::ON_FAILURE, Some(1), "restart", End::CrashTwice, By::Us),
    ("unless-stopped-crash", RestartPolicyNameEnum::UNLESS_STOPPED, None, "restart", End::Crash, By::Engine),
];

fn engines(kind: EngineKind) -> String {
    format!("engines: [{{name: here, kind: {}, address: \"{}\"}}]\n", kind.as_str(), quay::engine(kind).address)
}

/// As the user that runs the test, who may send it a signal then.
fn run(pier: &Pier, (name, policy, retries, ..): Row) -> Container<'_> {
    let us = std::fs::metadata("/proc/self").expect("a process");
    pier.run_changed(name, Habits::default(), &[], |body| {
        body.user = Some(format!("{}:{}", us.uid(), us.gid()));
        let policy = RestartPolicy { name: Some(policy), maximum_retry_count: retries };
        body.host_config.get_or_insert_default().restart_policy = Some(policy);
    })
}

fn ends(container: &Container<'_>, end: End) {
    match end {
        End::Zero => signal(container.state().pid.and_then(|pid| i32::try_from(pid).ok()).expect("a process"), "TERM"),
        End::Crash | End::CrashTwice => container.break_by("crash"),
    }
}

fn is_back(events: &mut Events, name: &str, by: By) {
    match by {
        By::Nobody => assert_eq!(events.wait_for(name, "server_stopped")["reason"], "exit_zero"),
        By::Us => {
            events.wait_for(name, "recovery_started");
            events.wait_for(name, "recovery_successful");
        }
        By::Engine => {
            events.wait_for(name, "server_recovered");
        }
    }
}

fn are_brought_back_as_their_policies_say(kind: EngineKind) {
    let pier = Pier::with(kind);
    let containers = TABLE.map(|row| run(&pier, row));
    let entries = std::iter::zip(&containers, TABLE).map(|(container, (.., on_exit_zero, _, _))| {
        format!("{}    recovery: {{on_exit_zero: {on_exit_zero}}}\n", container.entry())
    });
    let registry = format!("{}{}servers:\n{}", rare(), engines(kind), entries.collect::<String>());
    let orchestrator = Orchestrator::start_with(&registry);
    let mut events = orchestrator.events();
    for _ in TABLE {
        events.wait_until("a good answer", |event| event["event_type"] == "status_changed" && event["status"] == "ok");
    }
    orchestrator.hears_its_engines();
    for (container, (name, .., end, by)) in std::iter::zip(&containers, TABLE) {
        ends(container, end);
        if matches!(end, End::CrashTwice) {
            is_back(&mut events, name, By::Engine);
            ends(container, end);
        }
        is_back(&mut events, name, by);
        let started = events.types(name).iter().filter(|it| **it == "recovery_started").count();
        assert_eq!((container.answers(), started), (by != By::Nobody, usize::from(by == By::Us)), "{name}");
        let counted = orchestrator.get(&format!("/servers/{name}"))["restarts"]["ours"].as_u64();
        assert_eq!(counted, Some(u64::from(by == By::Us)), "{name}");
        assert!(by != By::Engine || container.engine_restarts() == 1, "{name}");
    }
    assert_eq!(orchestrator.get("/servers/exit-0-is-a-stop")["phase"], "stopped", "also when all the others were brought back");
}

#[test]
fn those_of_docker_are_brought_back_as_their_policies_say() {
    are_brought_back_as_their_policies_say(Docker);
}

#[test]
fn those_of_podman_are_brought_back_as_their_policies_say() {
    are_brought_back_as_their_policies_say(Podman);
}

/// One that was never started, and one that has ended.
fn are_started_where_it_is_asked_for(kind: EngineKind) {
    let pier = Pier::with(kind);
    let [fresh, ended, left] = ["fresh", "ended", "left"].map(|name| pier.run(name));
    for container in [&fresh, &left] {
        container.remove();
        container.create_only(&[]);
    }
    ended.stop(10);
    let asked = |container: &Container<'_>| format!("{}    recovery: {{start_stopped: true}}\n", container.entry());
    let entries = format!("{}{}{}", asked(&fresh), asked(&ended), left.entry());
    let orchestrator = Orchestrator::start_with(&format!("{}{}servers:\n{entries}", rare(), engines(kind)));
    let mut events = orchestrator.events();
    for _ in 0..2 {
        let recovered = events.wait_until("one is started", |event| event["event_type"] == "recovery_successful");
        assert_eq!(recovered["attempts"], 1, "{recovered}");
    }
    assert!(fresh.answers() && ended.answers());
    until("the other is left alone", || (orchestrator.get("/servers/left")["phase"] == "stopped").then_some(()));
    assert!(!left.answers() && left.state().running == Some(false));
    for name in ["fresh", "ended"] {
        let restarts = orchestrator.get(&format!("/servers/{name}"))["restarts"].clone();
        assert_eq!((restarts["ours"].as_u64(), restarts["engine"].as_u64()), (Some(1), Some(0)), "{name}");
    }
}

#[test]
fn those_of_docker_that_do_not_run_are_started_where_it_is_asked_for() {
    are_started_where_it_is_asked_for(Docker);
}

#[test]
fn those_of_podman_that_do_not_run_are_started_where_it_is_asked_for() {
    are_started_where_it_is_asked_for(Podman);
}
