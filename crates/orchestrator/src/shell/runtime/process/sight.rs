//! Whether this machine shows its processes. While it does not, nothing is started, since it might run twice, and nothing is said to have
//! died: it is the monitor that cannot look, and it tries again.

use std::future;

use tokio::time::{Instant, sleep_until};

use super::order::ProcessError;
use crate::shell::causes::causes;
use crate::shell::runtime::pause::Pause;
use crate::shell::runtime::reporter::Reporter;

/// Of one supervisor.
#[derive(Debug, Default)]
pub(super) struct Sight {
    has_begun: bool,
    /// While nothing can be seen: when to look again.
    lost: Option<(Pause, Instant)>,
}

impl Sight {
    /// Whether the server was begun with.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Returns when it is time to look again; cancel-safe.
    pub(super) async fn is_due(&self) {
        match self.lost {
            Some((_, at)) => sleep_until(at).await,
            None => future::pending().await,
        }
    }

    /// Nothing can be seen, and why.
    pub(super) async fn lost(&mut self, error: &ProcessError, reporter: &Reporter) {
        let mut pause = self.lost.map(|(pause, _)| pause).unwrap_or_default();
        let at = Instant::now() + pause.next();
        self.lost = Some((pause, at));
        reporter.blind(causes(error), !self.has_begun).await;
    }

    /// It can be seen.
    pub(super) async fn regained(&mut self, reporter: &Reporter) {
        self.has_begun = true;
        if self.lost.take().is_some() {
            reporter.sees().await;
        }
    }
}
