//! What an attempt does: ladders, and what a `recreate` leaves open.

use std::collections::VecDeque;

use health_spec::config::Strategy;

use super::*;
use crate::machine::memory::{Attempt, Cut};

mod owed;

const RECREATE: &str = "
health_check: {start_period_seconds: 0}
recovery: {strategy: recreate, verify_timeout_seconds: 5}
servers: [{name: a}]";

/// A server that dies at 10 s. What follows at 11 s: the first attempt.
fn begun(yaml: &str) -> (Fleet, Vec<Effect>) {
    let mut fleet = fleet(yaml, &Beginning::default());
    run(&mut fleet, 0.0, &ok());
    fleet.step(at(10.0), Input::Reported(A, Word::Died(Death::default())));
    let effects = acted(&mut fleet, 11.0);
    (fleet, effects)
}

/// Up to the moment of the next action, every check failing.
fn acted(fleet: &mut Fleet, until: f64) -> Vec<Effect> {
    while let Some(now) = fleet.deadline().filter(|deadline| *deadline <= at(until)) {
        let mut effects = fleet.step(now, Input::Woken);
        while let Some(Effect::Probe { ticket, .. }) = effects.iter().find(|effect| matches!(effect, Effect::Probe { .. })) {
            effects = fleet.step(now, Input::Observed { ticket: *ticket, verdict: refused(), took: Duration::ZERO });
        }
        if let Some(Effect::Act { ticket, .. }) = effects.iter().find(|effect| matches!(effect, Effect::Act { .. })) {
            // It has no evidence to gather, and no hook.
            let effects = fleet.step(now, Input::Touches { ticket: *ticket });
            assert!(effects.contains(&Effect::Proceed(*ticket)), "{effects:?}");
        }
        if effects.iter().any(|effect| matches!(effect, Effect::Act { .. } | Effect::Settle { .. })) {
            return effects;
        }
    }
    panic!("no action by {until} s: {:?}", fleet.servers()[0].state());
}

fn order(effects: &[Effect]) -> (Ticket, Strategy, u32) {
    let found = effects.iter().find_map(|effect| match effect {
        Effect::Act { ticket, strategy, attempt, .. } => Some((*ticket, *strategy, *attempt)),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no action in {effects:?}"))
}

fn settling(effects: &[Effect]) -> Option<(Ticket, bool)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Settle { ticket, keep, .. } => Some((*ticket, *keep)),
        _ => None,
    })
}

fn finished(fleet: &mut Fleet, now: f64, effects: &[Effect], result: Result<(), String>) -> Vec<Effect> {
    fleet.step(at(now), Input::Finished { ticket: order(effects).0, result })
}

/// The first attempt has recreated it, and it does not come back: at 16.1 s it is put back.
fn undoing() -> (Fleet, Ticket) {
    let (mut fleet, effects) = begun(RECREATE);
    finished(&mut fleet, 11.1, &effects, Ok(()));
    let effects = acted(&mut fleet, 16.2);
    assert_eq!(names(&effects), ["recovery_failed", "SETTLE"]);
    let (ticket, keep) = settling(&effects).expect("an order");
    assert!(!keep);
    (fleet, ticket)
}

#[test]
fn a_ladder_is_climbed_one_rung_an_attempt() {
    let yaml = "
health_check: {start_period_seconds: 0}
recovery: {strategy: [repair, restart], repair: {command: [x]}, backoff: {schedule: [1, 1, 1]}}
servers: [{name: a}]";
    let (mut fleet, mut effects) = begun(yaml);
    let mut climbed = Vec::new();
    for now in [11.1, 13.1, 15.1] {
        let (_, strategy, attempt) = order(&effects);
        climbed.push((strategy.as_str(), attempt));
        finished(&mut fleet, now, &effects, Err("no".to_owned()));
        effects = if climbed.len() < 3 { acted(&mut fleet, now + 2.0) } else { vec![] };
    }
    assert_eq!(climbed, [("repair", 1), ("restart", 2), ("restart", 3)]);
    assert_eq!(fleet.servers()[0].state().restarts_ours, 2, "a repair is no restart");
}

