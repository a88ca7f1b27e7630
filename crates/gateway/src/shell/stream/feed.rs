//! What one stream client reads, at its own pace.

use std::sync::Arc;

use tokio::sync::watch;

use super::super::hub::Hub;
use crate::machine::cursor::Place;
use crate::machine::filter::Filter;
use crate::machine::message::Text;
use crate::machine::reader::{Ahead, Reader};

/// How many messages are taken at once: few enough that the lock is held briefly and a slow client holds little.
const BATCH: usize = 64;

/// A client's place in what the hub knows.
#[derive(Debug)]
pub(crate) struct Feed {
    hub: Arc<Hub>,
    reader: Reader,
    changes: watch::Receiver<u64>,
}

impl Feed {
    /// Starts with the present state, or goes on after a cursor.
    pub(crate) fn new(hub: &Arc<Hub>, filter: Filter, cursor: Option<Vec<Place>>) -> Result<Self, Ahead> {
        let changes = hub.changes();
        let reader = hub.read(|state| match cursor {
            Some(cursor) => Reader::resume(state, filter, cursor),
            None => Ok(Reader::present(state, filter)),
        })?;
        Ok(Self { hub: Arc::clone(hub), reader, changes })
    }

    /// The next messages, at least one. Cancel safe: nothing is taken before it is given.
    pub(crate) async fn next(&mut self) -> Vec<Text> {
        loop {
            self.changes.mark_unchanged();
            let texts = self.hub.read(|state| self.reader.read(state, BATCH));
            if !texts.is_empty() {
                return texts;
            }
            if self.changes.changed().await.is_err() {
                // The hub is held by this feed, so it cannot be gone.
                std::future::pending::<()>().await;
            }
        }
    }
}
