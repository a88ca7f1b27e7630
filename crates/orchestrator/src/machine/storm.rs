//! Many servers fail at once: is it them, or the monitor? (contract, section 3.2)
//!
//! Before a recovery that only checks have decided, four other servers that are healthy are checked, the witnesses. When half of
//! them fail, the monitor suspects itself: such recoveries are held, and the witnesses are asked again and again. After
//! a while one held server is recovered all the same, the canary; when that helps, it was not the monitor. What was held is then
//! let go on a few at a time (`ebb`).
//!
//! This keeps the rounds. Whom to ask, and what to hold and release, is the fleet's.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Mono, ServerId};
use ebb::Ebb;
pub(super) use line::Line;

mod ebb;
mod line;
#[cfg(test)]
mod tests;

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
    ebb: Option<Ebb>,
    /// What to ask once the round that runs has ended.
    next: Option<Next>,
    /// What there is to say about it has changed.
    news: bool,
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

/// Recoveries that were planned while a round ran: what its witnesses answered may be older than what these are about.
#[derive(Clone, Debug)]
pub(super) struct Next {
    /// Those that were up when the first of them was planned.
    pub(super) witnesses: Vec<ServerId>,
    /// Who waits for them.
    pub(super) about: BTreeSet<ServerId>,
}

/// The monitor suspects itself.
#[derive(Clone, Debug)]
struct Doubt {
    since: Mono,
    witnesses: Vec<ServerId>,
    failing: Vec<ServerId>,
    next_round: Mono,
    canary_at: Mono,
    canary: Option<ServerId>,
    /// An earlier run has left it so: nobody has been asked since.
    is_resumed: bool,
    /// Who was let go on after an earlier storm, and had not settled.
    released: BTreeSet<ServerId>,
}

/// The monitor suspects itself: what there is to say about that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Forecast<'a> {
    /// Since when.
    pub(super) since: Mono,
    /// Who is asked.
    pub(super) witnesses: &'a [ServerId],
    /// Who of them did not answer last time.
    pub(super) failing: &'a [ServerId],
    /// When they are asked again; `None`: they are being asked.
    pub(super) next_round: Option<Mono>,
    /// Who is tried all the same.
    pub(super) canary: Option<ServerId>,
    /// When one is tried, as long as none is.
    pub(super) canary_at: Mono,
    /// An earlier run has left it so, and nobody has been asked since.
    pub(super) is_resumed: bool,
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
    /// Nothing is being asked and nothing is suspected.
    pub(super) fn is_calm(&self) -> bool {
        self.round.is_none() && self.doubt.is_none()
    }

    /// Witnesses are being asked, and nothing is suspected yet.
    pub(super) fn is_asking(&self) -> bool {
        self.round.is_some() && self.doubt.is_none()
    }

    /// Something will be asked when the round that runs has ended.
    pub(super) fn asks_again(&self) -> bool {
        self.next.is_some()
    }

    /// This recovery waits for the round after this one; the first such one says whom that asks.
    pub(super) fn ask_later(&mut self, about: ServerId, witnesses: Vec<ServerId>) {
        self.next.get_or_insert_with(|| Next { witnesses, about: BTreeSet::new() }).about.insert(about);
    }

    /// What to ask now that a round has ended.
    pub(super) fn take_next(&mut self) -> Option<Next> {
        self.next.take()
    }

    /// The witnesses that fail, while the monitor suspects itself; empty for the canary, which is tried all the same. After the storm:
    /// those that failed last, for a server whose turn has not come.
    pub(super) fn holds(&self, id: ServerId) -> &[ServerId] {
        match (&self.doubt, &self.ebb) {
            (Some(doubt), _) if doubt.canary != Some(id) => &doubt.failing,
            (None, Some(ebb)) if ebb.holds(id) => &ebb.failing,
            _ => &[],
        }
    }

    /// What there is to say while the monitor suspects itself.
    pub(super) fn forecast(&self) -> Option<Forecast<'_>> {
        let doubt = self.doubt.as_ref()?;
        Some(Forecast {
            since: doubt.since,
            witnesses: &doubt.witnesses,
            failing: &doubt.failing,
            next_round: self.round.is_none().then_some(doubt.next_round),
            canary: doubt.canary,
            canary_at: doubt.canary_at,
            is_resumed: doubt.is_resumed,
        })
    }

    /// Whether what there is to say has changed since this was last asked.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Those that are being asked before a recovery that only checks have decided.
    pub(super) fn asked(&self) -> impl Iterator<Item = ServerId> {
        let round = self.round.iter().filter(|_| self.doubt.is_none());
        round.flat_map(|round| &round.witnesses).map(|witness| witness.server)
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
        self.news = true;
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
        self.news = true;
        let of = round.witnesses.len();
        let failing = round.witnesses.iter().filter(|witness| witness.answers != Some(true));
        let failing: Vec<_> = failing.map(|witness| witness.server).collect();
        let stormy = of > 0 && failing.len() * 2 >= of;
        Some(match (&mut self.doubt, stormy) {
            (None, false) => Shown::Clear,
            (Some(_), false) => {
                self.end();
                Shown::Ends
            }
            (Some(doubt), true) => {
                doubt.failing = failing;
                doubt.is_resumed = false;
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

    /// Goes on with the doubt of an earlier run, which began no sooner than `since`: these are asked at once, and the time of its canary does
    /// not begin anew.
    pub(super) fn resume(&mut self, witnesses: Vec<ServerId>, since: Mono, now: Mono) {
        self.begin(witnesses.clone(), witnesses, since);
        if let Some(doubt) = &mut self.doubt {
            (doubt.next_round, doubt.is_resumed) = (now, true);
            doubt.canary_at = doubt.canary_at.max(now.after(ROUND));
        }
    }

    /// Suspects the monitor from now on.
    pub(super) fn begin(&mut self, witnesses: Vec<ServerId>, failing: Vec<ServerId>, now: Mono) {
        let (next_round, canary_at) = (now.after(ROUND), now.after(CANARY_AFTER));
        self.next = None;
        let released = self.ebb.take().map(Ebb::into_released).unwrap_or_default();
        self.doubt =
            Some(Doubt { since: now, witnesses, failing, next_round, canary_at, canary: None, is_resumed: false, released });
    }

    fn end(&mut self) {
        (self.round, self.news) = (None, true);
        self.ebb = self.doubt.take().map(|doubt| {
            let released = doubt.released.into_iter().chain(doubt.canary).collect();
            Ebb::new(doubt.failing, released)
        });
    }

    /// These are asked from now on.
    pub(super) fn call(&mut self, witnesses: &[ServerId]) {
        if let Some(doubt) = &mut self.doubt {
            doubt.witnesses = witnesses.to_vec();
        }
    }

    /// Who is tried all the same.
    pub(super) fn canary(&self) -> Option<ServerId> {
        self.doubt.as_ref().and_then(|doubt| doubt.canary)
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

    /// This one is tried; `None`: there is nobody to try, so that it is asked again later.
    pub(super) fn try_canary(&mut self, canary: Option<ServerId>, now: Mono) {
        self.news = true;
        if let Some(doubt) = &mut self.doubt {
            doubt.canary = canary;
            doubt.canary_at = now.after(ROUND);
        }
    }

    /// A server has come up: whether it was the canary, or one that an operator has restarted. Then it was not the monitor.
    pub(super) fn helped(&mut self, id: ServerId, by_operator: bool) -> bool {
        let helped = self.doubt.as_ref().is_some_and(|doubt| by_operator || doubt.canary == Some(id));
        if helped {
            self.end();
        }
        helped
    }
}
