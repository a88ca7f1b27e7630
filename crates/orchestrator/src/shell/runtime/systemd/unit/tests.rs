//! What systemd tells, in its order, and what is made of it.

use std::time::Duration;

use super::*;

fn status(active: &str, sub: &str, invocation: u8) -> Status {
    let (active, sub, result) = (active.to_owned(), sub.to_owned(), "success".to_owned());
    Status { active, sub, result, invocation: vec![invocation], ..Status::default() }
}

fn running(invocation: u8) -> Status {
    status("active", "running", invocation)
}

fn failed(code: i32, number: i32, result: &str) -> Status {
    Status { code, status: number, result: result.to_owned(), ..status("failed", "failed", 1) }
}

fn asked(seconds: u64) -> Word {
    Word::AskedToEnd(Some(Duration::from_secs(seconds)))
}

fn returning() -> Status {
    Status { active: "activating".to_owned(), sub: "auto-restart".to_owned(), ..failed(1, 3, "exit-code") }
}

fn look(status: Status) -> Look {
    Look { status, as_of: Sequence::default() }
}

fn unit(status: Status) -> Unit {
    let mut unit = Unit::new("a.service", "/a".to_owned(), look(status));
    unit.begin();
    unit
}

#[test]
fn the_first_word_says_how_it_was_found() {
    let first = |status: Status| Unit::new("a.service", "/a".to_owned(), look(status)).begin();
    assert_eq!(first(running(1)), [Word::Running]);
    assert_eq!(first(status("inactive", "dead", 0)), [Word::NotRunning(Death::default())]);
    let exit_code = Some(1);
    assert_eq!(first(failed(1, 1, "exit-code")), [Word::NotRunning(Death { exit_code, ..Death::default() })]);
    let ended_well = Status { code: 1, ..status("inactive", "dead", 1) };
    assert_eq!(first(ended_well), [Word::FoundStopped], "somebody has stopped it, most likely");
    assert_eq!(first(returning()), [Word::Running], "systemd is about to start it");
    assert_eq!(first(status("activating", "start", 1)), []);
    let job = Some("/job/1".to_owned());
    let mut between = Unit::new("a.service", "/a".to_owned(), look(Status { job, ..status("inactive", "dead", 1) }));
    assert_eq!(between.begin(), [], "a restart of an earlier run, perhaps");
    between.prepare(running(2));
    assert_eq!(between.job_ends("/job/1", "done"), [Word::Running]);
}

#[test]
fn what_comes_of_one_that_was_found_on_its_way_is_said() {
    for (then, word) in [
        (running(1), Word::Started),
        (status("inactive", "dead", 1), Word::NotRunning(Death::default())),
        (failed(1, 1, "exit-code"), Word::NotRunning(Death { exit_code: Some(1), ..Death::default() })),
        (returning(), Word::Running),
    ] {
        let mut unit = unit(status("deactivating", "stop-sigterm", 1));
        assert_eq!(unit.changed(status("deactivating", "final-sigterm", 1)), []);
        assert_eq!(unit.changed(then.clone()), [word], "{then:?}");
        assert_eq!(unit.changed(then.clone()), [], "once: {then:?}");
    }
}

#[test]
fn a_death_is_told_with_its_cause() {
    for (ended, death) in [
        (failed(1, 3, "exit-code"), Death { exit_code: Some(3), ..Death::default() }),
        (failed(2, 9, "signal"), Death { signal: Some(9), ..Death::default() }),
        (failed(3, 6, "core-dump"), Death { signal: Some(6), core_dumped: true, ..Death::default() }),
        (failed(2, 9, "oom-kill"), Death { signal: Some(9), oom_killed: true, ..Death::default() }),
        (failed(3, 6, "watchdog"), Death { signal: Some(6), core_dumped: true, ..Death::default() }),
        (failed(0, 0, "resources"), Death { error: Some("systemd says: resources".to_owned()), ..Death::default() }),
        (Status { code: 1, ..status("inactive", "dead", 1) }, Death { exit_code: Some(0), ..Death::default() }),
    ] {
        let mut unit = unit(running(1));
        assert_eq!(unit.changed(status("deactivating", "stop-sigterm", 1)), []);
        assert_eq!(unit.changed(ended.clone()), [Word::Died(death)], "{ended:?}");
        assert_eq!(unit.changed(ended), [], "once");
    }
}

#[test]
fn what_systemd_mends_itself_is_a_death_that_comes_back_and_a_restart_of_its_own() {
    let mut unit = unit(running(1));
    let death = Death { exit_code: Some(3), comes_back: true, ..Death::default() };
    assert_eq!(unit.changed(returning()), [Word::Died(death)]);
    assert_eq!(unit.changed(status("activating", "start", 2)), []);
    let again = |invocation, restarts| Status { restarts, ..running(invocation) };
    unit.job_begins("/job/5");
    assert_eq!(unit.changed(again(2, 1)), [Word::Restarted], "by a job that is its own");
    assert_eq!(unit.job_ends("/job/5", "done"), []);
    // A round that was so quick that only its end was told.
    let unseen = Death { comes_back: true, ..Death::default() };
    assert_eq!(unit.changed(again(3, 2)), [Word::Died(unseen), Word::Restarted]);
    assert_eq!(unit.changed(again(4, 2)), [Word::Started], "not counted: somebody's");
}

