//! Child processes of an earlier run, before their supervisors have said how they stand.

use super::*;

const CHILD: &str = "servers: [{name: a, port: 1, runtime: {kind: process, command: a}}]";

/// A run that follows another one; whoever runs child processes is to say first how they stand.
fn next(first: &Fleet) -> Fleet {
    fleet(CHILD, &Beginning { hears_first: true, ..memory_of(first) })
}

fn up() -> Fleet {
    let mut first = fleet(CHILD, &Beginning::default());
    run(&mut first, 0.0, &ok());
    first
}

#[test]
fn one_that_is_ended_and_started_anew_is_not_checked_meanwhile() {
    let mut second = next(&up());
    assert_eq!(run(&mut second, 100.0, &refused()), Vec::<&str>::new());
    assert_eq!((second.deadline(), second.servers()[0].is_checking()), (None, false));
    second.step(at(100.0), Input::Reported(A, Word::Started));
    assert_eq!(run(&mut second, 101.0, &refused()), Vec::<&str>::new(), "it has its grace");
    assert_eq!((run(&mut second, 131.0, &ok()), second.servers()[0].phase()), (vec![], Phase::Healthy));
}

/// What answers before the new one runs is the old one.
#[test]
fn a_restart_that_was_cut_off_is_not_verified_by_the_answers_of_the_old_one() {
    let mut first = up();
    first.operate(at(1.0), A, Command::Restart { by: "operator".into() }).expect("accepted");
    let Recovery::Acting { serial, .. } = first.servers()[0].state().recovery else { panic!("it acts") };
    first.step(at(1.0), Input::Touches { ticket: Ticket { server: A, serial } });
    let mut second = next(&first);
    assert_eq!(run(&mut second, 100.0, &ok()), Vec::<&str>::new());
    second.step(at(100.0), Input::Reported(A, Word::Started));
    assert_eq!(run(&mut second, 131.0, &ok()), ["recovery_successful"]);
}

#[test]
fn what_was_planned_waits_and_so_does_an_operator() {
    let mut first = up();
    first.step(at(1.0), Input::Reported(A, Word::Died(Death::default())));
    let mut second = next(&first);
    assert_eq!(run(&mut second, 100.0, &refused()), Vec::<&str>::new());
    assert_eq!(second.operate(at(100.0), A, Command::Restart { by: "operator".into() }), Err(Refusal::Busy));
    // A pause that ends meanwhile makes it due at once.
    let pause = Command::Pause { until: Some(at(102.0)), by: "operator".into(), reason: None };
    second.operate(at(101.0), A, pause).expect("accepted");
    assert_eq!(run(&mut second, 110.0, &refused()), ["server_resumed"]);
    second.step(at(110.0), Input::Reported(A, Word::Died(Death::default())));
    assert_eq!(run(&mut second, 120.0, &refused()), ["recovery_started", "ACT"]);
}

#[test]
fn one_that_runs_on_is_checked_as_planned() {
    let mut second = next(&up());
    second.step(at(0.1), Input::Reported(A, Word::Running));
    assert!(second.deadline().is_some_and(|deadline| deadline <= at(60.0)));
    assert_eq!((run(&mut second, 61.0, &ok()), second.servers()[0].phase()), (vec![], Phase::Healthy));
}

#[test]
fn where_nobody_can_look_at_processes_checks_go_on() {
    let mut second = next(&up());
    second.step(at(1.0), Input::EngineLost(EngineId::PROCESSES, "no /proc".to_owned()));
    assert!(run(&mut second, 200.0, &refused()).contains(&"server_down"));
}

#[test]
fn others_are_not_waited_for_and_a_new_child_is() {
    let both = "servers: [{name: a, port: 1, runtime: {kind: process, command: a}}, {name: b, port: 2}]";
    let mut fleet = fleet("servers: [{name: b, port: 2}]", &Beginning { hears_first: true, ..Beginning::default() });
    run(&mut fleet, 1.0, &ok());
    assert_eq!(fleet.servers()[0].phase(), Phase::Healthy);
    let file: File = serde_saphyr::from_str(both).expect("the file reads");
    let limits = crate::machine::fleet::Limits::default();
    fleet.reload(compile(&file, Purpose::Simulate).expect("it compiles"), limits, at(2.0));
    run(&mut fleet, 10.0, &ok());
    assert_eq!(fleet.servers()[1].phase(), Phase::Starting);
    fleet.step(at(10.0), Input::Reported(ServerId(1), Word::Started));
    run(&mut fleet, 11.0, &ok());
    assert_eq!(fleet.servers()[1].phase(), Phase::Healthy);
}

/// Its parent has ended, and a child of it serves on.
#[test]
fn a_death_that_was_told_is_not_told_again_to_one_that_has_been_well_since() {
    let death = |known| Input::Reported(A, Word::Died(Death { exit_code: Some(0), known, ..Death::default() }));
    let file = format!("{{{CHILD}, recovery: {{enabled: false}}}}");
    let mut first = fleet(&file, &Beginning::default());
    run(&mut first, 0.0, &ok());
    assert!(names(&first.step(at(1.0), death(false))).contains(&"server_down"));
    assert_eq!(names(&next(&first).step(at(0.1), death(true))), Vec::<&str>::new(), "it is down already");
    assert_eq!(run(&mut first, 60.0, &ok()), ["server_recovered", "status_changed"]);
    let mut second = next(&first);
    assert_eq!(names(&second.step(at(0.1), death(true))), Vec::<&str>::new());
    assert_eq!((run(&mut second, 61.0, &ok()), second.servers()[0].phase()), (vec![], Phase::Healthy));
    let evidence = second.why(A, &|_| String::new()).evidence;
    assert_eq!(evidence, ["its own process or container has ended, and something else answers in its place"]);
    // One that nobody has told of is news, and so is each that comes after a start.
    assert!(names(&next(&first).step(at(0.1), death(false))).contains(&"container_died"));
    second.step(at(62.0), Input::Reported(A, Word::Started));
    assert!(names(&second.step(at(63.0), death(true))).contains(&"container_died"));
}

#[test]
fn one_of_an_earlier_run_that_runs_with_other_settings_is_said_to() {
    let mut second = next(&up());
    let said = second.step(at(0.1), Input::Reported(A, Word::RunsOtherwise));
    let [Effect::Publish(Happened { kind, .. })] = &said[..] else { panic!("{said:?}") };
    assert_eq!(*kind, EventKind::ServerUpdated { reason: "next_start".to_owned() });
}
