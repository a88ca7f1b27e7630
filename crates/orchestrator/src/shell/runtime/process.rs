//! Servers of `kind: process`: started, watched, stopped and restarted as our children.
//!
//! It reports how they end and decides nothing: a server that dies is started again when the machine says so.
//!
//! The orchestrator can be killed at any instant and be started again, and no server may ever run twice. So every step
//! is on disk ([`record`]) before it is taken, and each start of a server carries a fresh token in its environment
//! (`MCP_HEALTH_INSTANCE`), by which it is found when its pid was not written down any more:
//!
//! | killed | record | what the next start finds | and does |
//! | --- | --- | --- | --- |
//! | before the intent | none, or `stopped` | nothing | starts it |
//! | after the intent, before the spawn | `starting`, token | nobody with the token | starts it |
//! | after the spawn, before the pid was written | `starting`, token | a group leader with the token | adopts it |
//! | while it ran | `running`, pid | that pid with that start time | adopts it |
//! | while it ran, and it died meanwhile | `running`, pid | no such process | kills the rest of its group, reports `Died` |
//! | after it died, before it was restarted | `ended`, how | the record | kills the rest of its group, reports `Died` as it was |
//! | in a restart, before it was stopped | `stopping`, pid | the process | stops it, starts it |
//! | in a restart, after it was stopped | `stopping`, pid | no such process | kills the rest of its group, starts it |
//! | in a restart, after that | as for a first start | | |
//! | during a graceful shutdown | `stopping`, pid | as in a restart | |
//! | after a graceful shutdown | `stopped` | nothing | starts it |
//! | and then the machine was rebooted | any but `ended`, old boot | no process of that boot | starts it |
//!
//! A child that gave itself another user cannot be found by its token unless we are root, only by its pid.

pub mod child;
pub mod group;
pub mod log;
pub mod places;
pub mod procfs;
pub mod record;

use std::{future, time::Duration};

use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};

use self::{
    child::{Child, Program},
    group::{GroupError, Members},
    log::Log,
    places::Places,
    procfs::Identity,
    record::{Instance, Plan, Record, RecordError, RecordFile},
};
use super::reporter::Reporter;
use crate::machine::{Death, Word};
use crate::shell::causes::causes;

/// Names a start of a server, in its environment.
pub const INSTANCE_VARIABLE: &str = "MCP_HEALTH_INSTANCE";

/// How long a process may take to end before it is killed.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a log's size is looked at.
const LOG_LOOK: Duration = Duration::from_secs(10);

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

/// One server, and what is known about it. [`Process::supervise`] is its life.
#[derive(Debug)]
pub struct Process {
    program: Program,
    patience: Duration,
    record: RecordFile,
    log: Log,
    reporter: Reporter,
    child: Option<Child>,
    first: Option<Record>,
}

/// What is asked of the supervisor of one server.
#[derive(Debug)]
pub enum Order {
    /// Restart it, and say how that went.
    Restart(oneshot::Sender<Result<(), ProcessError>>),
    /// From the next start on it is this, and has that long to end.
    Become(Program, Duration),
    /// It is no longer registered: leave it alone, running or not.
    LetGo,
}

impl Process {
    /// Reads what a former life left. Nothing is started yet.
    pub fn new(program: Program, patience: Duration, places: Places, reporter: Reporter) -> Result<Self, RecordError> {
        let record = RecordFile::new(places.record, procfs::boot_id());
        let first = record.read()?;
        Ok(Self { program, patience, record, log: Log::new(places.log), reporter, child: None, first })
    }

