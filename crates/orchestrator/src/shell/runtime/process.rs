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
//! | after a start that could not be written down | any, token | a group leader with the token that follows that one | adopts it |
//!
//! Where the table says *adopts*, a server with `on_crash: end` is ended and started anew. So is one with `stdio: mcp`, running or
//! not: its pipes ended with us, and so does it, which is no death of its own.
//!
//! A start that hangs, as on a disk that does not answer, is given up and still ours ([`launch`]): what comes of it late is taken for the
//! server, and until then it is not started again.
//!
//! A child that gave itself another user cannot be found by its token unless we are root, only by its pid.

mod begin;
pub mod beside;
pub mod child;
pub mod environment;
pub mod group;
pub mod in_force;
pub mod launch;
pub mod limits;
pub mod log;
pub mod oom;
pub mod order;
pub mod places;
pub mod procfs;
pub mod program;
pub mod reaper;
pub mod record;
pub mod search;
mod sight;
mod spawn;
mod strays;
mod together;
pub mod user;
pub mod wire;

use std::{fs::File, future, time::Duration};

use health_spec::registry::ProcessLog;
use jiff::Timestamp;
use rustix::process::Signal;
use tokio::sync::{mpsc, oneshot};

pub use self::order::{Order, ProcessError};
use self::{
    beside::{LOOKS, PATIENCE, STARTS, beside},
    child::{Child, Launching},
    group::{GroupError, Members},
    in_force::InForce,
    limits::Limits,
    log::Log,
    oom::Oom,
    places::Places,
    procfs::Identity,
    program::Program,
    record::{Instance, Plan, Record, RecordError, RecordFile},
    sight::Sight,
    wire::Wire,
};
use super::reporter::Reporter;
use crate::machine::{Death, Word};
use crate::shell::{causes::causes, clock::wall};

/// Names a start of a server, in its environment.
pub const INSTANCE_VARIABLE: &str = "MCP_HEALTH_INSTANCE";

/// One server, and what is known about it. [`Process::supervise`] is its life.
#[derive(Debug)]
pub struct Process {
    /// What runs, or was last to.
    program: Program,
    in_force: InForce,
    name: String,
    record: RecordFile,
    log: Log,
    /// So much of it.
    kept: ProcessLog,
    wire: Wire,
    oom: Oom,
    reporter: Reporter,
    child: Option<Child>,
    /// A start that has not come to its end in time.
    launching: Option<Launching>,
    /// How long a start is waited for.
    start_patience: Duration,
    first: Option<Record>,
    /// An earlier run had begun to restart it then, and did not see the end of that.
    acted: Option<Timestamp>,
    sight: Sight,
    /// The token of the last start of this run.
    announced: String,
    /// The token of the start that no other has followed: the last one of this run, or the one that lived when this run began.
    latest: Option<String>,
}

impl Process {
    /// Reads what a former life left. Nothing is started yet. `kept` of its log counts from its start on, among the limits of all logs.
    pub fn new(
        program: Program,
        places: Places,
        (kept, limits): (ProcessLog, &Limits),
        reporter: Reporter,
    ) -> Result<Self, RecordError> {
        let Places { name, record, log } = places;
        let record = RecordFile::new(record, procfs::boot_id());
        let first = record.read()?;
        let (log, wire) = (Log::new(log, limits), Wire::default());
        Ok(Self {
            in_force: InForce::new(program.clone()),
            program,
            name,
            record,
            log,
            kept,
            wire,
            oom: Oom::default(),
            reporter,
            child: None,
            launching: None,
            start_patience: PATIENCE,
            first,
            acted: None,
            sight: Sight::default(),
            announced: String::new(),
            latest: None,
        })
    }

    /// With somebody who knows what the kernel kills for memory.
    #[must_use]
    pub fn with(self, oom: &Oom) -> Self {
        Self { oom: oom.clone(), ..self }
    }

    /// An earlier run had begun to restart it then, and did not see the end of that.
    #[must_use]
    pub fn after(self, acted: Option<Timestamp>) -> Self {
        Self { acted, ..self }
    }

