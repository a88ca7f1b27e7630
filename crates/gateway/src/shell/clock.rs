//! The one place that reads the clock and draws chances.

use std::hash::{BuildHasher, RandomState};

use jiff::Timestamp;

/// When something happened.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// A number that is different each time. Not a secret.
pub(crate) fn number() -> u64 {
    RandomState::new().hash_one(())
}

/// A chance in 0..1.
pub(crate) fn chance() -> f64 {
    f64::from(u16::try_from(number() >> 48).unwrap_or_default()) / 65_536.0
}
