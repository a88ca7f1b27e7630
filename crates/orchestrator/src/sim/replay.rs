//! Tells a machine again what another was told: the same one, which must decide the same to the bit, or one with another policy.

use super::recording::{Recording, What, fingerprint};
use super::trace::Trace;
use crate::machine::policy::{Issue, Policy, Purpose, compile};
use crate::machine::{Effect, Fleet};

mod differences;
mod other;

pub use differences::{Difference, differences};
pub use other::other;

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// How many lines were told.
    pub told: usize,
    /// The first line, the header being 1, after which the machine decided otherwise.
    pub differs_at: Option<usize>,
    /// What it said.
    pub trace: Trace,
}

/// Tells everything again.
pub fn replay(recording: &Recording) -> Result<Replayed, Vec<Issue>> {
    let header = &recording.header;
    let policies = compile(&header.configuration, Purpose::Run)?;
    let mut trace = Trace::new(header.at, policies.iter().map(|policy| policy.name.clone()));
    let (mut fleet, effects) = Fleet::new(policies, &header.beginning, header.at);
    trace.learn(header.at, &effects, &fleet);
    let mut differs_at = None;
    for (index, told) in recording.told.iter().enumerate() {
        let effects = tell(&mut fleet, told.at, &told.what)?;
        trace.learn(told.at, &effects, &fleet);
        if fingerprint(&effects) != told.effects {
            differs_at.get_or_insert(index + 2);
        }
    }
    trace.end = recording.told.last().map_or(header.at, |told| told.at);
    Ok(Replayed { told: recording.told.len(), differs_at, trace })
}

fn tell(fleet: &mut Fleet, at: crate::machine::Mono, what: &What) -> Result<Vec<Effect>, Vec<Issue>> {
    Ok(match what {
        What::Input(input) => fleet.step(at, input.clone()),
        What::Command(id, command) => fleet.operate(at, *id, command.clone()).unwrap_or_default(),
        What::Reload(file, limits) => fleet.reload(compile(file, Purpose::Run)?, *limits, at).1,
    })
}

/// The policies of another configuration.
pub fn policies(file: &health_spec::config::File) -> Result<Vec<Policy>, Vec<Issue>> {
    compile(file, Purpose::Run)
}