#[test]
fn what_would_be_done_names_the_rung() {
    let yaml = "
recovery: {mode: observe, strategy: [recreate, restart]}
servers: [{name: a}]";
    let mut fleet = fleet(yaml, &Beginning::default());
    run(&mut fleet, 0.0, &ok());
    let effects = fleet.step(at(10.0), Input::Reported(A, Word::Died(Death::default())));
    let would = effects.iter().find_map(|effect| match effect {
        Effect::Publish(happened) => match &happened.kind {
            EventKind::RecoveryHeld { would, .. } => would.clone(),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(would.map(|would| (would.strategy, would.attempt)), Some(("recreate".to_owned(), 1)));
    let next = fleet.why(A, &|_| String::new()).next;
    assert!(next.iter().any(|step| step.what.contains("would recreate, attempt 1")), "{next:?}");
}

/// Contract, section 3.2: what an operator removes is followed, not fought.
#[test]
fn one_that_is_removed_while_it_is_verified_is_stopped_and_what_it_has_replaced_stays() {
    let (mut fleet, effects) = begun(RECREATE);
    finished(&mut fleet, 11.1, &effects, Ok(()));
    fleet.step(at(11.5), Input::Reported(A, Word::Killed));
    let died = fleet.step(at(11.5), Input::Reported(A, Word::Died(Death { exit_code: Some(137), ..Death::default() })));
    let removed = fleet.step(at(11.6), Input::Reported(A, Word::Stopped));
    assert_eq!((names(&died), names(&removed)), (vec!["container_died"], vec!["server_stopped"]));
    assert_eq!(run(&mut fleet, 60.0, &refused()), Vec::<&str>::new(), "nothing is put back, and nothing removed");
    let evidence = fleet.why(A, &|_| String::new()).evidence;
    assert!(evidence.iter().any(|it| it.contains("is kept until it is well, and the log names it")), "{evidence:?}");
    let restart = fleet.operate(at(61.0), A, Command::Restart { by: "me".to_owned() }).expect("it may");
    finished(&mut fleet, 62.0, &restart, Ok(()));
    assert_eq!(run(&mut fleet, 65.0, &ok()), ["recovery_successful", "status_changed", "SETTLE"]);
    let evidence = fleet.why(A, &|_| String::new()).evidence;
    assert!(!evidence.iter().any(|it| it.contains("is kept")), "{evidence:?}");
}

#[test]
fn an_operator_restarts_where_that_can_be_done() {
    let operator = |yaml: &str, purpose| {
        let file: File = serde_saphyr::from_str(yaml).expect("the file reads");
        let (mut fleet, _) = Fleet::new(compile(&file, purpose).expect("it compiles"), &Beginning::default(), at(0.0));
        let restart = Command::Restart { by: "me".to_owned() };
        order(&fleet.operate(at(1.0), A, restart).expect("it may")).1
    };
    let hook = "repair: {url: \"http://h/\"}";
    let ladder = format!(
        "servers: [{{name: a, port: 1, runtime: {{kind: docker, container: x}}, recovery: {{strategy: [repair, recreate], {hook}}}}}]"
    );
    assert_eq!(operator(&ladder, Purpose::Run), Strategy::Restart);
    let remote = format!("servers: [{{name: a, port: 1, recovery: {{strategy: repair, {hook}}}}}]");
    assert_eq!(operator(&remote, Purpose::Run), Strategy::Repair);
}

/// Invariant: what was recreated is kept only when it is well.
#[test]
fn what_was_replaced_goes_once_its_successor_is_well() {
    let (mut fleet, effects) = begun(RECREATE);
    finished(&mut fleet, 11.1, &effects, Ok(()));
    assert!(fleet.servers()[0].state().unsettled);
    assert_eq!(run(&mut fleet, 14.0, &ok()), ["recovery_successful", "status_changed", "SETTLE"]);
    // It is asked for once, and again when it could not be done.
    assert_eq!(run(&mut fleet, 44.0, &ok()), Vec::<&str>::new());
    let serial = fleet.servers()[0].checking();
    assert_eq!(serial, None);
}

/// Answers well until then, and cannot clear away what was replaced. When that was ordered, and what was said of it.
fn refusing(fleet: &mut Fleet, until: f64) -> (Vec<u64>, Vec<String>) {
    let (mut ordered, mut said) = (Vec::new(), Vec::new());
    while let Some(now) = fleet.deadline().filter(|deadline| *deadline <= at(until)) {
        let mut effects = VecDeque::from(fleet.step(now, Input::Woken));
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Probe { ticket, .. } => {
                    effects.extend(fleet.step(now, Input::Observed { ticket, verdict: ok(), took: Duration::ZERO }));
                }
                Effect::Settle { ticket, keep: true, .. } => {
                    ordered.push(now.0.as_secs());
                    effects.extend(fleet.step(now, Input::Settled { ticket, result: Err("lost".to_owned()) }));
                }
                Effect::Publish(Happened { kind: EventKind::MonitorImpaired { error, .. }, .. }) => said.push(error),
                _ => {}
            }
        }
    }
    (ordered, said)
}

#[test]
fn what_could_not_be_removed_is_removed_with_the_next_good_answer() {
    let (mut fleet, effects) = begun(RECREATE);
    finished(&mut fleet, 11.1, &effects, Ok(()));
    assert_eq!(refusing(&mut fleet, 14.0).0.len(), 1);
    assert!(fleet.servers()[0].state().unsettled);
    assert_eq!(run(&mut fleet, 45.0, &ok()), ["SETTLE"]);
}

#[test]
fn what_cannot_be_removed_at_all_is_said_once_and_asked_for_rarely() {
    let (mut fleet, effects) = begun(RECREATE);
    finished(&mut fleet, 11.1, &effects, Ok(()));
    let (ordered, said) = refusing(&mut fleet, 14.0 + 30.0 * 24.0);
    assert_eq!(said, ["what was replaced is not removed: lost"]);
    let waits: Vec<_> = ordered.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits, [30, 330, 330]);
}