#[test]
fn a_stop_is_a_stop_however_the_process_ends() {
    for (ended, kind) in [
        (status("inactive", "dead", 1), Some("stop")),
        (failed(1, 143, "exit-code"), Some("stop")),
        (failed(2, 9, "timeout"), None),
    ] {
        let mut unit = unit(running(1));
        assert!(unit.job_begins("/job/7"));
        if let Some(kind) = kind {
            assert_eq!(unit.job_is("/job/7", kind), [asked(600)]);
        }
        let ends = unit.changed(status("deactivating", "stop-sigterm", 1));
        assert_eq!(ends, if kind.is_some() { vec![] } else { vec![asked(600)] }, "once");
        assert_eq!(unit.changed(ended), [], "its job tells what it was");
        assert_eq!(unit.job_ends("/job/7", "done"), [Word::Stopped]);
        assert_eq!(unit.changed(running(2)), [Word::Started]);
    }
}

#[test]
fn how_long_it_may_take_to_stop_is_told() {
    for (stop, seconds) in [(90_000_000, 90), (0, 600), (u64::MAX, 600), (7_200_000_000, 600)] {
        let mut unit = unit(Status { stop, ..running(1) });
        unit.job_begins("/job/7");
        assert_eq!(unit.job_is("/job/7", "stop"), [asked(seconds)], "{stop}");
        assert_eq!(unit.is_being_stopped(), Some(Duration::from_secs(seconds)));
    }
}

#[test]
fn a_job_that_does_not_end_it_asks_nothing() {
    for kind in ["start", "reload", "verify-active", "nop"] {
        let mut unit = unit(running(1));
        unit.job_begins("/job/7");
        assert_eq!(unit.job_is("/job/7", kind), [], "{kind}");
        assert_eq!(unit.is_being_stopped(), None);
    }
    let mut returns = unit(running(1));
    returns.changed(returning());
    returns.job_begins("/job/8");
    assert_eq!(returns.job_is("/job/8", "restart"), [], "it has ended, and systemd starts it again");
}

#[test]
fn a_stop_that_is_called_off_is_over() {
    let mut unit = unit(running(1));
    unit.job_begins("/job/7");
    assert_eq!(unit.job_is("/job/7", "stop"), [asked(600)]);
    assert_eq!(unit.job_ends("/job/7", "canceled"), [Word::AskedNoMore]);
    assert_eq!(unit.is_being_stopped(), None);
    assert_eq!(unit.changed(running(1)), []);
}

#[test]
fn one_that_is_found_while_it_is_being_stopped_is_asked_to_end() {
    let job = Some("/job/7".to_owned());
    let stops = Status { job, stop: 90_000_000, ..status("deactivating", "stop-sigterm", 1) };
    let mut unit = Unit::new("a.service", "/a".to_owned(), look(stops.clone()));
    assert_eq!(unit.begin(), [asked(90)]);
    assert_eq!(unit.jobs().collect::<Vec<_>>(), ["/job/7"]);
    assert_eq!(unit.is_being_stopped(), None, "nobody knows yet");
    assert_eq!(unit.job_is("/job/7", "stop"), [], "it is told already");
    assert!(unit.is_being_stopped().is_some());
    unit.changed(failed(1, 143, "exit-code"));
    assert_eq!(unit.job_ends("/job/7", "done"), [Word::Stopped]);

    let mut lost = super::tests::unit(Status { stop: 90_000_000, ..running(1) });
    assert_eq!(lost.compare("/a".to_owned(), look(stops.clone())), [asked(90)]);
    lost.job_is("/job/7", "stop");
    assert_eq!(lost.compare("/a".to_owned(), look(stops)), [], "it goes on");
    assert!(lost.is_being_stopped().is_some(), "it is still known what the job does");
    let mut over = lost.clone();
    assert_eq!(over.compare("/a".to_owned(), look(failed(1, 143, "exit-code"))), [Word::Stopped]);
    assert_eq!(lost.compare("/a".to_owned(), look(running(1))), [Word::AskedNoMore, Word::Running]);
}

