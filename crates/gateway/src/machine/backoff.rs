//! How long to wait before a lost source is tried again.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(500);

/// The longest wait: an operator who restarts an orchestrator sees it back within seconds.
const LONGEST: Duration = Duration::from_secs(10);

/// The wait after `failures` failed tries in a row (at least one). `chance` in 0..1 spreads many gateways over the
/// upper half of the wait.
pub(crate) fn delay(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    doubled.min(LONGEST).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_a_ceiling() {
        for (failures, millis) in [(0, 500), (1, 500), (2, 1000), (3, 2000), (5, 8000), (6, 10_000), (u32::MAX, 10_000)] {
            assert_eq!(delay(failures, 1.0), Duration::from_millis(millis), "{failures}");
            assert_eq!(delay(failures, 0.0), Duration::from_millis(millis) / 2, "{failures}");
        }
    }
}
