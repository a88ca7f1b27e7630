//! What an earlier run may have begun, and not ended.

use health_spec::config::Strategy;

use crate::machine::memory::{Recovery, ServerMemory};
use crate::shell::clock::Clock;
use crate::shell::runtime::Acting;

/// What an earlier run may have been doing to a server.
pub(super) fn begun(left: &ServerMemory, clock: &Clock) -> Option<Acting> {
    // What a recreate had replaced could not be put back yet.
    let owes = left.unsettled && !left.proven;
    let unknown = Acting { since: None, repairs: false };
    match left.recovery {
        // Else whatever has happened to it since was somebody else.
        Recovery::Waiting { .. } => owes.then_some(unknown),
        Recovery::Acting { stage, .. } if stage.is_before_touching() => owes.then_some(unknown),
        Recovery::Acting { since, strategy, undoing, .. } => {
            // An older run wrote down when it was decided.
            let since = since.filter(|_| strategy.is_some() || undoing);
            let repairs = strategy == Some(Strategy::Repair) && !undoing;
            Some(Acting { since: since.map(|at| clock.wall_of(at)), repairs })
        }
        Recovery::Idle | Recovery::Verifying { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::machine::fleet::Beginning;
    use crate::machine::memory::{Attempt, Stage};
    use crate::machine::policy::{Purpose, compile};

    use super::*;
    use crate::machine::{Fleet, Mono, ServerId};
    use crate::shell::clock::wall;

    /// What runs since before a repair was not spared by it: a repair replaces nothing.
    #[test]
    fn a_repair_of_an_earlier_run_is_known_for_one() {
        let file = serde_saphyr::from_str("servers: [{name: a}]").expect("it reads");
        let policies = compile(&file, Purpose::Simulate).expect("it compiles");
        let fresh = Fleet::new(policies, &Beginning::default(), Mono::default()).0.memory(ServerId(0));
        let clock = Clock::resume(wall(), Mono::default());
        let of = |strategy| {
            let recovery = Recovery::Acting {
                serial: 1,
                attempt: Attempt::Operator,
                stopped: false,
                stage: Stage::Begun,
                undoing: false,
                strategy: Some(strategy),
                since: Some(Mono::default()),
            };
            let left = ServerMemory { recovery, ..fresh.clone() };
            begun(&left, &clock).map(|acting| (acting.since.is_some(), acting.repairs))
        };
        assert_eq!(of(Strategy::Repair), Some((true, true)));
        assert_eq!(of(Strategy::Restart), Some((true, false)));
    }
}
