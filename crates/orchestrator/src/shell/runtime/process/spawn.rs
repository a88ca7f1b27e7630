//! One start of a server: what is on disk before it, how long it is waited for, and what becomes of one that comes late.

use std::{future, io, time::Duration};

use tokio::time::sleep;

use super::{
    Process, ProcessError,
    child::{Child, Launching, Started},
    launch::Place,
    record::{self, Record, RecordError},
};
use crate::machine::Word;
use crate::shell::causes::causes;

/// How long a start is still waited for when we end: one that does not hang is to be stopped, and not to be left behind.
const AT_OUR_END: Duration = Duration::from_secs(1);

impl Process {
    /// The intent first, then the spawn, then the pid.
    pub(super) async fn spawn(&mut self) -> Result<(), ProcessError> {
        if self.reporter.cancel().is_cancelled() {
            return Err(ProcessError::ShuttingDown);
        }
        let unstartable = |error: io::Error| ProcessError::Start(causes(&error));
        let place = Place::take(self.record.path()).map_err(unstartable)?;
        self.program = self.in_force.now();
        self.record.starts_with(self.program.settings());
        let token = self.announce().await?;
        let cancel = self.reporter.cancel().clone();
        let launch = cancel.run_until_cancelled(Child::launch(&self.program, &token, self.open_log(), place)).await;
        self.launching = Some(launch.ok_or(ProcessError::ShuttingDown)?.map_err(unstartable)?);
        self.launched().await.map(|_| ())
    }

    /// Waits for the start that is under way, if there is one, and says whether there was.
    pub(super) async fn launched(&mut self) -> Result<bool, ProcessError> {
        let Some(launching) = &mut self.launching else { return Ok(false) };
        let (after, cancel) = (self.start_patience, self.reporter.cancel());
        let too_long = async {
            if cancel.run_until_cancelled(sleep(after)).await.is_none() {
                sleep(AT_OUR_END.min(after)).await;
            }
        };
        let started = tokio::select! {
            biased;
            started = launching.launch.done() => started,
            () = too_long => return Err(ProcessError::Hangs { program: self.program.reads(), after }),
        };
        self.hold(started).await.map(|()| true)
    }

    async fn hold(&mut self, started: io::Result<Started>) -> Result<(), ProcessError> {
        let Some(Launching { token, bound, .. }) = self.launching.take() else { return Ok(()) };
        let started = started.map_err(|error| ProcessError::Start(causes(&error)))?;
        let child = Child::started(started, (token, bound), &self.wire).await.map_err(ProcessError::Start)?;
        // Without the pid on disk it is still found by its token.
        self.write_or_warn(Record::Running(child.instance().clone())).await;
        self.child = Some(child);
        Ok(())
    }

    /// A start that was given up has come to its end.
    pub(super) async fn came_late(&mut self, started: io::Result<Started>) {
        match self.hold(started).await {
            Ok(()) => {
                tracing::warn!(server = self.name, "a start that had hung has come to its end: the server runs");
                self.reporter.say(Word::Running).await;
            }
            Err(error) => tracing::warn!(server = self.name, error = causes(&error), "a start that had hung has failed"),
        }
    }

    /// Writes down that it is about to be started, under a token of its own. Where nothing can be written, the one start that an
    /// attempt may still make has a token by which the next run finds it all the same.
    async fn announce(&mut self) -> Result<String, RecordError> {
        let token = uuid::Uuid::new_v4().to_string();
        let token = match self.record.write(Record::Starting { token: token.clone(), bound: self.program.speaks }).await {
            Ok(()) => token,
            Err(error) => {
                // What the disk has half taken is not built upon.
                let next = self.unwritten_token().filter(|next| *next != record::unwritten_after(&token));
                tracing::warn!(
                    server = self.name,
                    error = causes(&error),
                    starts = next.is_some(),
                    "a start cannot be written down"
                );
                next.ok_or(error)?
            }
        };
        self.announced.clone_from(&token);
        self.latest = Some(token.clone());
        Ok(token)
    }

    /// For a start that cannot be written down: there is one, until something can. `None` when the next run would not find it.
    pub(super) fn unwritten_token(&self) -> Option<String> {
        let next = record::unwritten_after(self.record.read().ok()??.token()?);
        (next != self.announced).then_some(next)
    }
}

/// Returns when a start that was given up has come to its end; cancel-safe.
pub(super) async fn late(launching: Option<&mut Launching>) -> io::Result<Started> {
    match launching {
        Some(launching) => launching.launch.done().await,
        None => future::pending().await,
    }
}
