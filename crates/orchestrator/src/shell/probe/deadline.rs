//! One deadline over all stages of a check, and how long each took.

use std::time::Duration;

use health_spec::verdict::Reason;
use tokio::time::{Instant, timeout_at};

use super::Fault;

/// A deadline that no clock can hold is this far away instead: a year.
const FOREVER: Duration = Duration::from_secs(365 * 86_400);

/// One for all stages; each says what was missing when it passed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Instant,
    timeout: Duration,
}

impl Deadline {
    pub(super) fn new(started: Instant, timeout: Duration) -> Self {
        Self { at: started.checked_add(timeout).unwrap_or(started + FOREVER), timeout }
    }

    pub(super) fn at(self) -> Instant {
        self.at
    }

    pub(super) async fn hold<T>(self, missing: &str, stage: impl Future<Output = T>) -> Result<T, Fault> {
        timeout_at(self.at, stage).await.map_err(|_| {
            let seconds = self.timeout.as_secs_f64();
            Fault::Server(Reason::Timeout, format!("{missing} within {seconds} s"))
        })
    }
}

/// For evidence: three digits are enough.
pub(super) fn milliseconds(duration: Duration) -> f32 {
    (duration.as_secs_f32() * 1_000_000.0).round() / 1_000.0
}
