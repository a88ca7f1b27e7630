//! What somebody stops while something else is on its way is theirs, and what only might be a stop is waited for.

use super::*;

const SLOW: &str = "{servers: [{name: a}], recovery: {backoff: {schedule: [30, 30]}}}";

fn said(fleet: &mut Fleet, now: f64, word: Word) -> Vec<&'static str> {
    names(&fleet.step(at(now), Input::Reported(A, word)))
}

fn died() -> Word {
    Word::Died(Death { exit_code: Some(143), ..Death::default() })
}

fn well(yaml: &str) -> Fleet {
    let mut fleet = fleet(yaml, &Beginning::default());
    run(&mut fleet, 0.0, &ok());
    fleet
}

/// The action that runs ends so.
fn ends(fleet: &mut Fleet, now: f64, result: Result<(), String>) -> Vec<&'static str> {
    let Recovery::Acting { serial, .. } = fleet.servers()[0].state().recovery else { panic!("it acts") };
    names(&fleet.step(at(now), Input::Finished { ticket: Ticket { server: A, serial }, result }))
}

fn waits_for(fleet: &Fleet) -> String {
    fleet.why(A, &|at| at.0.as_secs().to_string()).waiting_for.unwrap_or_default()
}

/// It closes its listener at once, and takes its time to end.
#[test]
fn a_stop_that_takes_its_time_is_not_answered_with_a_restart() {
    let mut fleet = well("servers: [{name: a}]");
    said(&mut fleet, 25.0, Word::AskedToEnd(None));
    assert_eq!(run(&mut fleet, 60.0, &refused()), Vec::<&str>::new());
    assert_eq!(fleet.servers()[0].phase(), Phase::Suspect);
    assert_eq!(waits_for(&fleet), "it was sent a signal at 25 that may end it, as a stop does: how that ends, or 85");
    assert_eq!(said(&mut fleet, 61.0, died()), ["container_died"]);
    assert_eq!(run(&mut fleet, 65.9, &refused()), Vec::<&str>::new());
    assert_eq!(said(&mut fleet, 65.9, Word::Stopped), ["status_changed", "server_stopped"]);
}

#[test]
fn a_signal_that_does_not_end_it_is_over_after_a_minute() {
    let mut fleet = well("servers: [{name: a}]");
    said(&mut fleet, 25.0, Word::AskedToEnd(None));
    assert_eq!(run(&mut fleet, 84.9, &refused()), Vec::<&str>::new());
    assert_eq!(run(&mut fleet, 85.5, &refused()), ["status_changed", "server_down"]);
    assert_eq!(run(&mut fleet, 88.0, &refused()), ["recovery_started", "ACT"]);
}

#[test]
fn a_stop_that_was_called_off_is_waited_for_no_longer() {
    let mut suspect = well("servers: [{name: a}]");
    said(&mut suspect, 25.0, Word::AskedToEnd(None));
    assert_eq!(run(&mut suspect, 60.0, &refused()), Vec::<&str>::new());
    said(&mut suspect, 60.0, Word::AskedNoMore);
    assert_eq!(run(&mut suspect, 64.0, &refused()), ["status_changed", "server_down", "recovery_started", "ACT"]);

    let mut waits = well(SLOW);
    assert_eq!(run(&mut waits, 35.0, &refused()), ["status_changed", "server_down"]);
    said(&mut waits, 60.0, Word::AskedToEnd(None));
    assert_eq!(run(&mut waits, 80.0, &refused()), Vec::<&str>::new());
    said(&mut waits, 80.0, Word::AskedNoMore);
    assert_eq!(run(&mut waits, 80.1, &refused()), ["recovery_started", "ACT"]);

    let mut verifies = well("servers: [{name: a}]");
    said(&mut verifies, 5.0, Word::Died(Death::default()));
    run(&mut verifies, 6.0, &refused());
    ends(&mut verifies, 7.0, Ok(()));
    said(&mut verifies, 30.0, Word::AskedToEnd(None));
    assert_eq!(run(&mut verifies, 70.0, &refused()), Vec::<&str>::new());
    said(&mut verifies, 70.0, Word::AskedNoMore);
    assert_eq!(run(&mut verifies, 70.1, &refused()), ["recovery_failed"]);
}

