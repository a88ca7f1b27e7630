//! An operator's restart, and a start that is not ours, while something else is on its way (rule 7).

use super::*;

fn restart(fleet: &mut Fleet, now: f64) -> Vec<Effect> {
    fleet.operate(at(now), A, Command::Restart { by: "operator".into() }).expect("accepted")
}

/// The action of these effects ends well.
fn ends(fleet: &mut Fleet, now: f64) {
    let Recovery::Acting { serial, .. } = fleet.servers()[0].state().recovery else { panic!("it acts") };
    fleet.step(at(now), Input::Finished { ticket: Ticket { server: A, serial }, result: Ok(()) });
}

/// One attempt has failed, and the delay before the second runs.
fn after_one_attempt() -> Fleet {
    let mut fleet = fleet("{servers: [{name: a}], recovery: {backoff: {schedule: [1, 60, 60]}}}", &Beginning::default());
    run(&mut fleet, 0.0, &ok());
    fleet.step(at(5.0), Input::Reported(A, Word::Died(Death::default())));
    run(&mut fleet, 6.0, &refused());
    ends(&mut fleet, 7.0);
    assert_eq!(run(&mut fleet, 37.0, &refused()), ["recovery_failed"]);
    assert_eq!(fleet.servers()[0].state().attempts, 1);
    fleet
}

#[test]
fn one_that_is_being_verified_ends_when_another_is_wanted() {
    let mut fleet = alone();
    run(&mut fleet, 0.0, &ok());
    restart(&mut fleet, 5.0);
    ends(&mut fleet, 6.0);
    let again = restart(&mut fleet, 6.5);
    assert_eq!(names(&again), ["action_requested", "recovery_superseded", "recovery_started", "ACT"]);
    ends(&mut fleet, 7.0);
    assert_eq!(run(&mut fleet, 12.0, &ok()), ["recovery_successful"], "two restarts, and each has its end");
}

#[test]
fn an_attempt_that_is_being_verified_ends_too_and_has_not_failed() {
    let mut fleet = alone();
    run(&mut fleet, 0.0, &ok());
    fleet.step(at(5.0), Input::Reported(A, Word::Died(Death::default())));
    assert_eq!(run(&mut fleet, 6.0, &refused()), ["recovery_started", "ACT"]);
    ends(&mut fleet, 7.0);
    let wanted = restart(&mut fleet, 8.0);
    let superseded = wanted.iter().find_map(|effect| match effect {
        Effect::Publish(Happened { kind: EventKind::RecoverySuperseded { attempt, reason }, .. }) => {
            Some((*attempt, reason.as_str()))
        }
        _ => None,
    });
    assert_eq!(superseded, Some((1, "superseded")));
    assert!(!names(&wanted).contains(&"recovery_failed"));
}

#[test]
fn an_operators_restart_resets_the_counter_while_a_delay_runs() {
    let mut fleet = after_one_attempt();
    assert_eq!(names(&restart(&mut fleet, 40.0)), ["action_requested", "recovery_started", "ACT"], "nothing was being verified");
    ends(&mut fleet, 41.0);
    assert_eq!(run(&mut fleet, 71.0, &refused()), ["recovery_failed"]);
    assert_eq!(run(&mut fleet, 72.0, &refused()), ["recovery_started", "ACT"], "after the first delay");
    assert_eq!(fleet.servers()[0].state().attempts, 1);
}

#[test]
fn a_start_that_is_not_ours_resets_the_counter_while_a_delay_runs() {
    let mut fleet = after_one_attempt();
    fleet.step(at(40.0), Input::Reported(A, Word::Started));
    assert_eq!(run(&mut fleet, 70.0, &refused()), Vec::<&str>::new(), "it has its time, and is nobody's failed attempt");
    assert_eq!(run(&mut fleet, 71.0, &refused()), ["recovery_started", "ACT"], "after the first delay");
    assert_eq!(fleet.servers()[0].state().attempts, 1);
}

/// The `recovery_ms` of the next `recovery_successful`, every check being answered well.
fn recovery_ms(fleet: &mut Fleet, until: f64) -> Option<u64> {
    while let Some(now) = fleet.deadline().filter(|deadline| *deadline <= at(until)) {
        let mut effects = fleet.step(now, Input::Woken);
        while let Some(effect) = effects.pop() {
            match effect {
                Effect::Probe { ticket, .. } => {
                    effects.extend(fleet.step(now, Input::Observed { ticket, verdict: ok(), took: Duration::ZERO }));
                }
                Effect::Publish(Happened { kind: EventKind::RecoverySuccessful { recovery_ms, .. }, .. }) => {
                    return Some(recovery_ms);
                }
                _ => {}
            }
        }
    }
    None
}