    /// Adopts or starts the server, then watches it and restarts it on request.
    /// When cancelled, stops it gracefully and returns.
    pub async fn supervise(mut self, mut orders: mpsc::Receiver<Order>) {
        self.begin().await;
        let cancel = self.reporter.cancel().clone();
        let mut look = interval(LOG_LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // In this order: a death that came before a restart is reported before it.
                biased;
                () = cancel.cancelled() => break,
                death = ended(self.child.as_ref()) => self.mourn(death).await,
                Some(order) = orders.recv() => match order {
                    Order::Restart(answer) => self.restart_for(answer).await,
                    Order::Become(program, patience) => (self.program, self.patience) = (program, patience),
                    // Its record stays, so that it is adopted should it come back.
                    Order::LetGo => return,
                },
                _ = look.tick() => self.trim_log().await,
            }
        }
        self.shut_down().await;
    }

    async fn restart_for(&mut self, answer: oneshot::Sender<Result<(), ProcessError>>) {
        let restarted = self.restart().await;
        if restarted.is_ok() {
            self.reporter.say(Word::Running).await;
        }
        // Whoever asked may be gone; the restart was done all the same.
        let _ = answer.send(restarted);
    }

    async fn begin(&mut self) {
        let (begun, word) = match plan(self.first.take()) {
            Plan::Spawn { leftover } => (self.spawn_after(leftover).await, Word::Started),
            Plan::Adopt(instance) => (self.adopt(instance).await, Word::Running),
            Plan::FinishStop(instance) => (self.finish_stop(instance).await, Word::Started),
            Plan::Mourn(instance, death) => return self.mourn_absent(instance, death).await,
        };
        match begun {
            Ok(()) if self.child.is_some() => self.reporter.say(word).await,
            Ok(()) => {}
            Err(error) => {
                self.reporter.say(Word::Died(Death { error: Some(causes(&error)), ..Death::default() })).await;
            }
        }
    }

    async fn spawn_after(&mut self, leftover: Option<String>) -> Result<(), ProcessError> {
        if let Some(token) = leftover {
            Members::Carrying(token).kill().await?;
        }
        self.spawn().await
    }

    async fn adopt(&mut self, instance: Instance) -> Result<(), ProcessError> {
        self.child = Child::adopt(instance.clone())?;
        if self.child.is_some() {
            self.write_or_warn(Record::Running(instance)).await;
        } else {
            self.mourn_absent(instance, Death::default()).await;
        }
        Ok(())
    }

    async fn finish_stop(&mut self, instance: Instance) -> Result<(), ProcessError> {
        self.child = Child::adopt(instance.clone())?;
        self.stop().await?;
        Members::Marked(instance).kill().await?;
        self.spawn().await
    }

    async fn restart(&mut self) -> Result<(), ProcessError> {
        match &self.child {
            Some(child) => self.record.write(Record::Stopping(child.instance().clone())).await?,
            // Nothing that we hold; but what an earlier step could not take hold of may still run.
            None => return self.resume_from(self.record.read()?).await,
        }
        self.stop().await?;
        self.spawn().await
    }

    async fn resume_from(&mut self, record: Option<Record>) -> Result<(), ProcessError> {
        match plan(record) {
            Plan::Spawn { leftover } => self.spawn_after(leftover).await,
            Plan::Adopt(instance) | Plan::FinishStop(instance) | Plan::Mourn(instance, _) => self.finish_stop(instance).await,
        }
    }

    /// A child that cannot be stopped stays ours.
    async fn stop(&mut self) -> Result<(), GroupError> {
        if let Some(child) = &mut self.child {
            child.stop(self.patience).await?;
        }
        self.child = None;
        Ok(())
    }

    /// The intent first, then the spawn, then the pid.
    async fn spawn(&mut self) -> Result<(), ProcessError> {
        if self.reporter.cancel().is_cancelled() {
            return Err(ProcessError::ShuttingDown);
        }
        let token = uuid::Uuid::new_v4().to_string();
        self.record.write(Record::Starting { token: token.clone() }).await?;
        self.trim_log().await;
        let log = self
            .log
            .open()
            .map_err(|error| ProcessError::Start(format!("cannot open the log \"{}\": {error}", self.log.path().display())))?;
        let child = Child::spawn(&self.program, token, log).map_err(ProcessError::Start)?;
        // Without the pid on disk it is still found by its token.
        self.write_or_warn(Record::Running(child.instance().clone())).await;
        self.child = Some(child);
        Ok(())
    }

    /// It ended, and not through us.
    async fn mourn(&mut self, death: Death) {
        let Some(mut child) = self.child.take() else { return };
        self.reporter.say(Word::Died(death.clone())).await;
        self.write_or_warn(ended_as(child.instance().clone(), &death)).await;
        if let Err(error) = child.clear().await {
            tracing::warn!(error = causes(&error), "a dead server left processes behind");
        }
    }

    /// It ended while we were away.
    async fn mourn_absent(&mut self, instance: Instance, death: Death) {
        self.reporter.say(Word::Died(death.clone())).await;
        self.write_or_warn(ended_as(instance.clone(), &death)).await;
        if let Err(error) = Members::Marked(instance).kill().await {
            tracing::warn!(error = causes(&error), "a dead server left processes behind");
        }
    }

    async fn shut_down(mut self) {
        let Some(child) = &self.child else { return };
        self.write_or_warn(Record::Stopping(child.instance().clone())).await;
        match self.stop().await {
            Ok(()) => self.write_or_warn(Record::Stopped).await,
            Err(error) => tracing::warn!(error = causes(&error), "a server could not be stopped"),
        }
    }

    async fn trim_log(&self) {
        let log = self.log.clone();
        let trimmed = tokio::task::spawn_blocking(move || log.trim()).await;
        if let Ok(Err(error)) = trimmed {
            tracing::warn!(%error, path = %self.log.path().display(), "a log could not be shortened");
        }
    }

    async fn write_or_warn(&self, record: Record) {
        if let Err(error) = self.record.write(record).await {
            tracing::warn!(error = causes(&error), "a process record could not be written");
        }
    }
}

fn plan(record: Option<Record>) -> Plan {
    Plan::of(record, Identity::is_alive, |token| Members::Carrying(token.to_owned()).leader())
}

async fn ended(child: Option<&Child>) -> Death {
    match child {
        Some(child) => child.ended().await,
        None => future::pending().await,
    }
}

fn ended_as(instance: Instance, death: &Death) -> Record {
    Record::Ended { instance, exit_code: death.exit_code, signal: death.signal }
}
