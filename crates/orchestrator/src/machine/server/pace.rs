//! When the next check is (rules 1, 6 and 12).

use std::time::Duration;

use health_spec::Phase;

use super::Server;
use crate::machine::Mono;
use crate::machine::memory::{Recovery, ServerMemory};
use crate::machine::policy::Policy;

/// First checks after start: at most 500 a second (rule 12).
const FIRST_CHECK_DISTANCE: Duration = Duration::from_millis(2);

/// Checks are grouped into slots, since wake-ups cost more than checks (rule 12). The narrowest are this wide.
const SLOT: Duration = Duration::from_millis(10);

/// An interval has at most so many slots: then those of rare checks are worth their wake-ups too.
const SLOTS: u32 = 1_000;

/// How wide the slots of this interval are. A whole number of them fits into it where they are wider than the narrowest, so that its gaps are
/// all the same.
fn slot(interval: Duration) -> Duration {
    SLOT.max(interval / SLOTS)
}

/// How long the first check of the server waits that begins after so many others.
pub(in crate::machine) fn first_delay(others: usize) -> Duration {
    FIRST_CHECK_DISTANCE.saturating_mul(u32::try_from(others).unwrap_or(u32::MAX))
}

/// The next check of a server that an earlier run has left: as planned, or in its turn when that has passed. So a restart of
/// the monitor is no reason to check everybody again.
pub(super) fn next_after_a_break(left: &ServerMemory, policy: &Policy, first: Mono, now: Mono) -> Mono {
    // One that was given up, or asked to be left alone, is looked at up to `max_backoff` later.
    let is_rare = left.phase == Phase::Failed || left.alone_until.is_some_and(|until| until > now);
    // A server's share of the interval may lie half of it later. Still further ahead is one whose interval was longer then.
    let furthest = policy.interval.saturating_mul(2).max(if is_rare { policy.max_backoff } else { Duration::ZERO });
    left.next_check.filter(|at| *at > now && at.since(now) <= furthest).unwrap_or(first)
}

impl Server {
    /// The distance from one check to the next in the present phase. Whoever has just been started, by a person or its engine, has its grace
    /// to come up in, also where no recovery is left.
    fn pace(&self, now: Mono) -> Duration {
        let confirming = self.state.successes > 0 || (self.state.phase != Phase::Stopped && self.is_in_grace(now));
        match self.state.phase {
            Phase::Starting | Phase::Suspect | Phase::Recovering => self.policy.confirm_interval,
            Phase::Down | Phase::Stopped | Phase::Failed if confirming => self.policy.confirm_interval,
            // A reload may have made `max_backoff` shorter since.
            Phase::Failed => self.state.distance.min(self.policy.max_backoff),
            Phase::Healthy | Phase::Down | Phase::Stopped => self.policy.interval,
        }
    }

    /// The next check comes one pace after the last one's start, or after the moment that takes its place.
    pub(super) fn schedule(&mut self, now: Mono) {
        if self.flight.is_some() || matches!(self.state.recovery, Recovery::Acting { .. }) {
            self.state.next_check = None;
            return;
        }
        self.queued = false;
        let next = self.state.pace_from.after(self.pace(now));
        let spread = self.place.filter(|_| self.state.phase == Phase::Healthy);
        let next = spread.map_or(next, |place| in_slot(next, self.policy.interval, place));
        self.state.next_check = Some(self.not_before(next.max(now)));
    }

    /// A server that asked to be left alone is, up to `max_backoff` (section 1.1), whatever phase it is in. Its next answer, its death, its
    /// start or an action of ours ends that.
    pub(super) fn leave_alone(&mut self, now: Mono, wanted: Option<Duration>) {
        self.state.alone_until = wanted.map(|wanted| now.after(wanted.min(self.policy.max_backoff)));
    }

    /// The next check is due now.
    pub(super) fn check_at_once(&mut self, now: Mono) {
        self.drop_check();
        self.state.next_check = Some(self.not_before(now));
    }

    /// It was started so short a time ago that it need not answer yet.
    pub(super) fn is_in_grace(&self, now: Mono) -> bool {
        now < self.state.grace_until
    }

    fn not_before(&self, wanted: Mono) -> Mono {
        self.state.alone_until.map_or(wanted, |until| until.max(wanted))
    }
}

/// The moment nearest to `wanted` that belongs to this server's share of the interval, on the grid of slots.
///
/// The shares of neighbours differ by the golden ratio, so that any number of servers is spread evenly.
fn in_slot(wanted: Mono, interval: Duration, place: usize) -> Mono {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    #[expect(clippy::cast_precision_loss, reason = "a fleet has less than 2^52 servers")]
    let share = (place as f64 * GOLDEN).fract();
    let offset = interval.mul_f64(share).as_micros();
    let (interval, slot) = (interval.as_micros().max(1), slot(interval).as_micros());
    let rounds = (wanted.0.as_micros() + interval / 2).saturating_sub(offset) / interval;
    let at = (rounds * interval + offset).div_ceil(slot) * slot;
    Mono(Duration::from_micros(u64::try_from(at).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_kept_from_round_to_round() {
        for interval in [1_000, 9_990, 30_000, 31_000, 45_500, 600_000].map(Duration::from_millis) {
            for place in 0..100 {
                let first = in_slot(Mono(Duration::from_secs(700)), interval, place);
                assert_eq!(in_slot(first.after(interval), interval, place), first.after(interval), "{interval:?} {place}");
            }
        }
    }

    #[test]
    fn rare_checks_share_a_wake_up_too() {
        for (seconds, milliseconds) in [(1, 10), (10, 10), (30, 30), (600, 600)] {
            assert_eq!(slot(Duration::from_secs(seconds)), Duration::from_millis(milliseconds));
        }
        let interval = Duration::from_secs(30);
        let moments = (0..10_000).map(|place| in_slot(Mono(Duration::from_secs(3000)), interval, place));
        let wakes: std::collections::BTreeSet<_> = moments.collect();
        assert!(wakes.len() <= 1_001, "{}", wakes.len());
    }

    #[test]
    fn the_shares_of_a_fleet_are_even() {
        let interval = Duration::from_secs(30);
        let mut buckets = [0; 30];
        for place in 0..900 {
            let at = in_slot(Mono(Duration::from_secs(3000)), interval, place);
            buckets[usize::try_from(at.0.as_secs() % 30).expect("small")] += 1;
        }
        assert!(buckets.iter().all(|count| (25..=35).contains(count)), "{buckets:?}");
    }

    #[test]
    fn a_slot_is_never_far_from_what_was_wanted() {
        let interval = Duration::from_secs(30);
        for place in 0..100 {
            let wanted = Mono(Duration::from_millis(61_234));
            let at = in_slot(wanted, interval, place);
            let distance = at.since(wanted).max(wanted.since(at));
            assert!(distance <= interval / 2 + slot(interval), "{place}: {distance:?}");
        }
    }
}
