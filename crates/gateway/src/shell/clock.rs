//! The one place that reads the clock and draws chances.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use jiff::Timestamp;

/// When something happened.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// For how long this process has been watching.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since(std::time::Instant);

impl Since {
    /// From now on.
    pub(crate) fn now() -> Self {
        Self(std::time::Instant::now())
    }

    /// Until now.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// A number that is different each time. Not a secret.
pub(crate) fn number() -> u64 {
    RandomState::new().hash_one(())
}

/// A chance in 0..1.
pub(crate) fn chance() -> f64 {
    f64::from(u16::try_from(number() >> 48).unwrap_or_default()) / 65_536.0
}
