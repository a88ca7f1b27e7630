//! The monitor ends and begins again, or cannot look: nothing is done to a server for that.

use super::*;

const ENGINE: &str = "servers: [{name: a, runtime: {kind: docker, container: x}}]";

fn died() -> Input {
    Input::Reported(A, Word::Died(Death::default()))
}

/// Before the keeper of the calendar has said anything.
#[test]
fn a_window_that_is_open_holds_from_the_beginning() {
    let mut first = alone();
    run(&mut first, 0.0, &ok());
    first.step(at(1.0), died());
    first.step(at(1.5), Input::Maintenance(A, Some(at(100.0))));
    assert_eq!(run(&mut first, 5.0, &refused()), ["recovery_held"]);
    let windows = [("a".to_owned(), at(100.0))].into();
    let mut second = fleet("servers: [{name: a}]", &Beginning { maintenance: windows, ..memory_of(&first) });
    assert_eq!(run(&mut second, 60.0, &refused()), Vec::<&str>::new());
    assert_eq!(second.servers()[0].held(), Some(crate::machine::hold::Reason::Maintenance));
}

#[test]
fn what_was_held_is_looked_at_before_anything_is_done_to_it() {
    let mut first = fleet(ENGINE, &Beginning::default());
    run(&mut first, 0.0, &ok());
    first.step(at(1.0), died());
    first.step(at(1.5), Input::EngineLost(EngineId(0), "gone".into()));
    assert_eq!(run(&mut first, 5.0, &refused()), ["recovery_held"]);
    assert!(first.servers()[0].state().held.as_ref().is_some_and(|hold| hold.delay_ran));
    let mut well = fleet(ENGINE, &memory_of(&first));
    assert_eq!(run(&mut well, 60.0, &ok()), ["server_recovered", "status_changed"]);
    let mut dead = fleet(ENGINE, &memory_of(&first));
    assert_eq!(run(&mut dead, 60.0, &refused()), ["recovery_started", "ACT"]);
}

/// Nothing says so: the server has no event for it until the action ends.
#[test]
fn a_stop_during_an_action_is_honoured_by_the_next_run() {
    let mut first = alone();
    run(&mut first, 0.0, &ok());
    first.step(at(1.0), died());
    assert_eq!(run(&mut first, 2.0, &refused()), ["recovery_started", "ACT"]);
    assert!(first.step(at(2.5), Input::Reported(A, Word::Stopped)).contains(&Effect::Remember(A)));
    let mut second = fleet("servers: [{name: a}]", &memory_of(&first));
    assert_eq!(second.servers()[0].phase(), Phase::Stopped);
    second.step(at(0.0), Input::Reported(A, Word::NotRunning(Death::default())));
    assert_eq!(run(&mut second, 300.0, &refused()), Vec::<&str>::new());
}

#[test]
fn an_attempt_does_not_fail_while_the_monitor_cannot_look() {
    let mut fleet = alone();
    run(&mut fleet, 0.0, &ok());
    fleet.step(at(1.0), died());
    assert_eq!(run(&mut fleet, 2.0, &refused()), ["recovery_started", "ACT"]);
    let Recovery::Acting { serial, .. } = fleet.servers()[0].state().recovery else { panic!("it acts") };
    fleet.step(at(3.0), Input::Finished { ticket: Ticket { server: A, serial }, result: Ok(()) });
    let mut said = Vec::new();
    while let Some(now) = fleet.deadline().filter(|now| *now <= at(300.0)) {
        for effect in fleet.step(now, Input::Woken) {
            match effect {
                Effect::Probe { ticket, .. } => {
                    said.extend(names(&fleet.step(now, Input::Blind { ticket, error: "no descriptors".into() })));
                }
                effect => said.extend(names(&[effect])),
            }
        }
    }
    assert_eq!(said, ["monitor_impaired"]);
    assert_eq!(run(&mut fleet, 310.0, &ok()), ["recovery_successful", "status_changed"]);
}
