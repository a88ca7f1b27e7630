//! Counts over a sliding window, in buckets. Pure: it is given the time.

use std::time::Duration;

/// A reading is then at most a twelfth of the window too old.
const BUCKETS: usize = 12;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A call that was served.
    Served,
    /// The server's fault.
    Failed,
    /// Tells nothing about the server's work: small talk, the client's fault, or the client left.
    Neutral,
}

/// What happened within the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Calls that ended.
    pub(super) calls: u32,
    /// Those of them that failed.
    pub(super) failed: u32,
    /// The calls, and whatever else was slow: a client that leaves after a minute has waited for a minute.
    pub(super) timed: u32,
    /// Those of them that were slow.
    pub(super) slow: u32,
}

/// The buckets of the last window.
#[derive(Clone, Debug)]
pub(super) struct Window {
    width: u64,
    buckets: [Bucket; BUCKETS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Which slice of time it holds; counted from 1, so that a fresh bucket holds none.
    slice: u64,
    totals: Totals,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        Self { width: (nanos(length) / BUCKETS as u64).max(1), buckets: [Bucket::default(); BUCKETS] }
    }

    /// Counts one request that ended `now`.
    pub(super) fn record(&mut self, now: Duration, outcome: Outcome, slow: bool) {
        let slice = self.slice(now);
        let bucket = &mut self.buckets[index(slice)];
        if bucket.slice != slice {
            *bucket = Bucket { slice, totals: Totals::default() };
        }
        bucket.totals.add(&Totals::of(outcome, slow));
    }

    /// What happened in the window that ends `now`.
    pub(super) fn totals(&self, now: Duration) -> Totals {
        let newest = self.slice(now);
        let mut totals = Totals::default();
        for bucket in self.buckets.iter().filter(|bucket| bucket.slice + BUCKETS as u64 > newest) {
            totals.add(&bucket.totals);
        }
        totals
    }

    fn slice(&self, now: Duration) -> u64 {
        nanos(now) / self.width + 1
    }
}

impl Totals {
    fn of(outcome: Outcome, slow: bool) -> Self {
        let call = outcome != Outcome::Neutral;
        let failed = outcome == Outcome::Failed;
        Self { calls: call.into(), failed: failed.into(), timed: (call || slow).into(), slow: slow.into() }
    }

    fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failed = self.failed.saturating_add(other.failed);
        self.timed = self.timed.saturating_add(other.timed);
        self.slow = self.slow.saturating_add(other.slow);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is below 12")]
fn index(slice: u64) -> usize {
    (slice % BUCKETS as u64) as usize
}

/// 584 years fit.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_ended_counts_for_the_length_of_the_window() {
        let mut window = Window::new(MINUTE);
        window.record(at(2), Outcome::Failed, false);
        window.record(at(31), Outcome::Served, true);
        let totals = |calls, failed, slow| Totals { calls, failed, timed: calls, slow };
        let cases =
            [(31, totals(2, 1, 1)), (59, totals(2, 1, 1)), (60, totals(1, 0, 1)), (89, totals(1, 0, 1)), (90, totals(0, 0, 0))];
        for (now, expected) in cases {
            assert_eq!(window.totals(at(now)), expected, "at {now} s");
        }
    }

    #[test]
    fn a_bucket_is_used_again_without_its_old_content() {
        let mut window = Window::new(MINUTE);
        window.record(at(0), Outcome::Failed, false);
        window.record(at(600), Outcome::Served, false);
        assert_eq!(window.totals(at(600)), Totals { calls: 1, failed: 0, timed: 1, slow: 0 });
    }

    #[test]
    fn what_is_neutral_counts_only_when_it_was_slow() {
        let mut window = Window::new(MINUTE);
        window.record(at(0), Outcome::Neutral, false);
        assert_eq!(window.totals(at(0)), Totals::default());
        window.record(at(0), Outcome::Neutral, true);
        assert_eq!(window.totals(at(0)), Totals { calls: 0, failed: 0, timed: 1, slow: 1 });
    }

    proptest! {
        #[test]
        fn it_counts_what_a_list_of_everything_would(mut ends in prop::collection::vec(0_u64..300, 0..50), length in 1_u64..100) {
            ends.sort_unstable();
            let mut window = Window::new(at(length));
            for end in &ends {
                window.record(at(*end), Outcome::Served, false);
            }
            let now = ends.last().copied().unwrap_or(0);
            let slice = |end: u64| nanos(at(end)) / (nanos(at(length)) / 12);
            let expected = ends.iter().filter(|end| slice(now) - slice(**end) < 12).count();
            prop_assert_eq!(window.totals(at(now)).calls as usize, expected);
        }
    }
}
