//! `Retry-After`, in every phase (section 1.1).

use super::*;

fn overloaded(seconds: u64) -> Verdict {
    let retry_after = Some(Duration::from_secs(seconds));
    Verdict { retry_after, ..Verdict::new(Outcome::Degraded, Some(Reason::Overloaded), None) }
}

#[test]
fn a_server_that_asks_to_be_left_alone_is() {
    let mut fleet = alone();
    run(&mut fleet, 0.0, &overloaded(70));
    assert_eq!(fleet.deadline(), Some(at(70.0)));
    run(&mut fleet, 70.0, &overloaded(100_000));
    assert_eq!(fleet.deadline(), Some(at(190.0)), "at most max_backoff");
}

/// A server that has been overloaded while up, and whose first attempt comes late.
fn busy() -> Fleet {
    let mut fleet = fleet("{servers: [{name: a}], recovery: {backoff: {schedule: [300]}}}", &Beginning::default());
    run(&mut fleet, 30.0, &overloaded(0));
    fleet
}

#[test]
fn also_while_it_is_being_confirmed() {
    let mut fleet = busy();
    assert_eq!(run(&mut fleet, 62.0, &refused()), ["status_changed", "server_down"]);
    run(&mut fleet, 63.0, &overloaded(50));
    assert_eq!(fleet.deadline(), Some(at(113.0)));
    assert_eq!(run(&mut fleet, 163.0, &overloaded(50)), ["server_recovered", "status_changed"]);
}

#[test]
fn also_when_it_is_released_from_a_hold() {
    let mut fleet = busy();
    fleet.operate(at(31.0), A, Command::Pause { until: None, by: "x".into(), reason: None }).expect("accepted");
    assert_eq!(run(&mut fleet, 62.0, &refused()), ["status_changed", "server_down", "recovery_held"]);
    run(&mut fleet, 92.0, &overloaded(100));
    let released = fleet.operate(at(100.0), A, Command::Resume { by: "x".into() }).expect("accepted");
    assert_eq!(names(&released), ["action_requested", "server_resumed", "recovery_released"]);
    assert_eq!(fleet.deadline(), Some(at(192.0)));
}

#[test]
fn a_person_and_a_start_end_that() {
    let mut fleet = alone();
    run(&mut fleet, 0.0, &overloaded(100));
    fleet.operate(at(5.0), A, Command::Check { by: "x".into() }).expect("accepted");
    assert_eq!(fleet.deadline(), Some(at(5.0)));
    run(&mut fleet, 5.0, &overloaded(100));
    fleet.step(at(6.0), Input::Reported(A, Word::Started));
    assert_eq!(fleet.deadline(), Some(at(6.0)));
}

#[test]
fn it_is_kept_across_a_restart_of_the_monitor() {
    let mut first = alone();
    run(&mut first, 0.0, &overloaded(100));
    assert_eq!(after_a_break("servers: [{name: a}]", &first, 10.0).deadline(), Some(at(100.0)));
}

/// Rule 6: the distance of one that was given up is longer than two intervals, and is kept too.
#[test]
fn one_that_was_given_up_keeps_its_turn_across_a_restart_of_the_monitor() {
    let yaml = "{servers: [{name: a}], recovery: {backoff: {schedule: [1]}}, health_check: {interval_seconds: 10}}";
    let mut first = fleet(yaml, &Beginning::default());
    run(&mut first, 0.0, &ok());
    first.step(at(5.0), Input::Reported(A, Word::Died(Death::default())));
    run(&mut first, 6.0, &refused());
    let Recovery::Acting { serial, .. } = first.servers()[0].state().recovery else { panic!("it acts") };
    let failed = first.step(at(7.0), Input::Finished { ticket: Ticket { server: A, serial }, result: Err("no".into()) });
    assert_eq!(names(&failed), ["recovery_failed", "recovery_exhausted"]);
    run(&mut first, 80.0, &refused());
    let planned = first.deadline().expect("a check");
    assert!(planned.since(at(80.0)) > Duration::from_secs(20));
    assert_eq!(after_a_break(yaml, &first, 81.0).deadline(), Some(planned));
}
