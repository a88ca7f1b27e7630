//! Many servers fail at once: is it them, or the monitor? (contract, section 3.2)
//!
//! Before a recovery that only checks have decided, four other servers that are healthy are checked, the witnesses. When half of
//! them fail, the monitor suspects itself: such recoveries are held, and the witnesses are asked again and again. After
//! a while one held server is recovered all the same, the canary; when that helps, it was not the monitor.
//!
//! This keeps the rounds. Whom to ask, and what to hold and release, is the fleet's.

use std::time::Duration;

use super::{Mono, ServerId};

/// How many are asked.
pub const WITNESSES: usize = 4;

/// From one round to the next, while the monitor suspects itself.
pub const ROUND: Duration = Duration::from_secs(15);

/// How long it suspects itself before it tries one.
pub const CANARY_AFTER: Duration = Duration::from_secs(60);

/// What the monitor thinks of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Storm {
    round: Option<Round>,
    doubt: Option<Doubt>,
}

/// The witnesses are being asked.
#[derive(Clone, Debug)]
struct Round {
    until: Mono,
    witnesses: Vec<Witness>,
}

#[derive(Clone, Debug)]
struct Witness {
    server: ServerId,
    serial: u64,
    answers: Option<bool>,
}

/// The monitor suspects itself.
#[derive(Clone, Debug)]
struct Doubt {
    witnesses: Vec<ServerId>,
    failing: Vec<ServerId>,
    next_round: Mono,
    canary_at: Mono,
    canary: Option<ServerId>,
}

/// What a round has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Most answer, as before: what is planned goes on.
    Clear,
    /// Half or more fail: these.
    Begins(Vec<ServerId>),
    /// As before: these.
    GoesOn,
    /// Most answer again.
    Ends,
}

impl Storm {
    /// Nothing is being asked and nothing is held.
    pub(super) fn is_calm(&self) -> bool {
        self.round.is_none() && self.doubt.is_none()
    }

    /// The witnesses that fail, while the monitor suspects itself; empty for the canary, which is tried all the same.
    pub(super) fn holds(&self, id: ServerId) -> &[ServerId] {
        self.doubt.as_ref().filter(|doubt| doubt.canary != Some(id)).map_or(&[], |doubt| &doubt.failing)
    }

    /// Recoveries wait for the first round, not longer than until then.
    pub(super) fn asking_until(&self) -> Option<Mono> {
        self.round.as_ref().filter(|_| self.doubt.is_none()).map(|round| round.until)
    }

