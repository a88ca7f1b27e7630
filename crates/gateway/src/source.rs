//! Where servers come from: orchestrators, over one of the carriers. Above the carrier everything is the same.

use health_spec::{Event, ServerView, Snapshot};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

/// What a source says.
///
/// Events come in the order of their `seq` and without holes; what is missing between two of them is told to
/// stream clients as a gap. What was already said is ignored.
#[derive(Clone, Debug)]
pub enum Frame {
    /// Everything, as of its `seq`, which the next event follows. It replaces all that was known of this source.
    Snapshot(Box<Snapshot>),
    /// A snapshot, with events from before it to follow: those after `since`. They are told to clients, but change
    /// nothing that the snapshot says.
    Joined {
        /// Everything, as of its `seq`.
        snapshot: Box<Snapshot>,
        /// The `seq` that the next event follows.
        since: u64,
    },
    /// One event, and the server it concerns as it is afterwards.
    Event {
        /// The event.
        event: Box<Event>,
        /// The server afterwards, when the event concerns one.
        view: Option<Box<ServerView>>,
    },
    /// As [`Frame::Event`], with every field as it was sent: types and fields of later versions are passed on.
    Verbatim {
        /// What this version can read of it.
        event: Box<Event>,
        /// All of it.
        fields: Map<String, Value>,
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
    /// In the same process. When every sender is gone, the source is lost for good.
    Channel(mpsc::Receiver<Frame>),
    /// Over HTTP: its base address, such as `http://127.0.0.1:8090`.
    Http(String),
}
