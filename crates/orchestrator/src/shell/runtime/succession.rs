//! What a reload does not end: a recreate of a container that is not settled is settled by whoever has that container next.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, Notify};

use super::container::restart::Container;
use super::{ActionError, Handle, Runtimes};
use crate::machine::ServerId;

/// Containers that were let go, and may have left something in the middle; by the server, until it has a successor or is gone.
#[derive(Debug, Default)]
pub(super) struct Successions {
    open: std::sync::Mutex<HashMap<ServerId, Arc<Mutex<Container>>>>,
    one_has_ended: Notify,
}

impl Successions {
    fn begin(&self, server: ServerId, left: Arc<Mutex<Container>>) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(server, left);
    }

    fn open(&self, server: ServerId) -> Option<Arc<Mutex<Container>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&server).cloned()
    }

    /// It has a successor, or there is nothing to take over.
    pub(super) fn end(&self, server: ServerId) {
        if self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&server).is_some() {
            self.one_has_ended.notify_waiters();
        }
    }
}

impl Runtimes {
    /// Nobody restarts it any more. Of a container it is not known yet whether it leaves something in the middle.
    pub(super) fn depart(&self, server: ServerId) -> Option<Handle> {
        // Whoever sees that it has gone sees what it may have left as well.
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = handles.remove(&server);
        if let Some(Handle::Container(container, _)) = &handle {
            self.successions.begin(server, Arc::clone(container));
        }
        handle
    }

    /// Takes over what its predecessor has left in the middle, if that was the same container.
    pub(super) async fn succeed(&self, container: &mut Container) {
        let Some(left) = self.successions.open(container.server) else { return };
        let left = left.lock().await;
        if left.wanted == container.wanted && left.requests.same_channel(&container.requests) {
            container.unsettled |= left.unsettled;
            container.interrupted |= left.interrupted;
        }
    }

    /// The container of this server; one that is just being let go has a successor soon, or none. `None`: there is none.
    pub(super) async fn container_to_settle(&self, server: ServerId) -> Result<Option<Arc<Mutex<Container>>>, ActionError> {
        loop {
            let one_has_ended = self.successions.one_has_ended.notified();
            {
                let handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
                match handles.get(&server) {
                    Some(Handle::Container(container, _)) => return Ok(Some(Arc::clone(container))),
                    Some(Handle::Process(..) | Handle::Unit(_)) => return Ok(None),
                    None if self.successions.open(server).is_none() => return Ok(None),
                    None => {}
                }
            }
            tokio::select! {
                () = one_has_ended => {}
                () = self.cancel.cancelled() => return Err(ActionError::ShuttingDown),
            }
        }
    }
}
