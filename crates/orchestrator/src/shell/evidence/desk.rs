//! One look at a server at a time, and what is remembered between two of them.

use std::sync::Arc;
use std::time::Duration;

use health_spec::incident::Capture;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, timeout};

use super::container::Seen;
use super::found::{Found, Mark};
use super::subject::Source;

/// What is remembered of a server between two looks. One look at a time.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// Where its log ended before the last action.
    pub(super) mark: Option<Mark>,
    /// The incident that was looked at last, and when that ended.
    pub(super) looked: Option<(u64, Instant)>,
    /// What was found before an action outside of an incident: an operator's restart. Rare and large, and a desk is kept of every server.
    pub(super) spare: Option<Box<(Instant, Capture)>>,
    /// Its container, when it was last found.
    pub(super) container: Option<Seen>,
}

impl Desk {
    /// Remembers which container it was, whatever that is called later.
    pub(super) fn remember(&mut self, source: &Source, found: &Found) {
        let id = found.state.as_ref().and_then(|state| state.id.clone());
        if let (Source::Container { container, .. }, Some(id)) = (source, id) {
            self.container = Some(Seen { wanted: container.clone(), id });
        }
    }
}

/// A server's turn at its desk: taken in the order in which things happened.
#[derive(Debug)]
pub struct Turn {
    desk: Arc<Mutex<Desk>>,
    taken: Option<OwnedMutexGuard<Desk>>,
}

impl Turn {
    /// At this desk; taken at once when nobody is there.
    pub(super) fn at(desk: Arc<Mutex<Desk>>) -> Self {
        let taken = Arc::clone(&desk).try_lock_owned().ok();
        Self { desk, taken }
    }

    /// `None` when those before take longer than that.
    pub(super) async fn wait(self, patience: Duration) -> Option<OwnedMutexGuard<Desk>> {
        match self.taken {
            Some(taken) => Some(taken),
            None => timeout(patience, self.desk.lock_owned()).await.ok(),
        }
    }
}
