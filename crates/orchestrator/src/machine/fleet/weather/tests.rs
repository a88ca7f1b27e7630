use std::time::Duration;

use health_spec::config::File;
use health_spec::{Outcome, Verdict};

use super::*;
use crate::machine::Input;
use crate::machine::fleet::{Beginning, Limits};
use crate::machine::policy::{Policy, Purpose, compile};

fn policies(numbers: std::ops::Range<usize>) -> Vec<Policy> {
    let names: Vec<_> = numbers.map(|number| format!("{{name: s{number}}}")).collect();
    let file: File = serde_saphyr::from_str(&format!("servers: [{}]", names.join(", "))).expect("it reads");
    compile(&file, Purpose::Simulate).expect("it compiles")
}

/// Invariant: whoever is up is found, however many have come and gone before.
#[test]
fn witnesses_are_found_among_many_empty_places() {
    let beginning = Beginning { spread: false, ..Beginning::default() };
    let (mut fleet, _) = Fleet::new(policies(0..3_010), &beginning, Mono::default());
    fleet.reload(policies(3_000..3_010), Limits::default(), Mono::default());
    let mut effects = fleet.step(Mono::default(), Input::Woken);
    while let Some(effect) = effects.pop() {
        if let Effect::Probe { ticket, .. } = effect {
            let verdict = Verdict::new(Outcome::Ok, None, None);
            effects.extend(fleet.step(Mono::default(), Input::Observed { ticket, verdict, took: Duration::ZERO }));
        }
    }
    for about in 3_000..3_010 {
        let witnesses = fleet.witnesses(ServerId(about));
        assert_eq!(witnesses.len(), WITNESSES, "{about}: {witnesses:?}");
        assert!(witnesses.iter().all(|id| id.0 >= 3_000 && id.0 != about), "{about}: {witnesses:?}");
    }
}
