//! The order in which things become true: first the database, then the JSONL line, then everybody hears of it.
//!
//! A thread of its own writes, so that a slow disk holds up no other task. The driver's loop waits for each batch but the routine ones: what
//! is not on disk must not be acted upon, and a disk that never answers stops it. After a crash, or when it could not be written for a while, the JSONL
//! log is mended from the database: a torn last line is cut off, and what is missing is appended.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::causes::causes;
use super::store::{Batch, Store, StoreError, Well};

mod jsonl;

pub use jsonl::{Jsonl, JsonlError};

/// Batches and notes that may wait for the disk. The driver has one batch under way, so more than one is rare.
const QUEUE: usize = 8;

enum Request {
    Commit { batch: Box<Batch>, durable: bool, done: oneshot::Sender<Result<Logged, StoreError>> },
    Note(Note, oneshot::Sender<Result<(), StoreError>>),
}

/// What is kept beside the events.
enum Note {
    Evidence { incident: u64, json: Arc<str> },
    Well { server: String, json: String },
}

/// Why the JSONL log lacks the last events; `None` when it has them all.
pub type Logged = Option<String>;

/// Where the answer about a batch comes.
pub type Answer = oneshot::Receiver<Result<Logged, StoreError>>;

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

    /// Hands a batch over; when the answer comes it is in the database, and in the log unless the answer says otherwise.
    pub async fn begin(&self, batch: Batch, durable: bool) -> Result<Answer, StoreError> {
        let (done, answer) = oneshot::channel();
        let request = Request::Commit { batch: Box::new(batch), durable, done };
        self.requests.send(request).await.map_err(|_| gone())?;
        Ok(answer)
    }

    /// Keeps what is no event, for as long as the journal lives.
    pub fn notes(&self) -> Notes {
        Notes(self.requests.downgrade())
    }
}

/// Keeps evidence. It does not keep the journal from ending.
#[derive(Clone, Debug)]
pub struct Notes(mpsc::WeakSender<Request>);

impl Notes {
    /// The evidence of an incident; it is on disk when this returns.
    pub async fn evidence(&self, incident: u64, json: Arc<str>) -> Result<(), StoreError> {
        self.note(Note::Evidence { incident, json }).await
    }

    /// What a server was made of while it was well.
    pub async fn well(&self, server: &str, well: &Well) -> Result<(), StoreError> {
        let failed = |source| StoreError::Record { name: server.to_owned(), source };
        let json = serde_json::to_string(well).map_err(failed)?;
        self.note(Note::Well { server: server.to_owned(), json }).await
    }

    async fn note(&self, note: Note) -> Result<(), StoreError> {
        let (done, written) = oneshot::channel();
        let requests = self.0.upgrade().ok_or_else(gone)?;
        requests.send(Request::Note(note, done)).await.map_err(|_| gone())?;
        // Held no longer, so that the journal can end.
        drop(requests);
        written.await.map_err(|_| gone())?
    }
}

/// What has become of a batch.
pub async fn answered(answer: &mut Answer) -> Result<Logged, StoreError> {
    answer.await.map_err(|_| gone())?
}

fn gone() -> StoreError {
    StoreError::File { path: PathBuf::from("journal"), source: std::io::ErrorKind::BrokenPipe.into() }
}

fn write(mut store: Store, mut log: Option<Jsonl>, mut inbox: mpsc::Receiver<Request>) {
    while let Some(request) = inbox.blocking_recv() {
        let (batch, durable, done) = match request {
            Request::Commit { batch, durable, done } => (batch, durable, done),
            Request::Note(note, done) => {
                let result = match note {
                    Note::Evidence { incident, json } => store.put_evidence(incident, &json),
                    Note::Well { server, json } => store.put_well(&server, &json),
                };
                // Whoever waited may have gone.
                let _ = done.send(result);
                continue;
            }
        };
        let result = store.commit(&batch, durable).map(|()| {
            // The database has the events; the log is mended from it as soon as that can be done.
            let events = batch.events.iter().map(|event| (event.seq, &*event.json));
            log.as_mut().and_then(|log| log.append(events).err()).map(|error| causes(&error))
        });
        // The driver may have gone; then nobody waits for the answer.
        let _ = done.send(result);
    }
}