#[test]
fn also_across_a_crash_of_the_monitor() {
    let mut first = well("servers: [{name: a}]");
    let effects = first.step(at(25.0), Input::Reported(A, Word::AskedToEnd(None)));
    assert!(effects.contains(&Effect::Remember(A)));
    let mut second = after_a_break("servers: [{name: a}]", &first, 26.0);
    assert_eq!(run(&mut second, 84.9, &refused()), Vec::<&str>::new());
}

/// It hangs, so somebody stops it, while the delay of our attempt runs.
#[test]
fn no_attempt_begins_while_a_stop_may_go_on() {
    let hangs = || {
        let mut fleet = well(SLOW);
        assert_eq!(run(&mut fleet, 35.0, &refused()), ["status_changed", "server_down"]);
        said(&mut fleet, 60.0, Word::AskedToEnd(None));
        said(&mut fleet, 70.0, Word::Killed);
        assert_eq!(run(&mut fleet, 71.0, &refused()), Vec::<&str>::new());
        fleet
    };
    let mut stopped = hangs();
    assert_eq!(said(&mut stopped, 71.0, died()), ["container_died"]);
    assert_eq!(run(&mut stopped, 75.9, &refused()), Vec::<&str>::new());
    assert_eq!(said(&mut stopped, 75.9, Word::Stopped), ["server_stopped"]);

    let mut killed = hangs();
    said(&mut killed, 71.0, died());
    assert_eq!(run(&mut killed, 76.0, &refused()), ["recovery_started", "ACT"], "no stop: what was due goes on");

    let mut deaf = hangs();
    assert_eq!(run(&mut deaf, 119.9, &refused()), Vec::<&str>::new());
    assert!(waits_for(&deaf).starts_with("it was sent a signal at 60"), "{}", waits_for(&deaf));
    assert_eq!(run(&mut deaf, 120.0, &refused()), ["recovery_started", "ACT"]);
}

#[test]
fn an_attempt_has_not_failed_while_a_stop_may_go_on() {
    let mut fleet = well("servers: [{name: a}]");
    said(&mut fleet, 5.0, Word::Died(Death::default()));
    run(&mut fleet, 6.0, &refused());
    ends(&mut fleet, 7.0, Ok(()));
    said(&mut fleet, 30.0, Word::AskedToEnd(None));
    assert_eq!(run(&mut fleet, 89.0, &refused()), Vec::<&str>::new());
    said(&mut fleet, 89.0, died());
    assert_eq!(said(&mut fleet, 91.0, Word::Stopped), ["server_stopped"]);
}

/// Rule 3, and what Docker needs when it stops many at once.
#[test]
fn a_death_waits_longer_for_its_stop_when_it_was_asked_for() {
    for (word, patience) in [(Word::Killed, 1.0), (Word::AskedToEnd(None), 5.0)] {
        let mut fleet = well("servers: [{name: a}]");
        said(&mut fleet, 5.0, word);
        said(&mut fleet, 5.0, died());
        assert_eq!(run(&mut fleet, 5.0 + patience - 0.1, &refused()), Vec::<&str>::new());
        assert_eq!(run(&mut fleet, 5.0 + patience, &refused()), ["status_changed", "server_down"]);
    }
}

#[test]
fn an_operators_own_restart_does_not_wait() {
    let mut fleet = well("servers: [{name: a}]");
    said(&mut fleet, 5.0, Word::AskedToEnd(None));
    let restart = fleet.operate(at(6.0), A, Command::Restart { by: "me".to_owned() }).expect("it may");
    assert_eq!(names(&restart), ["action_requested", "recovery_started", "ACT"]);
}