    /// Through which it is spoken with, if it speaks.
    pub fn wire(&self) -> Wire {
        self.wire.clone()
    }

    /// What it is started with.
    pub fn in_force(&self) -> InForce {
        self.in_force.clone()
    }

    /// Adopts or starts the server, then watches it and restarts it on request.
    /// When cancelled, stops it gracefully and returns.
    pub async fn supervise(self, orders: mpsc::Receiver<Order>) {
        let (wire, log) = (self.wire(), self.log.clone());
        log.keep(self.kept);
        tokio::select! {
            () = self.live(orders) => {}
            // While we wait for anything else, what the server says is read, and what it writes is kept short.
            () = wire.listen() => {}
            () = log.keep_short() => {}
        }
    }

    async fn live(mut self, mut orders: mpsc::Receiver<Order>) {
        self.begin().await;
        let cancel = self.reporter.cancel().clone();
        loop {
            tokio::select! {
                // In this order: a death that came before a restart is reported before it.
                biased;
                () = cancel.cancelled() => break,
                death = ended(self.child.as_ref()) => {
                    if together::is_ours(&death, &cancel).await {
                        break;
                    }
                    self.mourn(death).await;
                }
                started = spawn::late(self.launching.as_mut()) => self.came_late(started).await,
                () = self.sight.is_due() => self.look_again().await,
                Some(order) = orders.recv() => match order {
                    Order::Restart(answer) => self.restart_for(answer).await,
                    Order::Become(kept) => {
                        self.program = self.in_force.now();
                        self.log.keep(kept);
                    }
                    Order::LetGo(answer) => return self.let_go(answer).await,
                },
            }
        }
        self.shut_down().await;
    }

    /// Its record stays, so that it is adopted should it come back. When it ends, nobody but us can reap it; until then its log is kept
    /// short, as before.
    async fn let_go(mut self, answer: oneshot::Sender<()>) {
        let cancel = self.reporter.cancel().clone();
        self.wire.disconnect();
        self.sight.regained(&self.reporter).await;
        // Whoever waited may be gone.
        let _ = answer.send(());
        let Some(mut child) = self.child.take() else { return };
        cancel.run_until_cancelled(child.reap()).await;
    }

    async fn restart_for(&mut self, answer: oneshot::Sender<Result<(), ProcessError>>) {
        let was_held = self.child.is_some();
        let restarted = self.restart().await;
        if was_held && self.child.is_none() {
            self.reporter.rests();
        }
        match &restarted {
            Ok(()) => {
                self.sight.regained(&self.reporter).await;
                self.reporter.say(Word::Running).await;
            }
            Err(error) if error.is_unseen() => self.sight.lost(error, &self.reporter).await,
            Err(_) => {}
        }
        // Whoever asked may be gone; the restart was done all the same.
        let _ = answer.send(restarted);
    }

    async fn restart(&mut self) -> Result<(), ProcessError> {
        // Half of a restart is worse than none.
        see().await?;
        match self.launched().await {
            // What nobody has waited for is what is wanted now.
            Ok(true) => return Ok(()),
            Ok(false) | Err(ProcessError::Start(_)) => {}
            Err(error) => return Err(error),
        }
        match &self.child {
            Some(child) => {
                self.can_start().await?;
                let stopping = self.record.write(Record::Stopping(child.instance().clone())).await;
                // What could not be started again is not stopped.
                stopping.or_else(|error| self.unwritten_token().map(|_| ()).ok_or(error))?;
            }
            // Nothing that we hold; but what an earlier step could not take hold of may still run.
            None => return self.resume_from(self.record.read()?).await,
        }
        self.stop().await?;
        self.spawn().await
    }

    /// Whether what is in force could be started, as far as that can be seen.
    async fn can_start(&self) -> Result<(), ProcessError> {
        let program = self.in_force.now();
        let looked = beside(&STARTS, move || program.can_start()).await.map_err(|error| causes(&error));
        let seen = looked.and_then(|looked| looked.map_err(|error| causes(&error)));
        seen.map_err(ProcessError::Unstartable)
    }

