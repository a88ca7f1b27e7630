//! Which actions are on their way. Each waits for leave before it touches its server, and can be called off until then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::machine::Ticket;

/// `None`: nobody is left to decide.
#[derive(Clone, Debug)]
pub struct Underway(Arc<Mutex<Option<Undecided>>>);

/// By the serials of their tickets.
type Undecided = HashMap<u64, watch::Sender<Leave>>;

/// Whether an action may touch its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Leave {
    #[default]
    Open,
    Given,
    /// And why.
    Refused(&'static str),
}

/// Why an attempt has failed that has done nothing.
pub(super) const CALLED_OFF: &str = "called off, since somebody stopped, restarted or signalled it before it was touched";

/// The same, when it could not be written down that it may.
const UNWRITTEN: &str = "nothing was done, since the state directory could not be written; `orchestrator status` says why";

/// The same, when nobody is left to decide.
pub(super) const ENDS: &str = "nothing was done, since the orchestrator ends";

/// What an action holds while it is on its way.
#[derive(Debug)]
pub(super) struct Permit(watch::Receiver<Leave>);

impl Permit {
    /// The error says why nothing is to be done any more.
    pub(super) fn is_open(&self) -> Result<(), &'static str> {
        match *self.0.borrow() {
            Leave::Refused(why) => Err(why),
            Leave::Open if self.0.has_changed().is_err() => Err(ENDS),
            Leave::Open | Leave::Given => Ok(()),
        }
    }

    /// Waits until it is decided.
    pub(super) async fn given(&mut self) -> Result<(), &'static str> {
        match self.0.wait_for(|leave| *leave != Leave::Open).await.as_deref() {
            Ok(Leave::Given) => Ok(()),
            Ok(Leave::Refused(why)) => Err(why),
            Ok(Leave::Open) | Err(_) => Err(ENDS),
        }
    }
}

impl Default for Underway {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some(HashMap::new()))))
    }
}

impl Underway {
    pub(super) fn begin(&self, ticket: Ticket) -> Permit {
        let (leave, permit) = watch::channel(Leave::Open);
        if let Some(actions) = &mut *self.lock() {
            actions.insert(ticket.serial, leave);
        }
        Permit(permit)
    }

    pub(super) fn end(&self, ticket: Ticket) {
        if let Some(actions) = &mut *self.lock() {
            actions.remove(&ticket.serial);
        }
    }

    /// The action may touch its server. One that has ended is no longer there.
    pub fn proceed(&self, ticket: Ticket) {
        self.decide(ticket, Leave::Given);
    }

    /// The action does not touch its server, unless it may already: somebody stops that.
    pub fn abandon(&self, ticket: Ticket) {
        self.decide(ticket, Leave::Refused(CALLED_OFF));
    }

    /// The same: that it may is not on disk.
    pub fn refuse_unwritten(&self, ticket: Ticket) {
        self.decide(ticket, Leave::Refused(UNWRITTEN));
    }

    /// Nobody is left to decide.
    pub fn close(&self) {
        *self.lock() = None;
    }

    fn decide(&self, ticket: Ticket, leave: Leave) {
        if let Some(action) = self.lock().as_ref().and_then(|actions| actions.get(&ticket.serial)) {
            action.send_if_modified(|known| {
                let is_open = *known == Leave::Open;
                if is_open {
                    *known = leave;
                }
                is_open
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Undecided>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