/// The attempt looks for evidence and runs its hook: nothing has been done to the server yet.
fn prepares() -> Fleet {
    let mut fleet = well("servers: [{name: a}]");
    said(&mut fleet, 5.0, died());
    assert_eq!(names(&fleet.step(at(6.0), Input::Woken)), ["recovery_started", "ACT"]);
    fleet
}

/// The action asks whether it may touch the server.
fn asks(fleet: &mut Fleet, now: f64) -> Vec<&'static str> {
    let Recovery::Acting { serial, .. } = fleet.servers()[0].state().recovery else { panic!("it acts") };
    names(&fleet.step(at(now), Input::Touches { ticket: Ticket { server: A, serial } }))
}

#[test]
fn what_is_stopped_before_an_action_touches_it_is_not_touched() {
    for word in [Word::Stopped, Word::Paused] {
        let mut fleet = prepares();
        assert_eq!(said(&mut fleet, 6.5, word), ["ABANDON"]);
        assert_eq!(asks(&mut fleet, 6.6), ["ABANDON"], "it asked before it heard");
        assert_eq!(ends(&mut fleet, 7.0, Err("somebody stopped it meanwhile".to_owned())), ["server_stopped"]);
    }
    let mut fleet = prepares();
    assert_eq!(asks(&mut fleet, 6.4), ["PROCEED"]);
    assert_eq!(said(&mut fleet, 6.5, Word::Stopped), Vec::<&str>::new(), "it is too late");
}

#[test]
fn what_is_being_stopped_before_an_action_touches_it_is_not_touched_either() {
    let mut fleet = prepares();
    assert_eq!(said(&mut fleet, 6.5, Word::AskedToEnd(None)), ["ABANDON"]);
    assert_eq!(asks(&mut fleet, 6.6), ["ABANDON"]);
    assert_eq!(ends(&mut fleet, 7.0, Err("somebody stopped it meanwhile".to_owned())), ["recovery_failed"]);
    assert_eq!(run(&mut fleet, 66.0, &refused()), Vec::<&str>::new());
}

/// Somebody stops it and starts it again while the hook runs: that it was called off, the action may have heard already.
#[test]
fn what_was_called_off_stays_so() {
    let mut fleet = prepares();
    said(&mut fleet, 6.5, Word::Stopped);
    said(&mut fleet, 6.6, Word::Started);
    assert_eq!(asks(&mut fleet, 6.7), ["ABANDON"]);
    assert_eq!(ends(&mut fleet, 7.0, Err("somebody stopped it meanwhile".to_owned())), ["recovery_superseded"]);
}

/// An operator is quicker than the attempt, whose hook still runs: the start is theirs, and may show what it is worth.
#[test]
fn what_somebody_starts_before_an_action_touches_it_is_not_touched() {
    for word in [Word::Started, Word::Restarted] {
        let start = |fleet: &mut Fleet| {
            assert!(said(fleet, 6.5, word.clone()).contains(&"ABANDON"));
            assert_eq!(asks(fleet, 6.6), ["ABANDON"]);
        };
        let mut fleet = prepares();
        start(&mut fleet);
        let next = fleet.why(A, &|at| at.0.as_secs().to_string()).next;
        assert!(next[0].what.starts_with("somebody has started it"), "{next:?}");
        assert_eq!(ends(&mut fleet, 7.0, Err("called off".to_owned())), ["recovery_superseded"]);
        assert_eq!(run(&mut fleet, 10.0, &ok()), ["server_recovered", "status_changed"]);

        let mut dies_again = prepares();
        start(&mut dies_again);
        said(&mut dies_again, 6.7, died());
        assert_eq!(ends(&mut dies_again, 7.0, Err("called off".to_owned())), ["recovery_failed"]);
    }
}

/// They asked for a restart, and get one.
#[test]
fn an_operators_own_restart_is_not_called_off_by_a_start() {
    let mut fleet = well("servers: [{name: a}]");
    fleet.operate(at(6.0), A, Command::Restart { by: "me".to_owned() }).expect("it may");
    said(&mut fleet, 6.5, Word::Started);
    assert_eq!(asks(&mut fleet, 6.6), ["PROCEED"]);
}

