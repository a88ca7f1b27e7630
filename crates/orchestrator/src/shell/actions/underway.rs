//! Which actions are on their way, so that one can be called off before it touches its server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::machine::Ticket;

/// By the serials of their tickets.
#[derive(Clone, Debug, Default)]
pub struct Underway(Arc<Mutex<HashMap<u64, CancellationToken>>>);

impl Underway {
    pub(super) fn begin(&self, ticket: Ticket) -> CancellationToken {
        self.lock().entry(ticket.serial).or_default().clone()
    }

    pub(super) fn end(&self, ticket: Ticket) {
        self.lock().remove(&ticket.serial);
    }

    /// One that has ended is no longer there.
    pub(super) fn abandon(&self, ticket: Ticket) {
        if let Some(called_off) = self.lock().get(&ticket.serial) {
            called_off.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
