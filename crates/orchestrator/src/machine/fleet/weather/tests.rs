use std::time::Duration;

use health_spec::config::File;
use health_spec::{Outcome, Verdict};

use super::*;
use crate::machine::fleet::{Beginning, Limits};
use crate::machine::memory::FleetMemory;
use crate::machine::policy::{Policy, Purpose, compile};
use crate::machine::{Input, Word};

fn policies(numbers: std::ops::Range<usize>) -> Vec<Policy> {
    let names: Vec<_> = numbers.map(|number| format!("{{name: s{number}}}")).collect();
    let file: File = serde_saphyr::from_str(&format!("servers: [{}]", names.join(", "))).expect("it reads");
    compile(&file, Purpose::Simulate).expect("it compiles")
}

fn all_answer(fleet: &mut Fleet) {
    let mut effects = fleet.step(Mono::default(), Input::Woken);
    while let Some(effect) = effects.pop() {
        if let Effect::Probe { ticket, .. } = effect {
            let verdict = Verdict::new(Outcome::Ok, None, None);
            effects.extend(fleet.step(Mono::default(), Input::Observed { ticket, verdict, took: Duration::ZERO }));
        }
    }
}

#[test]
fn whoever_may_be_ending_is_asked_only_where_there_are_too_few_others() {
    let (mut fleet, _) = Fleet::new(policies(0..6), &Beginning { spread: false, ..Beginning::default() }, Mono::default());
    all_answer(&mut fleet);
    fleet.step(Mono::default(), Input::Reported(ServerId(3), Word::Killed));
    let witnesses = |fleet: &Fleet| fleet.witnesses(ServerId(0)).into_iter().map(|id| id.0).collect::<Vec<_>>();
    assert_eq!(witnesses(&fleet), [1, 2, 4, 5]);
    fleet.step(Mono::default(), Input::Reported(ServerId(1), Word::Killed));
    assert_eq!(witnesses(&fleet), [2, 4, 5, 1]);
}

/// Invariant: whoever is up is found, however many have come and gone before.
#[test]
fn witnesses_are_found_among_many_empty_places() {
    let beginning = Beginning { spread: false, ..Beginning::default() };
    let (mut fleet, _) = Fleet::new(policies(0..3_010), &beginning, Mono::default());
    fleet.reload(policies(3_000..3_010), Limits::default(), Mono::default());
    all_answer(&mut fleet);
    for about in 3_000..3_010 {
        let witnesses = fleet.witnesses(ServerId(about));
        assert_eq!(witnesses.len(), WITNESSES, "{about}: {witnesses:?}");
        assert!(witnesses.iter().all(|id| id.0 >= 3_000 && id.0 != about), "{about}: {witnesses:?}");
    }
}

/// Invariant: whose process may be being ended by our own start is no witness.
#[test]
fn a_child_of_which_nothing_has_been_heard_is_no_witness() {
    let runtime = |number: usize| if number == 0 { "" } else { ", runtime: {kind: process, command: a}" };
    let names: Vec<_> = (0..5).map(|number| format!("{{name: s{number}, port: 1{}}}", runtime(number))).collect();
    let file: File = serde_saphyr::from_str(&format!("servers: [{}]", names.join(", "))).expect("it reads");
    let policies = || compile(&file, Purpose::Simulate).expect("it compiles");
    let (mut first, _) = Fleet::new(policies(), &Beginning { spread: false, ..Beginning::default() }, Mono::default());
    all_answer(&mut first);
    let servers = first.servers().iter().map(|server| (server.policy().name.clone(), server.memory())).collect();
    let memory = FleetMemory { incidents: first.incidents(), servers };
    let beginning = Beginning { memory, spread: false, hears_first: true, ..Beginning::default() };
    let (mut second, _) = Fleet::new(policies(), &beginning, Mono::default());
    assert_eq!(second.witnesses(ServerId(0)), []);
    second.step(Mono::default(), Input::Reported(ServerId(3), Word::Running));
    assert_eq!(second.witnesses(ServerId(0)), [ServerId(3)]);
}
