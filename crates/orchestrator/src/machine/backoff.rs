//! The delays before recovery attempts, and how many there are.

use std::time::Duration;

/// A checked backoff.
#[derive(Clone, Debug, PartialEq)]
pub enum Backoff {
    /// One delay an attempt.
    Schedule(Vec<Duration>),
    /// Each delay is the one before times `multiplier`.
    Exponential {
        /// Before attempt 1.
        initial: Duration,
        /// At least 1.
        multiplier: f64,
        /// The longest delay.
        max: Duration,
        /// How many attempts.
        attempts: u32,
    },
}

impl Backoff {
    /// How many attempts there are.
    pub fn attempts(&self) -> u32 {
        match self {
            Self::Schedule(delays) => u32::try_from(delays.len()).unwrap_or(u32::MAX),
            Self::Exponential { attempts, .. } => *attempts,
        }
    }

    /// The delay before the attempt that follows `made` attempts; `None` when none is left.
    pub fn delay_after(&self, made: u32) -> Option<Duration> {
        if made >= self.attempts() {
            return None;
        }
        match self {
            Self::Schedule(delays) => delays.get(made as usize).copied(),
            Self::Exponential { initial, multiplier, max, .. } => Some(grown(*initial, *multiplier, made, *max)),
        }
    }
}

/// `initial * multiplier ^ steps`, at most `max`. Beyond what a `Duration` holds it is `max` too.
fn grown(initial: Duration, multiplier: f64, steps: u32, max: Duration) -> Duration {
    let seconds = initial.as_secs_f64() * multiplier.powi(i32::try_from(steps).unwrap_or(i32::MAX));
    // Whole microseconds, so that 0.1 s grows to 0.2 s and not to 0.200000001 s.
    let seconds = (seconds * 1e6).round() / 1e6;
    Duration::try_from_secs_f64(seconds).unwrap_or(max).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(backoff: &Backoff) -> Vec<f64> {
        (0..).map_while(|made| backoff.delay_after(made)).map(|delay| delay.as_secs_f64()).collect()
    }

    #[test]
    fn a_schedule_is_its_delays() {
        let backoff = Backoff::Schedule([1, 5, 30].map(Duration::from_secs).to_vec());
        assert_eq!(seconds(&backoff), [1.0, 5.0, 30.0]);
    }

    #[test]
    fn an_exponential_backoff_grows_up_to_its_limit() {
        let backoff =
            Backoff::Exponential { initial: Duration::from_secs(1), multiplier: 2.0, max: Duration::from_secs(5), attempts: 5 };
        assert_eq!(seconds(&backoff), [1.0, 2.0, 4.0, 5.0, 5.0]);
    }

    proptest! {
        #[test]
        fn delays_never_shrink_and_never_pass_the_limit(
            initial in 0u64..100_000, multiplier in 1.0f64..50.0, limit in 0u64..1_000_000, attempts in 1u32..2000,
        ) {
            let max = Duration::from_secs(limit);
            let backoff = Backoff::Exponential { initial: Duration::from_secs(initial), multiplier, max, attempts };
            let delays: Vec<_> = (0..attempts).map(|made| backoff.delay_after(made).expect("an attempt is left")).collect();
            prop_assert!(delays.is_sorted());
            prop_assert!(delays.iter().all(|delay| *delay <= max));
            prop_assert_eq!(backoff.delay_after(attempts), None);
        }
    }
}