/// The shell asks what a container did meanwhile only where an action may have touched it.
#[test]
fn an_action_that_may_touch_its_server_is_remembered_as_one() {
    use crate::machine::memory::Stage;
    let stage = |fleet: &Fleet| match fleet.servers()[0].state().recovery {
        Recovery::Acting { stage, since, .. } => (stage, since),
        other => panic!("{other:?}"),
    };
    let mut fleet = prepares();
    assert_eq!(stage(&fleet), (Stage::Prepares, Some(at(6.0))));
    let Recovery::Acting { serial, .. } = fleet.servers()[0].state().recovery else { panic!("it acts") };
    let ticket = Ticket { server: A, serial };
    let effects = fleet.step(at(9.0), Input::Touches { ticket });
    assert_eq!(effects, [Effect::Remember(A), Effect::Proceed(ticket)], "on disk first");
    assert_eq!(stage(&fleet), (Stage::Begun, Some(at(9.0))));
}

/// A crash cuts the hook off, and somebody stops the server: nobody else has.
#[test]
fn what_is_stopped_after_a_crash_before_an_action_has_touched_it_is_stopped() {
    let first = prepares();
    let mut second = after_a_break("servers: [{name: a}]", &first, 8.0);
    assert_eq!(said(&mut second, 8.0, Word::Stopped), ["server_stopped"]);
    assert_eq!(run(&mut second, 100.0, &refused()), Vec::<&str>::new());
}

/// The registry has lost it.
#[test]
fn nobodys_server_is_not_touched() {
    let mut fleet = prepares();
    let Recovery::Acting { serial, .. } = fleet.servers()[0].state().recovery else { panic!("it acts") };
    let others: File = serde_saphyr::from_str("servers: [{name: b}]").expect("it reads");
    let policies = compile(&others, Purpose::Simulate).expect("it compiles");
    fleet.reload(policies, crate::machine::fleet::Limits::default(), at(6.5));
    let ticket = Ticket { server: A, serial };
    assert_eq!(fleet.step(at(7.0), Input::Touches { ticket }), [Effect::Abandon(ticket)]);
}

/// Contract, section 3.2. Checks may be quicker than the first look at its container.
#[test]
fn a_container_that_is_seen_late_and_does_not_run_is_left_alone() {
    let seen = |recovery: &str, checks: usize| {
        let yaml = format!("{{servers: [{{name: a}}], health_check: {{start_period_seconds: 0}}, recovery: {{{recovery}}}}}");
        let mut fleet = fleet(&yaml, &Beginning::default());
        (0..checks).for_each(|second| _ = run(&mut fleet, [0.0, 1.0, 2.0][second], &refused()));
        let seen = said(&mut fleet, 2.5, Word::NotRunning(Death::default()));
        (seen, run(&mut fleet, 5.0, &refused()))
    };
    assert_eq!(seen("", 1), (vec!["status_changed", "server_stopped"], vec![]));
    assert_eq!(seen("", 3), (vec!["server_stopped"], vec![]));
    let started = vec!["recovery_started", "ACT"];
    assert_eq!(seen("start_stopped: true", 1), (vec!["status_changed", "server_down"], started.clone()));
    assert_eq!(seen("start_stopped: true", 3), (vec![], started));
}

/// What somebody has stopped before anybody watched it is not running when first seen; what was watched stays stopped.
#[test]
fn one_that_is_found_stopped_is_started_if_that_is_wanted_and_it_was_never_watched() {
    let wanted = "{servers: [{name: a}], recovery: {start_stopped: true}}";
    let found = |mut fleet: Fleet| {
        fleet.step(at(0.0), Input::Reported(A, Word::FoundStopped));
        (fleet.servers()[0].phase(), run(&mut fleet, 1.0, &refused()))
    };
    assert_eq!(found(fleet(wanted, &Beginning::default())), (Phase::Recovering, vec!["recovery_started", "ACT"]));
    assert_eq!(found(alone()), (Phase::Stopped, vec![]));
    let mut first = fleet(wanted, &Beginning::default());
    run(&mut first, 0.0, &ok());
    assert_eq!(found(fleet(wanted, &memory_of(&first))), (Phase::Stopped, vec![]));
}

