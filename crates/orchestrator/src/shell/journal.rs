//! The order in which things become true: first the database, then the JSONL line, then everybody hears of it.
//!
//! A thread of its own writes, so that a slow disk never stops the driver's loop from being polled. After a crash, or when
//! it could not be written for a while, the JSONL log is mended from the database: a torn last line is cut off, and what is
//! missing is appended.

use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};

use super::causes::causes;
use super::store::{Batch, Store, StoreError};

mod jsonl;

pub use jsonl::{Jsonl, JsonlError};

/// Batches that may wait for the disk. The driver waits for each, so more than one is rare.
const QUEUE: usize = 8;

struct Request {
    batch: Batch,
    durable: bool,
    done: oneshot::Sender<Result<Logged, StoreError>>,
}

/// Why the JSONL log lacks the last events; `None` when it has them all.
pub type Logged = Option<String>;

/// Hands batches to the writer.
#[derive(Debug)]
pub struct Journal {
    requests: mpsc::Sender<Request>,
}

impl Journal {
    /// Starts the writer. It ends when the journal is dropped and everything is written.
    pub fn start(store: Store, log: Option<Jsonl>) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (requests, inbox) = mpsc::channel(QUEUE);
        let writer = std::thread::Builder::new().name("journal".to_owned()).spawn(move || write(store, log, inbox))?;
        Ok((Self { requests }, writer))
    }

    /// Writes a batch; when this returns it is in the database, and in the log unless the answer says otherwise.
    pub async fn commit(&self, batch: Batch, durable: bool) -> Result<Logged, StoreError> {
        let (done, written) = oneshot::channel();
        let gone = || StoreError::File { path: PathBuf::from("journal"), source: std::io::ErrorKind::BrokenPipe.into() };
        self.requests.send(Request { batch, durable, done }).await.map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }
}

fn write(mut store: Store, mut log: Option<Jsonl>, mut inbox: mpsc::Receiver<Request>) {
    while let Some(Request { batch, durable, done }) = inbox.blocking_recv() {
        let result = store.commit(&batch, durable).map(|()| {
            // The database has the events; the log is mended from it as soon as that can be done.
            let events = batch.events.iter().map(|event| (event.seq, &*event.json));
            log.as_mut().and_then(|log| log.append(events).err()).map(|error| causes(&error))
        });
        // The driver may have gone; then nobody waits for the answer.
        let _ = done.send(result);
    }
}