#[test]
fn what_was_replaced_is_put_back_before_recovery_goes_on() {
    let (mut fleet, ticket) = undoing();
    assert_eq!(fleet.deadline(), None, "nothing is checked meanwhile");
    let died = fleet.step(at(16.5), Input::Reported(A, Word::Died(Death::default())));
    assert!(names(&died).iter().all(|name| *name == "container_died"), "{died:?}");
    assert!(fleet.step(at(16.6), Input::Settled { ticket: Ticket { serial: 0, ..ticket }, result: Ok(()) }).is_empty());
    fleet.step(at(17.0), Input::Settled { ticket, result: Ok(()) });
    assert!(!fleet.servers()[0].state().unsettled);
    let second = acted(&mut fleet, 22.0);
    assert_eq!(order(&second).2, 2);
}

#[test]
fn what_cannot_be_put_back_is_said_and_recovery_goes_on() {
    let (mut fleet, ticket) = undoing();
    let said = fleet.step(at(17.0), Input::Settled { ticket, result: Err("the engine is gone".to_owned()) });
    assert_eq!(names(&said), ["monitor_impaired"]);
    assert_eq!(order(&acted(&mut fleet, 22.0)).2, 2);
}

#[test]
fn a_stop_while_it_is_put_back_is_honoured_at_the_end() {
    let (mut fleet, ticket) = undoing();
    assert_eq!(names(&fleet.step(at(16.5), Input::Reported(A, Word::Stopped))), Vec::<&str>::new());
    assert_eq!(names(&fleet.step(at(17.0), Input::Settled { ticket, result: Ok(()) })), ["server_stopped"]);
}

#[test]
fn what_somebody_has_stopped_is_put_back_and_not_started() {
    let starts = |effects: &[Effect]| {
        effects.iter().find_map(|it| if let Effect::Settle { start, .. } = it { Some(*start) } else { None })
    };
    for (stops, expected) in [(false, Some(true)), (true, Some(false))] {
        let (mut fleet, effects) = begun(RECREATE);
        if stops {
            fleet.step(at(11.05), Input::Reported(A, Word::Stopped));
        }
        let failed = finished(&mut fleet, 11.1, &effects, Err("no room".to_owned()));
        assert_eq!(starts(&failed), expected);
        let again = fleet_again(&fleet);
        assert_eq!(starts(&again), expected, "and the same after a crash");
        let ticket = settling(&failed).expect("an order").0;
        let settled = fleet.step(at(12.0), Input::Settled { ticket, result: Ok(()) });
        assert_eq!(names(&settled).contains(&"server_stopped"), stops, "{settled:?}");
    }
}

/// What another life of it begins with.
fn fleet_again(fleet: &Fleet) -> Vec<Effect> {
    let file: File = serde_saphyr::from_str(RECREATE).expect("the file reads");
    Fleet::new(compile(&file, Purpose::Simulate).expect("it compiles"), &memory_of(fleet), at(0.0)).1
}