/// Nobody told of the start: the monitor was away.
#[test]
fn one_that_was_stopped_and_runs_again_is_judged_again() {
    let mut first = well("servers: [{name: a}]");
    said(&mut first, 5.0, Word::Stopped);
    let mut second = after_a_break("servers: [{name: a}]", &first, 10.0);
    said(&mut second, 10.0, Word::Running);
    assert_eq!(second.servers()[0].phase(), Phase::Starting);
    assert_eq!(run(&mut second, 39.9, &refused()), Vec::<&str>::new(), "it has its grace");
    assert_eq!(run(&mut second, 43.0, &refused()), ["server_down", "recovery_started", "ACT"]);
}

#[test]
fn an_operators_restart_waits_for_no_engine_that_is_away() {
    let mut fleet = well("servers: [{name: a, runtime: {kind: docker, container: x}}]");
    fleet.step(at(1.0), Input::EngineLost(EngineId(0), "gone".into()));
    let restart = || Command::Restart { by: "me".to_owned() };
    assert_eq!(fleet.operate(at(2.0), A, restart()), Err(Refusal::EngineAway));
    assert_eq!(fleet.servers()[0].phase(), Phase::Healthy);
    fleet.step(at(3.0), Input::EngineBack(EngineId(0)));
    assert!(fleet.operate(at(4.0), A, restart()).is_ok());
}

#[test]
fn a_pause_that_is_none_is_not_ended() {
    let mut fleet = well("servers: [{name: a}]");
    let resume = || Command::Resume { by: "me".to_owned() };
    assert_eq!(fleet.operate(at(1.0), A, resume()), Err(Refusal::NotPaused));
    fleet.operate(at(2.0), A, Command::Pause { until: None, by: "me".to_owned(), reason: None }).expect("it may");
    let resumed = fleet.operate(at(3.0), A, resume()).expect("it is paused");
    assert_eq!(names(&resumed), ["action_requested", "server_resumed"]);
}

/// Something asks all its servers for their stacks, with a signal that ends others.
#[test]
fn one_that_fails_while_it_is_asked_again_and_again_is_not_left_alone_for_ever() {
    let mut fleet = well("servers: [{name: a}]");
    for asked in [25.0, 50.0, 75.0] {
        assert_eq!(run(&mut fleet, asked, &refused()), Vec::<&str>::new());
        said(&mut fleet, asked, Word::AskedToEnd(None));
    }
    assert_eq!(run(&mut fleet, 84.9, &refused()), Vec::<&str>::new());
    assert_eq!(run(&mut fleet, 85.5, &refused()), ["status_changed", "server_down"], "a minute after it was asked first");
}

/// `stop_grace_period: 2m`, and `docker compose stop`.
#[test]
fn one_that_was_created_to_be_given_longer_has_longer() {
    let patient = |seconds| Word::AskedToEnd(Some(Duration::from_secs(seconds)));
    for (words, over) in [(vec![patient(120)], 150.0), (vec![patient(5)], 85.0), (vec![patient(120), Word::Killed], 150.0)] {
        let mut fleet = well("servers: [{name: a}]");
        for word in words {
            assert!(said(&mut fleet, 25.0, word).is_empty());
        }
        assert_eq!(run(&mut fleet, over - 0.1, &refused()), Vec::<&str>::new());
        assert_eq!(run(&mut fleet, over + 0.5, &refused()), ["status_changed", "server_down"]);
    }
}

