//! Where servers come from: orchestrators, over one of the carriers. Above the carrier everything is the same.

use health_spec::{Event, ServerView, Snapshot};
use tokio::sync::mpsc;

/// What a source says.
#[derive(Clone, Debug)]
pub enum Frame {
    /// Everything, as of its `seq`. It replaces all that was known of this source.
    Snapshot(Box<Snapshot>),
    /// One event, and the server it concerns as it is afterwards.
    Event {
        /// The event.
        event: Box<Event>,
        /// The server afterwards, when the event concerns one.
        view: Option<Box<ServerView>>,
    },
    /// The source cannot be reached.
    Lost {
        /// The cause, for people.
        reason: String,
    },
}

/// An orchestrator to follow.
#[derive(Debug)]
pub enum Source {
    /// In the same process.
    Channel(mpsc::Receiver<Frame>),
    /// Over HTTP: its base address.
    Http(String),
}
