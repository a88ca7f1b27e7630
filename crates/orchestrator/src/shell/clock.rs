//! The only place that reads a clock.
//!
//! The machine's time goes on where the last run of this state directory left it: [`Mono`] counts from the
//! first start. Wall time is looked up when an event is written, so a stepped clock never bends the machine's time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::machine::Mono;

/// A moment that no clock can hold is this far away instead: a year.
const FOREVER: Duration = Duration::from_secs(365 * 86_400);

/// The machine's time and the wall's.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    base: Mono,
}

impl Clock {
    /// Goes on `since` the first start; never before `last`, the latest moment that an earlier run has recorded.
    pub fn resume(first_start: Timestamp, last: Mono) -> Self {
        let elapsed = Duration::try_from(wall().duration_since(first_start)).unwrap_or_default();
        Self { started: instant(), base: last.max(Mono(elapsed)) }
    }

    /// Now, for the machine.
    pub fn now(&self) -> Mono {
        self.base.after(instant().duration_since(self.started))
    }

    /// When to wake up for `at`; sooner where no clock holds that, which is always safe.
    pub fn instant_of(&self, at: Mono) -> Instant {
        self.started.checked_add(at.since(self.base)).unwrap_or_else(|| instant() + FOREVER)
    }

    /// The wall time of a moment of the machine.
    pub fn wall_of(&self, at: Mono) -> Timestamp {
        let now = self.now();
        let distance = |duration: Duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        let shift = if at <= now { -distance(now.since(at)) } else { distance(at.since(now)) };
        wall().checked_add(shift).unwrap_or(Timestamp::MAX)
    }
}

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn wall() -> Timestamp {
    Timestamp::now()
}

fn instant() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_beyond_all_clocks_is_one_to_come() {
        let clock = Clock::resume(wall(), Mono::default());
        let never = clock.now().after(Duration::MAX);
        assert!(clock.instant_of(never) > instant());
        assert!(clock.wall_of(never) > wall());
        let late = Clock::resume(Timestamp::MIN, never);
        assert!(late.instant_of(never) <= instant() && late.now() == never);
    }
}