/// What an earlier recreate has replaced could not be removed for days; the hook before the next one fails.
#[test]
fn a_recreate_that_has_touched_nothing_puts_nothing_back() {
    let yaml = "{servers: [{name: a, runtime: {kind: docker, container: x}}], recovery: {strategy: recreate}}";
    let mut fleet = well(yaml);
    said(&mut fleet, 5.0, died());
    assert_eq!(run(&mut fleet, 6.0, &refused()), ["recovery_started", "ACT"]);
    ends(&mut fleet, 7.0, Ok(()));
    assert_eq!(run(&mut fleet, 10.0, &ok()), ["recovery_successful", "status_changed", "SETTLE"]);
    said(&mut fleet, 20.0, died());
    assert_eq!(names(&fleet.step(at(25.0), Input::Woken)), ["recovery_started", "ACT"]);
    let failed = ends(&mut fleet, 26.0, Err("hook `before`: it ended with exit code 1".to_owned()));
    assert_eq!(failed, ["recovery_failed"]);
}

/// `docker kill` while the hook runs: what is open is only whether that was a stop.
#[test]
fn a_death_before_an_action_touches_it_has_its_second_and_no_more() {
    let mut fleet = well("servers: [{name: a}]");
    assert_eq!(run(&mut fleet, 32.0, &refused()), ["status_changed", "server_down"]);
    assert_eq!(names(&fleet.step(at(33.0), Input::Woken)), ["recovery_started", "ACT"]);
    said(&mut fleet, 34.0, Word::Killed);
    said(&mut fleet, 34.0, died());
    assert_eq!(ends(&mut fleet, 36.0, Err("called off".to_owned())), ["recovery_failed"]);
    assert_eq!(run(&mut fleet, 41.0, &refused()), ["recovery_started", "ACT"], "5 s after the first");
}

/// The orchestrator ends while the hook runs, and the server goes on hanging.
#[test]
fn an_attempt_that_was_cut_off_before_it_touched_anything_says_so() {
    let mut first = well("servers: [{name: a}]");
    run(&mut first, 32.0, &refused());
    first.step(at(33.0), Input::Woken);
    let mut second = after_a_break("servers: [{name: a}]", &first, 40.0);
    said(&mut second, 40.0, Word::Running);
    let why = second.why(A, &|at| at.0.as_secs().to_string()).evidence.join("; ");
    assert!(why.contains("the orchestrator ended during its attempt"), "{why}");
    let mut errors = Vec::new();
    while let Some(now) = second.deadline().filter(|_| errors.is_empty()) {
        let mut effects = second.step(now, Input::Woken);
        while let Some(effect) = effects.pop() {
            match effect {
                Effect::Probe { ticket, .. } => {
                    effects.extend(second.step(now, Input::Observed { ticket, verdict: refused(), took: Duration::ZERO }));
                }
                Effect::Publish(Happened { kind: EventKind::RecoveryFailed { error, .. }, .. }) => errors.push(error),
                _ => {}
            }
        }
    }
    assert_eq!(errors, ["action: interrupted, since the orchestrator ended before it touched the server"]);
}

/// Invariant: whoever comes back is not said to have been brought back by what did nothing to it.
#[test]
fn an_attempt_that_did_not_come_to_the_server_is_no_success() {
    for touches in [false, true] {
        let mut first = well("servers: [{name: a}]");
        first.operate(at(1.0), A, Command::Restart { by: "operator".into() }).expect("accepted");
        let Recovery::Acting { serial, .. } = first.servers()[0].state().recovery else { panic!("it acts") };
        if touches {
            first.step(at(1.0), Input::Touches { ticket: Ticket { server: A, serial } });
        }
        let mut second = after_a_break("servers: [{name: a}]", &first, 40.0);
        if touches {
            said(&mut second, 40.0, Word::Spared);
        }
        said(&mut second, 40.0, Word::Running);
        assert_eq!(run(&mut second, 60.0, &ok()), ["recovery_failed"], "{touches}");
        assert_eq!(second.servers()[0].phase(), Phase::Healthy);
    }
}
