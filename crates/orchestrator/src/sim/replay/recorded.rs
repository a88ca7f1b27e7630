//! How checks and actions went, for those that another policy makes: each goes as the recorded one that started nearest to it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use health_spec::{Outcome, Reason, Verdict};

use super::retell;
use crate::machine::{Effect, Input, Mono, ServerId, Ticket};
use crate::sim::recording::{Recording, What};

/// Of one server, by when it started: how long it took, and its end.
type Times<End> = BTreeMap<Mono, (Duration, End)>;

/// What a check found; the error when the monitor could not look.
type Found = Result<Verdict, String>;

/// How an action ended.
type Ended = Result<(), String>;

/// An action of a server that none was recorded of.
const UNHEARD_OF: (Duration, Ended) = (Duration::from_secs(1), Ok(()));

/// Everything that was started and has ended.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    checks: HashMap<ServerId, Times<Found>>,
    actions: HashMap<ServerId, Times<Ended>>,
}

impl Recorded {
    /// Servers are those of `place`.
    pub(super) fn of(recording: &Recording, place: &impl Fn(ServerId) -> Option<ServerId>) -> Self {
        let mut recorded = Self::default();
        let mut begun = HashMap::new();
        let retold = retell(recording, |told, effects, _| {
            let at = told.map_or(recording.header.at, |told| told.at);
            if let Some(What::Input(input)) = told.map(|told| &told.what) {
                recorded.learn(at, input, &begun, place);
            }
            begun.extend(effects.iter().filter_map(|effect| match effect {
                Effect::Act { ticket, .. } => Some((*ticket, at)),
                _ => None,
            }));
        });
        // Whoever replays has compiled it before.
        debug_assert!(retold.is_ok(), "a recorded configuration compiles");
        recorded
    }

    fn learn(&mut self, at: Mono, input: &Input, begun: &HashMap<Ticket, Mono>, place: &impl Fn(ServerId) -> Option<ServerId>) {
        let mut check = |ticket: &Ticket, took: Duration, found| {
            if let Some(id) = place(ticket.server) {
                self.checks.entry(id).or_default().insert(Mono(at.0.saturating_sub(took)), (took, found));
            }
        };
        match input {
            Input::Observed { ticket, verdict, took } => check(ticket, *took, Ok(verdict.clone())),
            Input::Blind { ticket, error } => check(ticket, Duration::ZERO, Err(error.clone())),
            Input::Finished { ticket, result } => {
                if let (Some(id), Some(start)) = (place(ticket.server), begun.get(ticket)) {
                    self.actions.entry(id).or_default().insert(*start, (at.since(*start), result.clone()));
                }
            }
            _ => {}
        }
    }

    /// A check at `at`: what it took, and what it tells. A server that nobody ever asked is well.
    pub(super) fn check(&self, ticket: Ticket, at: Mono, timeout: Duration) -> (Duration, Input) {
        let known = self.checks.get(&ticket.server).and_then(|known| nearest(known, at));
        let (took, found) = known.cloned().unwrap_or_else(|| (Duration::ZERO, Ok(Verdict::new(Outcome::Ok, None, None))));
        let is_late = |verdict: &Verdict| took > timeout || verdict.reason == Some(Reason::Timeout);
        match found {
            Err(error) => (took, Input::Blind { ticket, error }),
            Ok(verdict) if is_late(&verdict) => {
                let message = format!("no answer within {} s", timeout.as_secs_f64());
                (timeout, Input::Observed { ticket, verdict: Verdict::failed(Reason::Timeout, message), took: timeout })
            }
            Ok(verdict) => (took, Input::Observed { ticket, verdict, took }),
        }
    }

    /// An action at `at`.
    pub(super) fn action(&self, server: ServerId, at: Mono) -> (Duration, Ended) {
        self.actions.get(&server).and_then(|known| nearest(known, at)).cloned().unwrap_or(UNHEARD_OF)
    }
}

/// The one that started nearest to `at`.
fn nearest<End>(times: &Times<End>, at: Mono) -> Option<&(Duration, End)> {
    let around = [times.range(..=at).next_back(), times.range(at..).next()];
    let nearest = around.into_iter().flatten().min_by_key(|(start, _)| start.since(at).max(at.since(**start)));
    nearest.map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: ServerId = ServerId(0);

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    fn checked(took: u64, verdict: Verdict) -> Recorded {
        let checks = Times::from([(at(10), (Duration::from_secs(took), Ok(verdict)))]);
        Recorded { checks: HashMap::from([(SERVER, checks)]), ..Recorded::default() }
    }

    fn seen(recorded: &Recorded, timeout: u64) -> (u64, Outcome) {
        let ticket = Ticket { server: SERVER, serial: 1 };
        match recorded.check(ticket, at(99), Duration::from_secs(timeout)) {
            (took, Input::Observed { verdict, .. }) => (took.as_secs(), verdict.outcome),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_that_took_longer_than_the_other_timeout_is_none() {
        let slow = checked(3, Verdict::new(Outcome::Ok, None, None));
        assert_eq!((seen(&slow, 5), seen(&slow, 2)), ((3, Outcome::Ok), (2, Outcome::Failed)));
    }

    #[test]
    fn what_timed_out_times_out_later_with_a_longer_timeout() {
        assert_eq!(seen(&checked(3, Verdict::failed(Reason::Timeout, "late")), 7), (7, Outcome::Failed));
    }

    #[test]
    fn an_action_goes_as_the_nearest_one_went() {
        let quick = (Duration::from_millis(20), Ok(()));
        let slow = (Duration::from_secs(9), Err("no".to_owned()));
        let actions = Times::from([(at(10), quick.clone()), (at(50), slow.clone())]);
        let recorded = Recorded { actions: HashMap::from([(SERVER, actions)]), ..Recorded::default() };
        assert_eq!(
            [at(0), at(20), at(40), at(90)].map(|moment| recorded.action(SERVER, moment)),
            [quick.clone(), quick, slow.clone(), slow]
        );
        assert_eq!(Recorded::default().action(SERVER, at(5)), UNHEARD_OF);
    }
}
