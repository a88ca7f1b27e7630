//! Which actions are on their way. Each waits for leave before it touches its server, and can be called off until then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::machine::Ticket;

/// By the serials of their tickets.
#[derive(Clone, Debug, Default)]
pub struct Underway(Arc<Mutex<HashMap<u64, watch::Sender<Leave>>>>);

/// Whether an action may touch its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Leave {
    #[default]
    Open,
    Given,
    Refused,
}

/// What an action holds while it is on its way.
#[derive(Debug)]
pub(super) struct Permit(watch::Receiver<Leave>);

impl Permit {
    /// Somebody stops the server.
    pub(super) fn is_refused(&self) -> bool {
        *self.0.borrow() == Leave::Refused || self.0.has_changed().is_err()
    }

    /// Waits until it is decided. Not given where nobody is left to decide.
    pub(super) async fn is_given(&mut self) -> bool {
        let decided = self.0.wait_for(|leave| *leave != Leave::Open).await;
        decided.is_ok_and(|leave| *leave == Leave::Given)
    }
}

impl Underway {
    pub(super) fn begin(&self, ticket: Ticket) -> Permit {
        Permit(self.lock().entry(ticket.serial).or_default().subscribe())
    }

    pub(super) fn end(&self, ticket: Ticket) {
        self.lock().remove(&ticket.serial);
    }

    /// The action may touch its server. One that has ended is no longer there.
    pub fn proceed(&self, ticket: Ticket) {
        self.decide(ticket, Leave::Given);
    }

    /// The action does not touch its server, unless it may already.
    pub fn abandon(&self, ticket: Ticket) {
        self.decide(ticket, Leave::Refused);
    }

    /// Nobody is left to decide.
    pub fn abandon_all(&self) {
        self.lock().clear();
    }

    fn decide(&self, ticket: Ticket, leave: Leave) {
        if let Some(action) = self.lock().get(&ticket.serial) {
            action.send_if_modified(|known| {
                let is_open = *known == Leave::Open;
                if is_open {
                    *known = leave;
                }
                is_open
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, watch::Sender<Leave>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
