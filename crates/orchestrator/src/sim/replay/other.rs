//! Another policy, told what was recorded, by time.
//!
//! Words of engines and commands come when they came. Checks and actions go as the nearest recorded ones went (`recorded`). What a
//! server would have done after an action that was never made, nobody knows: it answers as it did.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::recorded::Recorded;
use crate::machine::policy::Policy;
use crate::machine::{Effect, Fleet, Input, Mono, ServerId, Ticket};
use crate::sim::recording::{Recording, What};
use crate::sim::trace::Trace;

/// Plays the recording to these policies.
pub fn other(recording: &Recording, policies: &[Policy]) -> Trace {
    let header = &recording.header;
    let places: HashMap<&str, ServerId> =
        policies.iter().enumerate().map(|(index, policy)| (policy.name.as_str(), ServerId(index))).collect();
    let names = recording.names();
    let place = |id: ServerId| names.get(id.0).and_then(|name| places.get(name)).copied();
    let mut trace = Trace::new(header.at, policies.iter().map(|policy| policy.name.clone()));
    let (fleet, effects) = Fleet::new(policies.to_vec(), &header.beginning, header.at);
    trace.learn(header.at, &effects, &fleet);
    let recorded = Recorded::of(recording, &place);
    let mut stage = Stage { fleet, trace, recorded, ends: BTreeMap::new(), number: 0 };
    stage.carry_out(header.at, &effects);
    for told in &recording.told {
        stage.play_until(told.at);
        let effects = match &told.what {
            What::Input(input) => word(input, &place).map(|input| stage.fleet.step(told.at, input)),
            What::Command(id, command) => place(*id).and_then(|id| stage.fleet.operate(told.at, id, command.clone()).ok()),
            // The other policy is the one on trial.
            What::Reload(..) => None,
        };
        stage.learn(told.at, &effects.unwrap_or_default());
    }
    stage.trace.end = recording.told.last().map_or(header.at, |told| told.at);
    stage.trace
}

/// What is told whatever the policy; results of checks and actions are not.
fn word(input: &Input, place: &impl Fn(ServerId) -> Option<ServerId>) -> Option<Input> {
    match input {
        Input::Reported(id, word) => Some(Input::Reported(place(*id)?, word.clone())),
        Input::Maintenance(id, until) => Some(Input::Maintenance(place(*id)?, *until)),
        Input::EngineLost(..) | Input::EngineBack(_) | Input::StateLost { .. } | Input::StateBack => Some(input.clone()),
        Input::Woken
        | Input::Observed { .. }
        | Input::Blind { .. }
        | Input::Touches { .. }
        | Input::Finished { .. }
        | Input::Settled { .. } => None,
    }
}

struct Stage {
    fleet: Fleet,
    trace: Trace,
    recorded: Recorded,
    /// Results of checks and actions that are to come, in order.
    ends: BTreeMap<(Mono, u64), Input>,
    number: u64,
}

impl Stage {
    /// Timers first, then results, up to and with `until`.
    fn play_until(&mut self, until: Mono) {
        loop {
            let timer = self.fleet.deadline();
            let end = self.ends.keys().next().copied();
            let effects_at = match (timer, end) {
                (Some(timer), end) if timer <= until && end.is_none_or(|(at, _)| timer <= at) => {
                    (self.fleet.step(timer, Input::Woken), timer)
                }
                (_, Some(key)) if key.0 <= until => {
                    let Some(input) = self.ends.remove(&key) else { return };
                    (self.fleet.step(key.0, input), key.0)
                }
                _ => return,
            };
            self.learn(effects_at.1, &effects_at.0);
        }
    }

    fn learn(&mut self, at: Mono, effects: &[Effect]) {
        self.trace.learn(at, effects, &self.fleet);
        self.carry_out(at, effects);
    }

    fn carry_out(&mut self, at: Mono, effects: &[Effect]) {
        for effect in effects {
            match *effect {
                Effect::Publish(_) | Effect::Remember(_) | Effect::Proceed(_) => {}
                Effect::Abandon(ticket) => self.call_off(ticket),
                Effect::Probe { ticket, timeout } => {
                    let (took, input) = self.recorded.check(ticket, at, timeout);
                    self.later(at.after(took), input);
                }
                Effect::Act { ticket, .. } => {
                    let (took, result) = self.recorded.action(ticket.server, at);
                    self.later(at, Input::Touches { ticket });
                    self.later(at.after(took), Input::Finished { ticket, result });
                }
                Effect::Settle { ticket, keep, .. } => {
                    let takes = Duration::from_secs(u64::from(!keep));
                    self.later(at.after(takes), Input::Settled { ticket, result: Ok(()) });
                }
            }
        }
    }

    /// What was recorded of the action is not what comes of it.
    fn call_off(&mut self, called_off: Ticket) {
        for end in self.ends.values_mut() {
            if let Input::Finished { ticket, result } = end
                && *ticket == called_off
            {
                *result = Err("somebody stopped it meanwhile".to_owned());
            }
        }
    }

    fn later(&mut self, at: Mono, input: Input) {
        self.number += 1;
        self.ends.insert((at, self.number), input);
    }
}
