//! Tells a machine again what another was told: the same one, which must decide the same to the bit, or one with another policy.

use super::recording::{Recording, Told, What, fingerprint};
use super::trace::Trace;
use crate::machine::policy::{Issue, Policy, Purpose, compile};
use crate::machine::{Effect, Fleet};

mod differences;
mod other;
mod recorded;

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
    let mut trace = Trace::new(header.at, header.configuration.servers.iter().map(|entry| entry.name.clone()));
    let (mut differs_at, mut line) = (None, 1);
    retell(recording, |told, effects, fleet| {
        trace.learn(told.map_or(header.at, |told| told.at), effects, fleet);
        if told.is_some_and(|told| fingerprint(effects) != told.effects) {
            differs_at.get_or_insert(line);
        }
        line += 1;
    })?;
    trace.end = recording.told.last().map_or(header.at, |told| told.at);
    Ok(Replayed { told: recording.told.len(), differs_at, trace })
}

/// Shows what the machine does when it begins, and what it does with every line.
fn retell(recording: &Recording, mut see: impl FnMut(Option<&Told>, &[Effect], &Fleet)) -> Result<(), Vec<Issue>> {
    let header = &recording.header;
    let policies = compile(&header.configuration, Purpose::Run)?;
    let (mut fleet, effects) = Fleet::new(policies, &header.beginning, header.at);
    see(None, &effects, &fleet);
    for told in &recording.told {
        let effects = tell(&mut fleet, told.at, &told.what)?;
        see(Some(told), &effects, &fleet);
    }
    Ok(())
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
