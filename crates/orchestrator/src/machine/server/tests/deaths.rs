//! What is dead already, and what dies anew (rule 3).

use super::*;

fn died() -> Input {
    Input::Reported(A, Word::Died(Death { exit_code: Some(137), ..Death::default() }))
}

#[test]
fn a_death_is_said_once_and_every_new_one_is() {
    let mut fleet = alone();
    run(&mut fleet, 0.0, &ok());
    assert_eq!(names(&fleet.step(at(5.0), died())), ["container_died", "status_changed", "server_down"]);
    assert_eq!(names(&fleet.step(at(5.2), died())), Vec::<&str>::new());
    assert_eq!(run(&mut fleet, 6.0, &refused()), ["recovery_started", "ACT"], "its delay began with the first word");
    let Recovery::Acting { serial, .. } = fleet.servers()[0].state().recovery else { panic!("it acts") };
    fleet.step(at(7.0), Input::Finished { ticket: Ticket { server: A, serial }, result: Ok(()) });
    assert_eq!(names(&fleet.step(at(7.1), died())), ["container_died", "recovery_failed"]);
    assert_eq!(names(&fleet.step(at(7.2), died())), Vec::<&str>::new());
    fleet.step(at(8.0), Input::Reported(A, Word::Started));
    assert_eq!(names(&fleet.step(at(8.1), died())), ["container_died"]);
}

#[test]
fn a_death_that_is_told_again_does_not_start_what_was_stopped() {
    let mut fleet = alone();
    run(&mut fleet, 0.0, &ok());
    fleet.step(at(5.0), Input::Reported(A, Word::Killed));
    fleet.step(at(5.1), died());
    assert_eq!(names(&fleet.step(at(5.2), Input::Reported(A, Word::Stopped))), ["status_changed", "server_stopped"]);
    assert_eq!(names(&fleet.step(at(60.0), died())), Vec::<&str>::new());
    assert_eq!((run(&mut fleet, 400.0, &refused()), fleet.servers()[0].phase()), (vec![], Phase::Stopped));
}

/// An engine that ends stops its containers, and does not know of that when it is back.
#[test]
fn a_death_that_takes_back_a_stop_is_a_death() {
    let mut fleet = alone();
    run(&mut fleet, 0.0, &ok());
    fleet.step(at(5.0), Input::Reported(A, Word::Killed));
    fleet.step(at(5.1), died());
    fleet.step(at(5.2), Input::Reported(A, Word::Stopped));
    let back = Death { retracts_stop: true, ..Death::default() };
    let again = || Input::Reported(A, Word::Died(back.clone()));
    assert_eq!(names(&fleet.step(at(60.0), again())), ["server_down"]);
    assert_eq!(fleet.servers()[0].state().reason.as_deref(), Some("container_died"), "it is not down for the stop any more");
    assert_eq!(names(&fleet.step(at(60.1), again())), Vec::<&str>::new());
    assert_eq!(run(&mut fleet, 61.0, &refused()), ["recovery_started", "ACT"]);
}

/// A crash of the monitor cut the action off: what it finds dead then has failed.
#[test]
fn one_that_is_verified_and_found_dead_has_failed_also_when_the_death_is_no_news() {
    let mut first = alone();
    run(&mut first, 0.0, &ok());
    first.step(at(5.0), died());
    run(&mut first, 6.0, &refused());
    let mut second = after_a_break("servers: [{name: a}]", &first, 10.0);
    let effects = second.step(at(10.0), Input::Reported(A, Word::NotRunning(Death::default())));
    assert_eq!(names(&effects), ["recovery_failed"]);
    assert!(second.servers()[0].state().last_error.as_deref().is_some_and(|error| error.starts_with("action: interrupted")));
    // Once something runs, its death is its own.
    let mut third = after_a_break("servers: [{name: a}]", &first, 10.0);
    third.step(at(10.0), Input::Reported(A, Word::Running));
    third.step(at(11.0), died());
    assert_eq!(third.servers()[0].state().last_error.as_deref(), Some("container_died"));
}

/// Somebody removes it while the action that has started it comes to its end.
#[test]
fn one_that_is_killed_once_an_action_has_started_it_may_be_stopped() {
    let after = |words: &[Word]| {
        let mut fleet = alone();
        run(&mut fleet, 0.0, &ok());
        fleet.step(at(5.0), died());
        run(&mut fleet, 6.0, &refused());
        let Recovery::Acting { serial, .. } = fleet.servers()[0].state().recovery else { panic!("it acts") };
        for word in words {
            fleet.step(at(6.5), Input::Reported(A, word.clone()));
        }
        fleet.step(at(7.0), Input::Finished { ticket: Ticket { server: A, serial }, result: Ok(()) });
        let died = names(&fleet.step(at(7.1), died()));
        (died, names(&fleet.step(at(7.2), Input::Reported(A, Word::Stopped))))
    };
    let (died, stopped) = after(&[Word::Killed, Word::Running, Word::Killed]);
    assert_eq!((died, stopped), (vec!["container_died"], vec!["server_stopped"]));
    // The signal was the action's own.
    assert_eq!(after(&[Word::Killed, Word::Running]).0, ["container_died", "recovery_failed"]);
}

#[test]
fn exit_zero_right_after_our_start_is_a_stop_where_the_policy_says_so() {
    let mut fleet = fleet("{servers: [{name: a}], recovery: {on_exit_zero: stop}}", &Beginning::default());
    run(&mut fleet, 0.0, &ok());
    fleet.operate(at(1.0), A, Command::Restart { by: "operator".into() }).expect("accepted");
    let Recovery::Acting { serial, .. } = fleet.servers()[0].state().recovery else { panic!("it acts") };
    fleet.step(at(1.0), Input::Touches { ticket: Ticket { server: A, serial } });
    fleet.step(at(1.1), Input::Reported(A, Word::Running));
    fleet.step(at(1.2), Input::Reported(A, Word::Died(Death { exit_code: Some(0), ..Death::default() })));
    let finished = fleet.step(at(1.3), Input::Finished { ticket: Ticket { server: A, serial }, result: Ok(()) });
    assert_eq!(names(&finished), ["status_changed", "server_stopped"]);
}