#[test]
fn an_action_that_errs_is_undone_too() {
    let (mut fleet, effects) = begun(RECREATE);
    let failed = finished(&mut fleet, 11.1, &effects, Err("no room".to_owned()));
    assert_eq!(names(&failed), ["recovery_failed", "SETTLE"]);
    assert_eq!(settling(&failed).map(|(_, keep)| keep), Some(false));
}

/// Invariant: both ends of a recreate are ordered again after a crash.
#[test]
fn a_crash_forgets_neither_end() {
    let (mut verifying, effects) = begun(RECREATE);
    finished(&mut verifying, 11.1, &effects, Ok(()));
    let mut second = fleet(RECREATE, &memory_of(&verifying));
    assert_eq!(run(&mut second, 3.0, &ok()), ["recovery_successful", "status_changed", "SETTLE"]);

    let begin = |memory| {
        let file: File = serde_saphyr::from_str(RECREATE).expect("the file reads");
        Fleet::new(compile(&file, Purpose::Simulate).expect("it compiles"), &memory, at(0.0))
    };
    let (_, effects) = begin(memory_of(&second));
    assert_eq!(settling(&effects).map(|(_, keep)| keep), Some(true));

    let (mut fleet, effects) = begin(memory_of(&undoing().0));
    let (ticket, keep) = settling(&effects).expect("an order");
    assert!(!keep && fleet.deadline().is_none(), "{effects:?}");
    fleet.step(at(1.0), Input::Settled { ticket, result: Ok(()) });
    assert_eq!(order(&acted(&mut fleet, 7.0)).2, 2);
}

/// Two servers; the second one uses the network of the first one, which an action of ours has restarted.
fn cut(yaml: &str) -> (Fleet, Vec<&'static str>) {
    let mut fleet = fleet(yaml, &Beginning::default());
    run(&mut fleet, 0.0, &ok());
    fleet.step(at(10.0), Input::Reported(A, Word::Died(Death::default())));
    let effects = acted(&mut fleet, 11.0);
    let lost = Cut { leader: "a".to_owned(), strategy: Strategy::Recreate, before: None };
    fleet.step(at(11.0), Input::Reported(ServerId(1), Word::Cut(lost)));
    finished(&mut fleet, 11.1, &effects, Ok(()));
    let seen = run(&mut fleet, 14.0, &ok());
    (fleet, seen)
}

#[test]
fn whoever_has_lost_the_network_of_another_follows_it() {
    let (mut fleet, seen) = cut("servers: [{name: a}, {name: b}]");
    assert_eq!(seen, ["recovery_successful", "status_changed", "recovery_started", "ACT"]);
    let state = fleet.servers()[1].state();
    assert!(matches!(state.recovery, Recovery::Acting { attempt: Attempt::Follows(Strategy::Recreate), .. }), "{state:?}");
    assert_eq!((state.attempts, &state.cut), (0, &None), "it is not counted, and done once");
    assert_eq!(run(&mut fleet, 60.0, &ok()), Vec::<&str>::new());
}

#[test]
fn nobody_follows_when_nothing_was_done_to_the_leader() {
    let (mut fleet, b) = (fleet("servers: [{name: a}, {name: b}]", &Beginning::default()), ServerId(1));
    run(&mut fleet, 0.0, &ok());
    let lost = |strategy| Input::Reported(b, Word::Cut(Cut { leader: "a".to_owned(), strategy, before: None }));
    let not_lost = |leader: &str| Input::Reported(b, Word::NotCut(leader.to_owned()));
    let left = |fleet: &Fleet| fleet.servers()[b.0].state().cut.as_ref().map(|cut| cut.strategy);
    fleet.step(at(10.0), lost(Strategy::Recreate));
    assert_eq!(fleet.step(at(10.0), not_lost("c")), []);
    assert_eq!(fleet.step(at(10.0), not_lost("a")), [Effect::Remember(b)]);
    assert_eq!(left(&fleet), None);
    // A restart before that was one: what is known of it stays.
    fleet.step(at(11.0), lost(Strategy::Restart));
    fleet.step(at(12.0), lost(Strategy::Recreate));
    fleet.step(at(12.0), not_lost("a"));
    assert_eq!(left(&fleet), Some(Strategy::Restart));
}

