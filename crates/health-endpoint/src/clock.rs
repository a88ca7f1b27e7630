//! The one place that reads clocks. Decides nothing.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

// The process's own start is not portable to ask for; the first use of this crate is close enough,
// and unlike the birth of one `Health` it never goes backwards while the process lives.
#[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
static PROCESS_START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// One moment on the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// For the wire.
    pub(crate) wall: Timestamp,
    /// Since the clock was made, for measuring; a set clock does not move it.
    pub(crate) elapsed: Duration,
}

/// Counts from when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts to count.
    pub(crate) fn start() -> Self {
        LazyLock::force(&PROCESS_START);
        Self { start: Instant::now() }
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
    pub(crate) fn now(self) -> Moment {
        Moment { wall: Timestamp::now(), elapsed: self.elapsed() }
    }

    /// The measuring half of [`Clock::now`], for what happens too often to ask for both.
    pub(crate) fn elapsed(self) -> Duration {
        Instant::now().saturating_duration_since(self.start)
    }

    /// Since this process first used the crate.
    pub(crate) fn uptime() -> Duration {
        PROCESS_START.elapsed()
    }
}
