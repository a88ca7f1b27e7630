//! A real engine that ends and is started again: nobody is touched while it is away, and what its end has brought down is brought back once,
//! by the engine or by us.
//!
//! Docker stops its containers when it ends in an orderly way. Where it is killed they live on, and the daemon that comes next stops them.

use bollard::models::RestartPolicyNameEnum;
use serde_json::Value;

use super::{listened_to, phase_of, watch};
use crate::dock::{Dock, signal_as_root};
use crate::harness::{Events, Orchestrator, log, until};
use crate::pier::{Container, Habits, Pier};

/// So many checks are enough to decide upon, with `QUICK`.
const CHECKS: usize = 6;

fn on_host() -> Habits {
    Habits { on_host: true, ..Habits::default() }
}

fn kept_up() -> Habits {
    Habits { restart: Some(RestartPolicyNameEnum::ALWAYS), ..on_host() }
}

/// The daemon gets this signal, and the monitor says that it is away.
fn leaves(dock: &Dock, signal: &str, events: &mut Events) {
    dock.signal(signal);
    events.wait_until("an impaired monitor", |event| event["event_type"] == "monitor_impaired" && event["reason"] == "engine");
}

/// For as long as it would take to decide upon something, nothing is done to anybody.
fn nothing_is_done(events: &mut Events, server: &str) {
    for _ in 0..CHECKS {
        events.wait_for(server, "health_check_completed");
    }
    let acted = events.seen.iter().find(|event| event["event_type"] == "recovery_started");
    assert!(acted.is_none(), "an action on an engine that is away: {acted:?}");
}

/// All are well, and their lives are not those of before.
fn well_again(orchestrator: &Orchestrator, containers: &[(&str, &Container<'_>, i64)]) {
    for (name, container, pid) in containers {
        until(&format!("{name} is well again"), || {
            let lives = container.state().pid.is_some_and(|now| now > 0 && now != *pid);
            (lives && phase_of(orchestrator, name) == "healthy" && container.answers()).then_some(())
        });
    }
    listened_to(orchestrator);
}

fn pid(container: &Container<'_>) -> i64 {
    container.state().pid.expect("a pid")
}

/// Of one server, in the log.
fn count(log: &[Value], server: &str, event_type: &str) -> usize {
    log.iter().filter(|event| event["server_name"] == server && event["event_type"] == event_type).count()
}

/// Brought back by us, once.
fn brought_by_us(log: &[Value], server: &str, container: &Container<'_>) {
    let counted = ["server_down", "recovery_started", "recovery_successful"].map(|it| count(log, server, it));
    assert_eq!(counted, [1, 1, 1], "{server}: {log:#?}");
    assert_eq!((container.count("restart"), container.count("start")), (1, 1), "{server}, by its engine's account");
}

/// Brought back by its engine, and by nobody else. Checks may have found it down, and up again, before its engine could tell of the death.
fn brought_by_its_engine(log: &[Value], server: &str, container: &Container<'_>) {
    let down = count(log, server, "server_down");
    let up = count(log, server, "server_recovered") + count(log, server, "server_started");
    assert!(down <= 2 && up >= down, "{server}: {log:#?}");
    assert_eq!(count(log, server, "recovery_started"), 0, "{server}: {log:#?}");
    assert_eq!((container.count("restart"), container.count("start")), (0, 1), "{server}, by its engine's account");
}

/// The first one is left to us by its engine, the second one is not.
fn both_are_back(mut orchestrator: Orchestrator, lives: &[(&str, &Container<'_>, i64); 2]) {
    well_again(&orchestrator, lives);
    assert!(orchestrator.stop().success());
    let (log, [(left, by_us, _), (kept, by_its_engine, _)]) = (log(&orchestrator), lives);
    brought_by_us(&log, left, by_us);
    brought_by_its_engine(&log, kept, by_its_engine);
}

#[test]
fn an_engine_that_is_shut_down_and_started_again_leaves_nobody_down() {
    let mut dock = Dock::start();
    let pier = Pier::at(&dock.engine());
    let (left, kept) = (pier.run_with("left", on_host()), pier.run_with("kept", kept_up()));
    let lives = [("left", &left, pid(&left)), ("kept", &kept, pid(&kept))];
    let (orchestrator, mut events) = watch(&[dock.engine()], &[&left, &kept]);

    leaves(&dock, "TERM", &mut events);
    nothing_is_done(&mut events, "left");
    dock.come_back();

    both_are_back(orchestrator, &lives);
}

/// Longer than the last words of an engine are taken for its own end.
const SLOW: i64 = 8;

#[test]
fn an_engine_that_waits_for_one_that_does_not_end_leaves_those_that_ended_at_once_not_down_either() {
    let mut dock = Dock::start();
    let pier = Pier::at(&dock.engine());
    let quick = pier.run_with("quick", on_host());
    // Its server does not mind the signal.
    let habits = Habits { stop_signal: Some("SIGHUP"), ..on_host() };
    let slow = pier.run_changed("slow", habits, &[], |body| body.stop_timeout = Some(SLOW));
    let lives = [("quick", &quick, pid(&quick)), ("slow", &slow, pid(&slow))];
    let (mut orchestrator, mut events) = watch(&[dock.engine()], &[&quick, &slow]);

    leaves(&dock, "TERM", &mut events);
    dock.come_back();

    well_again(&orchestrator, &lives);
    assert!(orchestrator.stop().success());
    let log = log(&orchestrator);
    brought_by_us(&log, "quick", &quick);
    brought_by_us(&log, "slow", &slow);
}

#[test]
fn an_engine_that_is_killed_and_started_again_leaves_nobody_down() {
    let mut dock = Dock::start();
    let pier = Pier::at(&dock.engine());
    let (left, kept) = (pier.run_with("left", on_host()), pier.run_with("kept", kept_up()));
    let lives = [("left", &left, pid(&left)), ("kept", &kept, pid(&kept))];
    let (orchestrator, mut events) = watch(&[dock.engine()], &[&left, &kept]);

    leaves(&dock, "KILL", &mut events);
    nothing_is_done(&mut events, "left");
    assert!(left.answers() && kept.answers(), "they live on without it");
    assert!(events.seen.iter().all(|event| event["event_type"] != "server_down"), "nobody was down");
    dock.come_back();

    both_are_back(orchestrator, &lives);
}

#[test]
fn one_that_dies_while_its_engine_is_away_is_brought_back_once_when_that_is_there_again() {
    let mut dock = Dock::start();
    let pier = Pier::at(&dock.engine());
    let slain = pier.run_with("slain", on_host());
    let alive = pid(&slain);
    let lives = [("slain", &slain, alive)];
    let (mut orchestrator, mut events) = watch(&[dock.engine()], &[&slain]);

    leaves(&dock, "KILL", &mut events);
    signal_as_root(&alive.to_string(), "KILL");
    let held = events.wait_for("slain", "recovery_held");
    assert_eq!(held["reason"], "engine", "{held}");
    nothing_is_done(&mut events, "slain");
    dock.come_back();

    events.wait_for("slain", "recovery_released");
    events.wait_for("slain", "recovery_successful");
    well_again(&orchestrator, &lives);
    assert!(orchestrator.stop().success());
    brought_by_us(&log(&orchestrator), "slain", &slain);
}
