//! An operator's `systemctl stop` or `restart` that takes its time is followed, and not fought.

use super::{UNIT, watched, watched_with};
use crate::bus::State;
use crate::harness::{Orchestrator, until};

/// Waits until failed checks would have led to an attempt, were it not for the stop.
fn waits_for_the_stop(orchestrator: &Orchestrator) {
    until("it is waited for the stop", || {
        let why = orchestrator.get("/servers/calculator/why");
        why["waiting_for"].as_str().is_some_and(|waits| waits.contains("that may end it, as a stop does")).then_some(())
    });
}

/// It closes its listener at once, and drains.
#[test]
fn a_slow_stop_of_a_unit_that_is_well_stays_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_bus, systemd, service, orchestrator, mut events) = watched(directory.path(), State::running());
    systemd.begins(UNIT, "stop");
    service.is(false);
    waits_for_the_stop(&orchestrator);
    systemd.ends_stop(UNIT);
    assert_eq!(events.wait_for("calculator", "server_stopped")["reason"], "operator");
    let types = events.types("calculator");
    assert!(!types.contains(&"server_down") && !types.contains(&"recovery_started"), "{types:?}");
    assert_eq!((systemd.state(UNIT).asked, systemd.state(UNIT).refused), (0, 0));
}

/// It hangs, and ignores SIGTERM as well.
#[test]
fn a_slow_stop_of_a_unit_that_is_being_recovered_stays_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let soon = |registry: String| {
        let soon = registry.replace("verify_timeout_seconds: 20", "verify_timeout_seconds: 2");
        soon.replace("start_period_seconds: 10", "start_period_seconds: 2")
    };
    let (_bus, systemd, service, orchestrator, mut events) = watched_with(directory.path(), State::running(), &soon);
    service.is(false);
    events.wait_for("calculator", "server_down");
    events.wait_for("calculator", "recovery_started");
    until("systemd is asked", || (systemd.state(UNIT).asked > 0).then_some(()));
    systemd.begins(UNIT, "stop");
    let asked = systemd.state(UNIT).asked;
    // The attempt would have failed by now, and the next one followed.
    waits_for_the_stop(&orchestrator);
    systemd.ends_stop(UNIT);
    assert_eq!(events.wait_for("calculator", "server_stopped")["reason"], "operator");
    assert_eq!((systemd.state(UNIT).asked, systemd.state(UNIT).active), (asked, "failed"));
}

#[test]
fn a_slow_restart_by_somebody_is_followed_and_not_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_bus, systemd, service, orchestrator, mut events) = watched(directory.path(), State::running());
    systemd.begins(UNIT, "restart");
    service.is(false);
    waits_for_the_stop(&orchestrator);
    service.is(true);
    systemd.ends_restart(UNIT);
    let view = until("it is well again", || {
        let view = orchestrator.get("/servers/calculator");
        (view["phase"] == "healthy").then_some(view)
    });
    assert_eq!((view["restarts"]["ours"].as_u64(), view["restarts"]["engine"].as_u64()), (Some(0), Some(0)));
    assert_eq!(systemd.state(UNIT).asked, 0);
    systemd.dies(UNIT, 9);
    events.wait_for("calculator", "container_died");
    let types = events.types("calculator");
    assert!(!types.contains(&"server_down"), "{types:?}");
}
