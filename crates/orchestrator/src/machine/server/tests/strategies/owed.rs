//! What could not be put back when no attempt is left.

use super::*;

/// One attempt, which is all: the settling at its end.
fn undoing_the_last() -> (Fleet, Ticket) {
    let (mut fleet, effects) = begun(&RECREATE.replace("recreate,", "recreate, max_attempts: 1,"));
    let failed = finished(&mut fleet, 11.1, &effects, Err("no room".to_owned()));
    (fleet, settling(&failed).expect("an order").0)
}

#[test]
fn it_is_put_back_once_more_and_then_left_to_a_person() {
    for second in [Ok(()), Err("the engine is gone".to_owned())] {
        let (mut fleet, ticket) = undoing_the_last();
        let again = fleet.step(at(12.0), Input::Settled { ticket, result: Err("the engine is gone".to_owned()) });
        assert_eq!(names(&again), ["monitor_impaired", "SETTLE"]);
        let (ticket, keep) = settling(&again).expect("an order");
        assert!(!keep);
        let is_owed = second.is_err();
        let ended = fleet.step(at(13.0), Input::Settled { ticket, result: second });
        let said: &[&str] = if is_owed { &["monitor_impaired", "recovery_exhausted"] } else { &["recovery_exhausted"] };
        assert_eq!((&names(&ended)[..], fleet.servers()[0].state().unsettled), (said, is_owed));
    }
}

#[test]
fn while_its_engine_is_away_that_waits() {
    let yaml = RECREATE.replace("recreate,", "recreate, max_attempts: 1,");
    let yaml = yaml.replace("{name: a}", "{name: a, runtime: {kind: docker, container: a}}");
    let (mut fleet, effects) = begun(&yaml);
    let failed = finished(&mut fleet, 11.1, &effects, Err("no room".to_owned()));
    let ticket = settling(&failed).expect("an order").0;
    fleet.step(at(11.5), Input::EngineLost(EngineId(0), "gone".into()));
    let held = fleet.step(at(12.0), Input::Settled { ticket, result: Err("the engine is gone".to_owned()) });
    assert_eq!(names(&held), ["monitor_impaired", "recovery_held"]);
    let back = fleet.step(at(60.0), Input::EngineBack(EngineId(0)));
    assert_eq!(settling(&back).map(|(_, keep)| keep), Some(false), "{back:?}");
    assert_eq!(fleet.servers()[0].state().next_check, None, "nothing is checked while it is put back");
}
