//! What the supervisor of one server is asked for, and why that may fail.

use std::io;

use health_spec::registry::ProcessLog;
use thiserror::Error;
use tokio::sync::oneshot;

use super::{group::GroupError, program::Program, record::RecordError};

/// A restart did not come to its end.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// What we are about to do could not be written down, so it was not done.
    #[error("nothing was done")]
    Record(#[from] RecordError),
    /// The old one could not be stopped.
    #[error("the server could not be stopped")]
    Stop(#[from] GroupError),
    /// The new one could not be started.
    #[error("{0}")]
    Start(String),
    /// The orchestrator is shutting down.
    #[error("the orchestrator is shutting down")]
    ShuttingDown,
}

impl ProcessError {
    /// Nobody can say which processes there are: that is no fault of the server's.
    pub fn is_unseen(&self) -> bool {
        matches!(self, Self::Stop(GroupError::Unseen(_)))
    }
}

impl From<io::Error> for ProcessError {
    fn from(unseen: io::Error) -> Self {
        Self::Stop(GroupError::Unseen(unseen))
    }
}

/// What is asked of the supervisor of one server.
#[derive(Debug)]
pub enum Order {
    /// Restart it, and say how that went.
    Restart(oneshot::Sender<Result<(), ProcessError>>),
    /// From the next start on it is this; so much of its log is kept from now on.
    Become(Box<Program>, ProcessLog),
    /// It is no longer registered: leave it alone, running or not, and say when what was being done to it is at its end.
    LetGo(oneshot::Sender<()>),
}
