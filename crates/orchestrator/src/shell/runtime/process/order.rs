//! What the supervisor of one server is asked for, and why that may fail.

use std::{io, time::Duration};

use health_spec::registry::ProcessLog;
use thiserror::Error;
use tokio::sync::oneshot;

use super::{group::GroupError, record::RecordError};

/// A restart did not come to its end.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// What we are about to do could not be written down, so it was not done.
    #[error(
        "the server was not touched, for what is to be done has to be on disk first; make room there, or let this user write"
    )]
    Record(#[from] RecordError),
    /// The old one could not be stopped.
    #[error("the server could not be stopped, so it was not started anew")]
    Stop(#[from] GroupError),
    /// The new one could not be started, so the old one goes on.
    #[error("the server was not touched, for it could not be started again: {0}")]
    Unstartable(String),
    /// The new one could not be started.
    #[error("{0}")]
    Start(String),
    /// Whether the new one can be started is not known yet.
    #[error(
        "the start of {program} has not ended within {} s, and is not begun anew before it has: a disk or a directory of users \
         that it needs does not answer; `ls` of these paths hangs as well where that is so",
        .after.as_secs_f64()
    )]
    Hangs {
        /// What is started, and where.
        program: String,
        /// How long it was waited for.
        after: Duration,
    },
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
        Self::Stop(unseen.into())
    }
}

/// What is asked of the supervisor of one server.
#[derive(Debug)]
pub enum Order {
    /// Restart it, and say how that went.
    Restart(oneshot::Sender<Result<(), ProcessError>>),
    /// What it is started and ended with is otherwise; so much of its log is kept from now on.
    Become(ProcessLog),
    /// It is no longer registered: leave it alone, running or not, and say when what was being done to it is at its end.
    LetGo(oneshot::Sender<()>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::causes::causes;
    use crate::shell::runtime::process::beside::hangs;

    #[test]
    fn an_error_says_where_and_what_to_do() {
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        let record = RecordError::Write { path: "/state/processes/a.json".into(), source: refused() };
        let cases = [
            (ProcessError::from(record), ["let this user write", "cannot write /state/processes/a.json: permission denied"]),
            (GroupError::Undying { pid: 7 }.into(), ["not started anew", "`ps -o stat,wchan -p 7`"]),
            (GroupError::Refused { pid: 7, source: refused() }.into(), ["process 7", "of the user"]),
            (GroupError::Unseen(refused()).into(), ["not started anew", "/proc: permission denied"]),
            (hangs(Duration::from_secs(30)).into(), ["hangs", "no end within 30 s"]),
            (
                ProcessError::Hangs { program: "\"a\" in \"/nfs\"".into(), after: Duration::from_secs(30) },
                ["\"/nfs\"", "within 30 s"],
            ),
        ];
        for (error, parts) in cases {
            let said = causes(&error);
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        }
    }
}
