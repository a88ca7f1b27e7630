//! What time it is for an engine, as far as it has told: between two of its words our own clock goes on.

use std::time::Duration;

use tokio::time::Instant;

use crate::shell::clock::wall;

/// An engine's clock, and when the engine last gave a sign of life.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineClock {
    /// A moment by it, in nanoseconds since 1970, and when it was told.
    told: Option<(i64, Instant)>,
    alive: Option<Instant>,
    set_back: Option<SetBack>,
}

/// What was done to an engine's clock.
#[derive(Clone, Copy, Debug)]
struct SetBack {
    to: i64,
    /// How far it had come before.
    from: i64,
}

impl EngineClock {
    /// As it was just told.
    pub fn of(at: Option<i64>) -> Self {
        let mut clock = Self::default();
        if let Some(at) = at {
            clock.tells(at, Instant::now());
        }
        clock
    }

    /// It tells a moment. One that lies back says nothing: the event is told late.
    pub(super) fn tells(&mut self, at: i64, now: Instant) {
        self.alive = Some(now);
        if at > 0 && self.at(now).is_none_or(|known| known < at) {
            self.told = Some((at, now));
        }
    }

    /// It was set back to some moment, and says `now`; it had come to `from` before.
    pub(super) fn set_back(&mut self, to: i64, now: i64, from: i64) {
        let moment = Instant::now();
        let from = self.repeats_from(moment).map_or(from, |set_back| set_back.from.max(from));
        self.set_back = Some(SetBack { to, from });
        (self.told, self.alive) = (Some((now, moment)), Some(moment));
    }

    /// What it was set back to, as long as it has not come again to where it was: moments come a second time.
    pub(super) fn repeats(&self) -> Option<i64> {
        Some(self.repeats_from(Instant::now())?.to)
    }

    fn repeats_from(&self, moment: Instant) -> Option<SetBack> {
        self.set_back.filter(|set_back| self.at(moment).is_some_and(|at| at < set_back.from))
    }

    /// It has answered, or ended something.
    pub(super) fn lives(&mut self, now: Instant) {
        self.alive = Some(now);
    }

    /// Its time now; ours, as long as it has not told any.
    pub(in crate::shell::runtime::container) fn now(&self) -> i64 {
        let ours = || i64::try_from(wall().as_nanosecond()).unwrap_or(i64::MAX);
        self.at(Instant::now()).unwrap_or_else(ours)
    }

    /// Its time at its last sign of life.
    pub(super) fn last_life(&self) -> Option<i64> {
        self.at(self.alive?)
    }

    fn at(&self, moment: Instant) -> Option<i64> {
        let (at, told) = self.told?;
        Some(at.saturating_add(nanoseconds(moment.saturating_duration_since(told))))
    }
}

/// As many as there can be.
pub(in crate::shell::runtime::container) fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
