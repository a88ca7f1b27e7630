//! What a start and a reload wait for, and what they do not.

use orchestrator::machine::{Input, ServerId, Word};

use crate::{
    bench::Bench,
    sham::{Sham, Tells},
};

#[test]
fn a_start_waits_for_nobody_who_reads_what_is_said_of_the_containers() {
    let names: Vec<&'static str> = (0..70).map(|number| &*format!("c{number}").leak()).collect();
    let containers: Vec<_> = names.iter().map(|name| (*name, Tells::Running)).collect();
    let (sham, mut bench) = (Sham::start(&containers), Bench::new());
    bench.engines = vec![sham.engine()];
    let servers: Vec<_> = names.iter().map(|name| Sham::server(name)).collect();
    assert!(bench.start_unread(&servers).is_ok());
}

#[test]
fn what_was_decided_about_one_container_is_not_done_to_the_one_that_has_its_place() {
    let (sham, mut bench) = (Sham::start(&[("a", Tells::Running), ("b", Tells::Running)]), Bench::new());
    bench.engines = vec![sham.engine()];
    let mut life = bench.start(&[Sham::server("a")]);
    assert_eq!(life.next_word(), Word::Running);
    let incumbent = life.runtimes.incumbent(ServerId(0));
    assert!(life.runtimes.is_still(ServerId(0), incumbent).is_ok());
    life.let_go();
    life.register(&bench, 0, &Sham::server("b"));
    let error = life.runtimes.is_still(ServerId(0), incumbent).unwrap_err().to_string();
    assert!(error.contains("another container"), "{error}");
}

#[test]
fn whoever_is_replaced_does_not_wait_for_another_one_that_is_being_restarted() {
    let names = ["x", "y", "v", "w"];
    let (sham, mut bench) = (Sham::start(&names.map(|name| (name, Tells::Running))), Bench::new());
    bench.engines = vec![sham.engine()];
    let mut life = bench.start(&[Sham::server("x"), Sham::server("y")]);
    for server in [0, 1] {
        assert_eq!(life.next(), Input::Reported(ServerId(server), Word::Running));
    }
    let others = [(0, Sham::server("v")), (1, Sham::server("w"))];
    let left = life.replace_while(&bench, 0, &others);
    assert_eq!(life.next(), Input::Reported(ServerId(1), Word::Running), "it is listened to");
    life.let_go();
    life.run(life.runtimes.take(left));
    assert_eq!(life.next(), Input::Reported(ServerId(0), Word::Running));
}