/// Two servers; the network that the second one shares is gone, and its leader takes long to be well.
fn cut_and_dead(strategy: Strategy) -> (Fleet, ServerId) {
    let (mut fleet, b) = (fleet("servers: [{name: a}, {name: b}]", &Beginning::default()), ServerId(1));
    run(&mut fleet, 0.0, &ok());
    fleet.step(at(10.0), Input::Reported(A, Word::Died(Death::default())));
    let effects = acted(&mut fleet, 11.0);
    fleet.step(at(11.0), Input::Reported(b, Word::Cut(Cut { leader: "a".to_owned(), strategy, before: None })));
    finished(&mut fleet, 11.1, &effects, Ok(()));
    fleet.step(at(11.2), Input::Reported(b, Word::Died(Death::default())));
    (fleet, b)
}

#[test]
fn whoever_has_started_since_does_not_follow() {
    let (mut fleet, b) = cut_and_dead(Strategy::Restart);
    fleet.step(at(11.3), Input::Reported(b, Word::Started));
    assert_eq!(fleet.servers()[b.0].state().cut, None);
    let seen = run(&mut fleet, 30.0, &ok());
    assert!(!seen.contains(&"ACT"), "{seen:?}");
}

#[test]
fn whoever_is_well_without_us_does_not_follow() {
    let (mut fleet, b) = cut_and_dead(Strategy::Recreate);
    fleet.step(at(11.3), Input::Reported(b, Word::Started));
    assert!(fleet.servers()[b.0].state().cut.is_some(), "it was started with the network of before, or not at all");
    let seen = run(&mut fleet, 30.0, &ok());
    assert!(!seen.contains(&"ACT") && fleet.servers()[b.0].state().cut.is_none(), "{seen:?}");
}

#[test]
fn an_attempt_at_one_whose_leader_was_recreated_recreates_it() {
    let (mut fleet, b) = cut_and_dead(Strategy::Recreate);
    let effects = acted(&mut fleet, 12.2);
    let orders = effects.iter().filter_map(|effect| match effect {
        Effect::Act { ticket, strategy, .. } => Some((ticket.server, *strategy)),
        _ => None,
    });
    assert_eq!(orders.collect::<Vec<_>>(), [(b, Strategy::Recreate)]);
    assert_eq!(fleet.servers()[b.0].state().cut, None);
}

#[test]
fn whoever_must_be_left_alone_does_not_follow() {
    for recovery in ["enabled: false", "mode: observe", "strategy: manual"] {
        let (_, seen) = cut(&format!("servers: [{{name: a}}, {{name: b, recovery: {{{recovery}}}}}]"));
        assert_eq!(seen, ["recovery_successful", "status_changed"], "{recovery}");
    }
}

#[test]
fn a_crash_does_not_forget_who_follows() {
    let yaml = "servers: [{name: a}, {name: b}]";
    let mut first = fleet(yaml, &Beginning::default());
    run(&mut first, 0.0, &ok());
    first.step(at(10.0), Input::Reported(A, Word::Died(Death::default())));
    let effects = acted(&mut first, 11.0);
    let lost = Cut { leader: "a".to_owned(), strategy: Strategy::Restart, before: None };
    first.step(at(11.0), Input::Reported(ServerId(1), Word::Cut(lost)));
    finished(&mut first, 11.1, &effects, Ok(()));
    let mut second = fleet(yaml, &memory_of(&first));
    assert!(run(&mut second, 5.0, &ok()).contains(&"ACT"));
}

/// The engine does not remove what was replaced. Days later an attempt fails, and the container that had been well would have gone for it.
#[test]
fn what_has_been_well_is_not_replaced_by_what_it_has_replaced() {
    let (mut fleet, effects) = begun(RECREATE);
    finished(&mut fleet, 11.1, &effects, Ok(()));
    refusing(&mut fleet, 60.0);
    assert!(fleet.servers()[0].state().unsettled);
    let restart = fleet.operate(at(61.0), A, Command::Restart { by: "me".to_owned() }).expect("it may");
    finished(&mut fleet, 62.0, &restart, Ok(()));
    let failed = run(&mut fleet, 67.5, &refused());
    assert!(failed.contains(&"recovery_failed") && !failed.contains(&"SETTLE"), "{failed:?}");
}

#[test]
fn whose_network_is_gone_survives_a_crash() {
    let mut fleet = alone();
    let cut = Cut { leader: "b".to_owned(), strategy: Strategy::Recreate, before: None };
    assert_eq!(fleet.step(at(1.0), Input::Reported(A, Word::Cut(cut))), [Effect::Remember(A)]);
}