    async fn resume_from(&mut self, record: Option<Record>) -> Result<(), ProcessError> {
        match self.plan(record).await? {
            Plan::Spawn { leftover } => self.spawn_after(leftover).await,
            Plan::Adopt(instance) | Plan::FinishStop(instance, _) | Plan::Mourn(instance, _) => self.finish_stop(instance).await,
        }
    }

    /// A child that cannot be stopped stays ours.
    async fn stop(&mut self) -> Result<(), GroupError> {
        if let Some(child) = &mut self.child {
            child.stop(self.program.patience, &self.wire).await?;
            strays::name_after_stop(&self.name, child.instance().clone(), self.reporter.cancel()).await;
        }
        self.wire.disconnect();
        self.child = None;
        Ok(())
    }

    /// It ended, and not through us.
    async fn mourn(&mut self, death: Death) {
        let Some(mut child) = self.child.take() else { return };
        let pid = child.instance().leader.pid;
        let oom_killed = death.signal == Some(Signal::KILL.as_raw()) && self.oom.has_just_killed(pid);
        let death = Death { oom_killed, ..death };
        self.wire.disconnect();
        self.reporter.say(Word::Died(death.clone())).await;
        self.write_or_warn(Record::ended(child.instance().clone(), &death, Some(wall()))).await;
        if let Err(error) = child.clear(self.program.patience).await {
            tracing::warn!(server = self.name, error = causes(&error), "a dead server left processes behind");
            // It has ended, whoever is left of its group: they are found by their token.
            child.reap().await;
        }
        strays::name_soon(&self.name, child.instance().clone());
    }

    /// It ended while we were away.
    async fn mourn_absent(&mut self, instance: Instance, death: Death) {
        self.reporter.say(Word::Died(death.clone())).await;
        let seen_at = self.record.read().ok().flatten().and_then(|record| record.ended_at());
        self.write_or_warn(Record::ended(instance.clone(), &death, seen_at)).await;
        if let Err(error) = Members::Marked(instance).kill(self.program.patience.kill).await {
            tracing::warn!(server = self.name, error = causes(&error), "a dead server left processes behind");
        }
    }

    async fn shut_down(mut self) {
        let Some(child) = &self.child else { return };
        self.write_or_warn(Record::Stopping(child.instance().clone())).await;
        match self.stop().await {
            Ok(()) => self.write_or_warn(Record::Stopped).await,
            Err(error) => tracing::warn!(server = self.name, error = causes(&error), "a server could not be stopped"),
        }
    }

    /// A server without a log is better than none.
    fn open_log(&self) -> Option<File> {
        let opened = self.log.open();
        opened.inspect_err(|error| tracing::warn!(%error, path = %self.log.path().display(), "a server runs without a log")).ok()
    }

    async fn write_or_warn(&self, record: Record) {
        if let Err(error) = self.record.write(record).await {
            tracing::warn!(server = self.name, error = causes(&error), "a process record could not be written");
        }
    }

    /// It looks for who carries a token: not for a task.
    async fn plan(&self, record: Option<Record>) -> Result<Plan, ProcessError> {
        let on_crash = self.program.on_crash;
        // A look at every process can hang at one that has nothing to do with this one.
        let none = self.latest.as_deref().filter(|latest| record.as_ref().and_then(Record::token) == Some(*latest));
        let none = none.map(record::unwritten_after);
        let carrier = move |token: &str| match &none {
            Some(none) if none == token => Ok(None),
            _ => Members::Carrying(token.to_owned()).leader(),
        };
        // What cannot be looked at afterwards is not started either.
        let look = move || procfs::look().and_then(|()| Plan::of(record, on_crash, Identity::lives, carrier));
        let planned = beside(&LOOKS, look).await;
        Ok(planned.and_then(|planned| planned)?)
    }
}

/// Whether this machine shows its processes.
async fn see() -> Result<(), ProcessError> {
    Ok(beside(&LOOKS, procfs::look).await.and_then(|seen| seen)?)
}

async fn ended(child: Option<&Child>) -> Death {
    match child {
        Some(child) => child.ended().await,
        None => future::pending().await,
    }
}

#[cfg(test)]
mod tests;
