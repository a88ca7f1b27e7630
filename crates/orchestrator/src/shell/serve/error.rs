//! Why the orchestrator does not run.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::shell::api::TokenError;
use crate::shell::config::{LoadError, Problem};
use crate::shell::journal::JsonlError;
use crate::shell::reload::WatchError;
use crate::shell::store::StoreError;

/// Why the orchestrator does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Changes of the configuration cannot be noticed.
    #[error(transparent)]
    Watch(WatchError),
    /// The configuration is wrong.
    #[error(transparent)]
    Configuration(#[from] LoadError),
    /// The configuration is well formed, but does not fit this machine.
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n\n"))]
    Unfit(Vec<Problem>),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}; is another program there? {flag} names another address")]
    Bind {
        /// Which one.
        address: SocketAddr,
        /// What to change.
        flag: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// Anybody could read.
    #[error(
        "{address} can be reached from other machines, and anybody there could read everything; listen on 127.0.0.1, or say --insecure"
    )]
    Exposed {
        /// Which one.
        address: SocketAddr,
    },
    /// The state directory.
    #[error("cannot keep the state in {directory}; --state-dir names another place")]
    State {
        /// Which one.
        directory: PathBuf,
        /// The cause.
        source: StoreError,
    },
    /// The event log.
    #[error(transparent)]
    Log(#[from] JsonlError),
    /// The operator token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// No thread.
    #[error("cannot start the journal's thread")]
    Thread(#[source] std::io::Error),
    /// The recording.
    #[error("cannot record to {}", path.display())]
    Record {
        /// The file.
        path: std::path::PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The embedded gateway.
    #[cfg(feature = "gateway")]
    #[error("the gateway cannot start")]
    Gateway(#[from] gateway::BindError),
    /// A defect of ours.
    #[error(
        "a part of the orchestrator has failed: {0}; the servers were left as they are, and the next start goes on from here"
    )]
    PartFailed(String),
    /// A defect of ours.
    #[error("the driver has failed; the servers were left as they are")]
    DriverFailed,
    /// A defect of ours.
    #[error("the journal has failed; the log may lack its last events")]
    JournalPanicked,
}
