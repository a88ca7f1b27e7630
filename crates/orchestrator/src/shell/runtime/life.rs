//! What is known of a server's container or process, without a question to the server.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use super::process::wire::Wire;
use crate::machine::ServerId;

/// What is known of a server's container or process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// It runs; nothing more is known about it.
    Running,
    /// It runs, and its HEALTHCHECK is content.
    Healthy,
    /// It runs, and its HEALTHCHECK has not said anything yet.
    Unproven,
    /// It runs, and its HEALTHCHECK is not content: what it said last.
    Unhealthy(String),
    /// It does not run, and why.
    NotRunning(String),
    /// Its processes are frozen: somebody paused it.
    Frozen,
    /// Nobody can say at the moment: the engine is away.
    Unknown(String),
}

/// Whoever runs the servers.
pub trait Lives: Debug + Send + Sync {
    /// What is known of it now. Never waits.
    fn life(&self, server: ServerId) -> Life;

    /// Waits until that is no longer [`Life::Unknown`].
    fn known(&self, server: ServerId) -> BoxFuture<'_, ()>;

    /// The pipes of its child, if it is spoken with through them.
    fn wire(&self, server: ServerId) -> Option<Wire>;
}