    /// When something is to be done here.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let canary = self.doubt.as_ref().filter(|doubt| doubt.canary.is_none()).map(|doubt| doubt.canary_at);
        let round = match (&self.round, &self.doubt) {
            (Some(round), _) => Some(round.until),
            (None, Some(doubt)) => Some(doubt.next_round),
            (None, None) => None,
        };
        [canary, round].into_iter().flatten().min()
    }

    /// Asks these, each under its serial. Whoever has not answered by `until` fails.
    pub(super) fn ask(&mut self, witnesses: impl Iterator<Item = (ServerId, u64)>, until: Mono) {
        let witnesses = witnesses.map(|(server, serial)| Witness { server, serial, answers: None }).collect();
        self.round = Some(Round { until, witnesses });
    }

    /// A check ended; `false` when it was none of ours.
    pub(super) fn answered(&mut self, serial: u64, well: bool) -> bool {
        let witnesses = self.round.iter_mut().flat_map(|round| &mut round.witnesses);
        let Some(witness) = witnesses.into_iter().find(|witness| witness.serial == serial) else { return false };
        witness.answers = Some(well);
        true
    }

    /// What the round has shown, once all have answered or time is up.
    pub(super) fn conclude(&mut self, now: Mono) -> Option<Shown> {
        let done = |round: &Round| round.until <= now || round.witnesses.iter().all(|witness| witness.answers.is_some());
        let round = self.round.take_if(|round| done(round))?;
        let of = round.witnesses.len();
        let failing = round.witnesses.iter().filter(|witness| witness.answers != Some(true));
        let failing: Vec<_> = failing.map(|witness| witness.server).collect();
        let stormy = failing.len() * 2 >= of;
        Some(match (&mut self.doubt, stormy) {
            (None, false) => Shown::Clear,
            (Some(_), false) => {
                self.doubt = None;
                Shown::Ends
            }
            (Some(doubt), true) => {
                doubt.failing = failing;
                doubt.next_round = now.after(ROUND);
                Shown::GoesOn
            }
            (None, true) => {
                let witnesses = round.witnesses.iter().map(|witness| witness.server).collect();
                self.begin(witnesses, failing.clone(), now);
                Shown::Begins(failing)
            }
        })
    }

    /// Suspects the monitor from now on; also where an earlier run has left it so.
    pub(super) fn begin(&mut self, witnesses: Vec<ServerId>, failing: Vec<ServerId>, now: Mono) {
        let (next_round, canary_at) = (now.after(ROUND), now.after(CANARY_AFTER));
        self.doubt = Some(Doubt { witnesses, failing, next_round, canary_at, canary: None });
    }

    /// Whom to ask again, when it is time.
    pub(super) fn round_due(&self, now: Mono) -> Option<&[ServerId]> {
        let doubt = self.doubt.as_ref().filter(|doubt| self.round.is_none() && doubt.next_round <= now)?;
        Some(&doubt.witnesses)
    }

    /// Whether it is time for a canary. There is one a storm.
    pub(super) fn canary_due(&self, now: Mono) -> bool {
        self.doubt.as_ref().is_some_and(|doubt| doubt.canary.is_none() && doubt.canary_at <= now)
    }

    /// This one is tried; `None`: nobody is held, so that it is asked again later.
    pub(super) fn try_canary(&mut self, canary: Option<ServerId>, now: Mono) {
        if let Some(doubt) = &mut self.doubt {
            doubt.canary = canary;
            doubt.canary_at = now.after(ROUND);
        }
    }

    /// A server has come up: whether it was the canary. Then it was not the monitor.
    pub(super) fn helped(&mut self, id: ServerId) -> bool {
        let helped = self.doubt.as_ref().is_some_and(|doubt| doubt.canary == Some(id));
        if helped {
            (self.doubt, self.round) = (None, None);
        }
        helped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    fn asked(storm: &mut Storm, first: u64, until: Mono) {
        storm.ask((0..4).map(|place| (ServerId(place), first + place as u64)), until);
    }

    #[test]
    fn one_failing_witness_of_four_is_an_accident_and_two_are_a_storm() {
        let mut storm = Storm::default();
        asked(&mut storm, 10, at(5));
        for (serial, well) in [(10, true), (11, true), (12, true)] {
            assert!(storm.answered(serial, well));
            assert_eq!(storm.conclude(at(1)), None);
        }
        assert!(!storm.answered(99, true), "none of ours");
        storm.answered(13, false);
        assert_eq!(storm.conclude(at(1)), Some(Shown::Clear));
        assert!(storm.is_calm());
        asked(&mut storm, 20, at(8));
        storm.answered(20, true);
        storm.answered(21, true);
        assert_eq!(storm.conclude(at(7)), None);
        assert_eq!(storm.conclude(at(8)), Some(Shown::Begins(vec![ServerId(2), ServerId(3)])), "who is silent fails");
    }

    #[test]
    fn rounds_go_on_until_most_answer_and_one_canary_is_tried() {
        let mut storm = Storm::default();
        asked(&mut storm, 0, at(5));
        assert!(matches!(storm.conclude(at(5)), Some(Shown::Begins(failing)) if failing.len() == 4));
        assert_eq!((storm.deadline(), storm.round_due(at(19))), (Some(at(20)), None));
        assert_eq!(storm.round_due(at(20)).map(<[_]>::len), Some(4));
        asked(&mut storm, 10, at(25));
        assert_eq!(storm.conclude(at(25)), Some(Shown::GoesOn));
        assert!(!storm.canary_due(at(64)) && storm.canary_due(at(65)));
        storm.try_canary(Some(ServerId(7)), at(65));
        assert!(storm.holds(ServerId(7)).is_empty() && !storm.holds(ServerId(8)).is_empty());
        assert!(!storm.canary_due(at(600)), "one a storm");
        assert!(!storm.helped(ServerId(8)) && storm.helped(ServerId(7)) && storm.is_calm());
    }
}
