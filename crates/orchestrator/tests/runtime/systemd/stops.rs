//! Stops and restarts by somebody else that take their time.

use std::time::Duration;

use orchestrator::{
    machine::{Input, ServerId, Word},
    shell::runtime::ActionError,
};

use super::{UNIT, Yard, is_asked, is_lost, said};
use crate::bench::Life;

/// Waits until systemd has said what the job does: from then on it is told again that it goes on.
fn knows_the_job(life: &mut Life) {
    let told = |life: &mut Life| {
        life.run(life.runtimes.asked_whether_it_is_stopped(ServerId(0)));
        !life.pending().is_empty()
    };
    assert!((0..10_000).any(|_| told(life)), "it is not told again");
}

#[test]
fn what_somebody_is_stopping_is_not_touched() {
    let yard = Yard::new();
    let mut life = yard.watch();
    yard.systemd.begins(UNIT, "stop");
    assert_eq!(life.next_word(), Word::AskedToEnd(Some(Duration::from_secs(90))));
    knows_the_job(&mut life);
    let refused = life.restart();
    assert!(refused.as_ref().is_err_and(ActionError::is_untouched));
    assert_eq!(said(refused), "somebody is stopping or restarting a.service: it is left alone until that has ended");
    assert!(is_asked(&life.next_word()));
    yard.systemd.ends_stop(UNIT);
    assert_eq!(life.next_word(), Word::Stopped);
    assert_eq!((yard.systemd.state(UNIT).asked, yard.systemd.state(UNIT).refused), (0, 0));
    life.run(life.runtimes.asked_whether_it_is_stopped(ServerId(0)));
    assert_eq!(life.pending(), []);
    life.restart().unwrap();
    assert_eq!(life.next_word(), Word::Running);
}

/// Its job is queued when systemd is asked, and has not been told of.
#[test]
fn a_restart_does_not_take_the_place_of_a_stop_that_nobody_has_heard_of() {
    let yard = Yard::new();
    let mut life = yard.watch();
    yard.systemd.set(UNIT, |state| (state.job, state.job_kind) = (5, "stop"));
    let refused = life.restart();
    assert!(refused.as_ref().is_err_and(ActionError::is_untouched));
    let text = said(refused);
    assert!(text.starts_with("systemd does not restart a.service against a job of somebody else: "), "{text}");
    assert_eq!((yard.systemd.state(UNIT).asked, yard.systemd.state(UNIT).refused), (0, 1));
    assert_eq!(life.next_word(), Word::Running);
    assert_eq!(life.pending(), []);
}

#[test]
fn a_stop_that_was_called_off_is_over() {
    let yard = Yard::new();
    let mut life = yard.watch();
    yard.systemd.begins(UNIT, "stop");
    assert!(is_asked(&life.next_word()));
    yard.systemd.happens(UNIT, |state| (state.active, state.sub) = ("active", "running"));
    yard.systemd.ends_job(UNIT, "canceled");
    assert_eq!(life.next_word(), Word::AskedNoMore);
    life.restart().unwrap();
    assert_eq!((life.next_word(), yard.systemd.state(UNIT).asked), (Word::Running, 1));
}

#[test]
fn a_restart_of_somebody_else_that_takes_its_time_is_followed() {
    let yard = Yard::new();
    let mut life = yard.watch();
    yard.systemd.begins(UNIT, "restart");
    assert!(is_asked(&life.next_word()));
    knows_the_job(&mut life);
    let text = said(life.restart());
    assert!(text.starts_with("somebody is stopping or restarting a.service"), "{text}");
    assert!(is_asked(&life.next_word()));
    yard.systemd.ends_restart(UNIT);
    assert_eq!(life.next_word(), Word::Started);
    life.restart().unwrap();
    assert_eq!((life.next_word(), yard.systemd.state(UNIT).asked), (Word::Running, 1));
    assert_eq!(life.pending(), []);
}

#[test]
fn a_stop_that_is_found_under_way_is_a_stop() {
    let yard = Yard::new();
    yard.systemd.begins(UNIT, "stop");
    let mut first = yard.bench.start(&[yard.server(UNIT)]);
    assert!(is_asked(&first.next_word()));
    first.shut_down();

    yard.systemd.ends_job(UNIT, "canceled");
    yard.systemd.set(UNIT, |state| (state.active, state.sub) = ("active", "running"));
    let mut life = yard.watch();
    yard.systemd.leaves();
    assert!(is_lost(&life.next()));
    yard.systemd.begins(UNIT, "stop");
    yard.systemd.comes_back();
    assert!(is_asked(&life.next_word()));
    assert!(matches!(life.next(), Input::EngineBack(_)));
    knows_the_job(&mut life);
    said(life.restart());
    assert!(is_asked(&life.next_word()));
    yard.systemd.ends_stop(UNIT);
    assert_eq!(life.next_word(), Word::Stopped);
    assert_eq!(yard.systemd.state(UNIT).asked, 0);
}