#[test]
fn a_restart_of_somebody_else_is_a_start_and_a_failed_one_a_death() {
    let mut unit = unit(running(1));
    unit.job_begins("/job/7");
    assert_eq!(unit.job_is("/job/7", "restart"), [asked(0)]);
    assert!(unit.is_being_stopped().is_some());
    assert_eq!(unit.changed(status("inactive", "dead", 1)), []);
    assert_eq!(unit.is_being_stopped(), None, "it is being started");
    assert_eq!(unit.changed(running(2)), [Word::Started]);
    assert_eq!(unit.is_being_stopped(), None, "it was started");
    assert_eq!(unit.job_ends("/job/7", "done"), []);
    unit.job_begins("/job/8");
    unit.job_is("/job/8", "restart");
    unit.changed(failed(1, 5, "exit-code"));
    let died = Word::Died(Death { exit_code: Some(5), ..Death::default() });
    assert_eq!(unit.job_ends("/job/8", "failed"), [Word::AskedNoMore, died]);
}

#[test]
fn what_our_own_restart_does_is_no_news() {
    let mut unit = unit(running(1));
    unit.act();
    // systemd tells of the job before it answers.
    unit.job_begins("/job/9");
    assert_eq!(unit.changed(status("deactivating", "stop-sigterm", 1)), [], "it is not asked to end by somebody");
    unit.acts_as("/job/9");
    assert_eq!(unit.job_is("/job/9", "restart"), []);
    assert_eq!(unit.is_being_stopped(), None);
    assert!(unit.is_ours("/job/9") && !unit.is_ours("/job/8"));
    assert_eq!(unit.changed(status("inactive", "dead", 1)), []);
    assert_eq!(unit.changed(running(2)), []);
    assert_eq!(unit.acted(), [Word::Running]);
    assert_eq!(unit.changed(running(2)), []);
    unit.act();
    unit.acts_as("/job/10");
    unit.changed(failed(1, 1, "start-limit-hit"));
    assert_eq!(unit.acted(), []);
    assert_eq!(unit.changed(running(3)), [Word::Started], "somebody has mended it");
}

#[test]
fn a_stop_that_takes_the_place_of_our_restart_is_honoured() {
    let mut unit = unit(running(1));
    unit.act();
    unit.acts_as("/job/9");
    unit.job_begins("/job/10");
    assert_eq!(unit.job_is("/job/10", "stop"), []);
    assert_eq!(unit.acted(), [Word::Running, asked(600)], "the restart was cancelled while it still ran");
    assert_eq!(unit.changed(status("inactive", "dead", 1)), []);
    assert_eq!(unit.job_ends("/job/10", "done"), [Word::Stopped]);
}

#[test]
fn after_a_loss_what_happened_meanwhile_is_told() {
    let after = |status: Status| unit(running(1)).compare("/a".to_owned(), look(status));
    assert_eq!(after(running(1)), [Word::Running]);
    assert_eq!(after(running(2)), [Word::Started]);
    let mended = [Word::Died(Death { comes_back: true, ..Death::default() }), Word::Restarted];
    assert_eq!(after(Status { restarts: 1, ..running(2) }), mended);
    assert_eq!(after(status("inactive", "dead", 1)), [Word::Stopped]);
    assert_eq!(after(failed(2, 11, "signal")), [Word::Died(Death { signal: Some(11), ..Death::default() })]);
    let mut stopped = unit(status("inactive", "dead", 1));
    assert_eq!(stopped.compare("/a".to_owned(), look(running(2))), [Word::Started]);
}

#[test]
fn a_restart_of_ours_stays_ours_over_a_loss() {
    let job = Some("/job/9".to_owned());
    let interrupted = || {
        let mut unit = unit(running(1));
        unit.act();
        unit.acts_as("/job/9");
        unit.changed(status("activating", "start", 2));
        unit
    };
    let mut goes_on = interrupted();
    assert_eq!(goes_on.compare("/a".to_owned(), look(Status { job, ..status("activating", "start", 2) })), []);
    assert!(goes_on.is_ours("/job/9"));
    assert_eq!(goes_on.changed(running(2)), []);
    assert_eq!(goes_on.acted(), [Word::Running]);

    assert_eq!(interrupted().compare("/a".to_owned(), look(running(2))), [Word::Running], "it has ended meanwhile");
    assert_eq!(interrupted().compare("/a".to_owned(), look(status("inactive", "dead", 2))), [Word::Stopped]);
    let job = Some("/job/10".to_owned());
    let mut anothers = interrupted();
    let found = anothers.compare("/a".to_owned(), look(Status { job, ..status("deactivating", "stop-sigterm", 2) }));
    assert_eq!(found, [asked(600)]);
    assert_eq!(anothers.changed(status("inactive", "dead", 2)), []);
    assert_eq!(anothers.job_ends("/job/10", "done"), [Word::Stopped]);
}

#[test]
fn a_start_limit_is_explained() {
    let text = failed(1, 1, "start-limit-hit").explain("a.service");
    assert!(text.contains("systemctl reset-failed a.service"), "{text}");
    assert_eq!(
        failed(1, 4, "exit-code").explain("a.service"),
        "its main process ended with code 4; `journalctl -u a.service` shows more"
    );
}