#[test]
fn an_operators_restart_took_as_long_as_the_server_was_down() {
    let mut fleet = after_one_attempt();
    restart(&mut fleet, 40.0);
    ends(&mut fleet, 41.0);
    assert_eq!(recovery_ms(&mut fleet, 50.0), Some(38_000), "down at 5 s, well at 43 s");
    restart(&mut fleet, 60.0);
    ends(&mut fleet, 63.0);
    assert_eq!(recovery_ms(&mut fleet, 70.0), Some(0), "it was not down");
}

/// Given up, and with checks far apart; then somebody starts it.
fn started_when_given_up() -> Fleet {
    let yaml = "{servers: [{name: a}], recovery: {backoff: {schedule: [1]}}, health_check: {interval_seconds: 60, \
                confirm_interval_seconds: 1, start_period_seconds: 10, success_threshold: 2}}";
    let mut fleet = fleet(yaml, &Beginning::default());
    run(&mut fleet, 0.0, &ok());
    fleet.step(at(5.0), Input::Reported(A, Word::Died(Death::default())));
    run(&mut fleet, 6.0, &refused());
    let Recovery::Acting { serial, .. } = fleet.servers()[0].state().recovery else { panic!("it acts") };
    fleet.step(at(7.0), Input::Finished { ticket: Ticket { server: A, serial }, result: Err("it is broken".to_owned()) });
    run(&mut fleet, 500.0, &refused());
    assert_eq!(fleet.servers()[0].phase(), Phase::Failed);
    fleet.step(at(500.5), Input::Reported(A, Word::Started));
    fleet
}

#[test]
fn one_that_was_given_up_and_is_started_by_somebody_has_its_grace_to_come_up_in() {
    let mut fleet = started_when_given_up();
    run(&mut fleet, 507.0, &refused());
    assert_eq!(run(&mut fleet, 509.0, &ok()), ["server_recovered", "status_changed"], "it took seven seconds to start");
}

#[test]
fn when_it_does_not_come_up_it_is_checked_ever_more_rarely_again() {
    let mut fleet = started_when_given_up();
    run(&mut fleet, 511.0, &refused());
    let next = fleet.servers()[0].state().next_check.expect("a check").0.as_secs();
    assert!((570..=632).contains(&next), "{next}");
    // What dies once more need not be waited for.
    let mut fleet = started_when_given_up();
    run(&mut fleet, 502.0, &refused());
    fleet.step(at(502.2), Input::Reported(A, Word::Died(Death::default())));
    let next = fleet.servers()[0].state().next_check.expect("a check").0.as_secs();
    assert_eq!(next, 562);
}

#[test]
fn who_started_what_was_stopped_is_said() {
    for (word, expected) in [(Word::Started, "outside"), (Word::Restarted, "engine")] {
        let mut fleet = alone();
        run(&mut fleet, 0.0, &ok());
        fleet.step(at(5.0), Input::Reported(A, Word::Stopped));
        fleet.step(at(6.0), Input::Reported(A, word));
        let Some(Effect::Probe { ticket, .. }) = fleet.step(at(6.0), Input::Woken).pop() else { panic!("a check") };
        let well = fleet.step(at(6.1), Input::Observed { ticket, verdict: ok(), took: Duration::ZERO });
        let reason = well.iter().find_map(|effect| match effect {
            Effect::Publish(Happened { kind: EventKind::ServerStarted { reason }, .. }) => Some(reason.as_str()),
            _ => None,
        });
        assert_eq!(reason, Some(expected));
    }
}

/// Whoever asks for it is the person who is to bring it back.
#[test]
fn an_operator_restarts_also_what_nobody_else_may() {
    let mut fleet = fleet("servers: [{name: a, recovery: {strategy: manual}}]", &Beginning::default());
    run(&mut fleet, 0.0, &ok());
    fleet.step(at(10.0), Input::Reported(A, Word::Died(Death::default())));
    assert_eq!(run(&mut fleet, 20.0, &refused()), Vec::<&str>::new());
    let restart = fleet.operate(at(21.0), A, Command::Restart { by: "me".to_owned() }).expect("it may");
    assert_eq!(names(&restart), ["action_requested", "recovery_started", "ACT"]);
    let Recovery::Acting { serial, .. } = fleet.servers()[0].state().recovery else { panic!("it acts") };
    fleet.step(at(22.0), Input::Finished { ticket: Ticket { server: A, serial }, result: Ok(()) });
    assert_eq!(run(&mut fleet, 30.0, &ok()), ["recovery_successful", "status_changed"]);
    let watched = "servers: [{name: a, health_url: \"http://h/health\", recovery: {strategy: manual}}]";
    let file: File = serde_saphyr::from_str(watched).expect("it reads");
    let policies = compile(&file, Purpose::Run).expect("it compiles");
    let mut nobodys = Fleet::new(policies, &Beginning::default(), at(0.0)).0;
    let refused = nobodys.operate(at(1.0), A, Command::Restart { by: "me".to_owned() });
    assert_eq!(refused, Err(Refusal::NotRestartable));
}
