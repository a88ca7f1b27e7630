//! Whether a budget can ever bite: how many attempts a backoff makes in a window, at the very most.

use std::collections::VecDeque;
use std::time::Duration;

use crate::machine::backoff::Backoff;

/// Attempts that are counted out; more than any budget that people write.
const COUNTED: u32 = 100_000;

/// The most attempts that lie less than `window` back whenever one is planned, if the server does its worst: it fails at once
/// after each attempt, and when none is left, as soon as it has been up for `reset_after`. Counts no further than `enough`.
pub(super) fn most_attempts(backoff: &Backoff, reset_after: Duration, window: Duration, enough: u32) -> u32 {
    let mut spent = VecDeque::new();
    let (mut now, mut made, mut most, mut round) = (Duration::ZERO, 0, 0, None);
    for _ in 0..COUNTED {
        let Some(delay) = backoff.delay_after(made) else {
            now = now.saturating_add(reset_after);
            made = 0;
            // From here on it repeats itself.
            if now > window.saturating_add(*round.get_or_insert(now)) {
                return most;
            }
            continue;
        };
        while spent.front().is_some_and(|at| now.saturating_sub(*at) >= window) {
            spent.pop_front();
        }
        most = most.max(u32::try_from(spent.len()).unwrap_or(u32::MAX));
        if most >= enough {
            return most;
        }
        now = now.saturating_add(delay);
        made += 1;
        spent.push_back(now);
    }
    if now > window { most } else { u32::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(seconds: &[u64]) -> Backoff {
        Backoff::Schedule(seconds.iter().map(|seconds| Duration::from_secs(*seconds)).collect())
    }

    #[test]
    fn what_falls_into_a_window() {
        let seconds = Duration::from_secs;
        let cases = [
            (schedule(&[1, 5, 30]), 600, 60, 2),
            (schedule(&[1, 5, 30]), 600, 601, 2),
            (schedule(&[1, 5, 30]), 600, 636, 3),
            (schedule(&[1, 5, 30]), 600, 700, 5),
            (schedule(&[1]), 0, 10, 10),
            (schedule(&[100]), 100, 99, 0),
            (schedule(&[0]), 0, 1, 20),
        ];
        for (backoff, reset, window, expected) in cases {
            assert_eq!(most_attempts(&backoff, seconds(reset), seconds(window), 20), expected, "{backoff:?} {reset} {window}");
        }
    }

    #[test]
    fn a_long_series_is_not_counted_out() {
        let steady = |attempts| Backoff::Exponential {
            initial: Duration::from_secs(1),
            multiplier: 2.0,
            max: Duration::from_secs(300),
            attempts,
        };
        let (hour, day) = (Duration::from_secs(3_600), Duration::from_secs(86_400));
        assert!(most_attempts(&steady(u32::MAX), day, hour, 1_000) < 30);
        assert_eq!(most_attempts(&steady(u32::MAX), day, Duration::MAX, u32::MAX), u32::MAX);
    }
}
