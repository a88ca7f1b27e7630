//! The loop around the machine: inputs in, one step, everything on disk, then effects out.
//!
//! Invariant: an attempt is on disk before its action starts. The loop waits for the journal between deciding and doing.

use std::collections::BTreeSet;
use std::sync::Arc;

use health_spec::verdict::History;
use health_spec::view::LastCheck;
use health_spec::{Event, EventKind, ServerView, Verdict};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::actions::Actions;
use super::causes::causes;
use super::clock::{Clock, wall};
use super::journal::Journal;
use super::narrate::narrate;
use super::published::Published;
use super::record::Recorder;
use super::store::{Batch, Record, StoreError, Written};
use super::view::{last_check, view};
use super::writer::Writer;
use crate::machine::{Command, Effect, Fleet, Happened, Input, Refusal, ServerId};

/// Inputs that are taken in one step, so that one commit serves them all.
const MOST_AT_ONCE: usize = 256;

/// How many unwritten events are kept while the disk refuses them.
const MOST_UNWRITTEN: usize = 10_000;

/// A person's command, and where its answer goes.
#[derive(Debug)]
pub struct Operation {
    /// Which server.
    pub server: ServerId,
    /// What is wanted.
    pub command: Command,
    /// Answered when it is on disk.
    pub answer: oneshot::Sender<Result<(), Refusal>>,
}

/// Everything that the loop needs.
#[derive(Debug)]
pub struct Driver {
    /// The machine.
    pub fleet: Fleet,
    /// The clock.
    pub clock: Clock,
    /// The disk.
    pub journal: Journal,
    /// Gives events their numbers and names.
    pub writer: Writer,
    /// The read model.
    pub published: Arc<Published>,
    /// What is known of each server beside the machine.
    pub files: Vec<ServerFile>,
    /// Probes and runtimes.
    pub actions: Actions,
    /// What they report.
    pub inbox: mpsc::Receiver<Input>,
    /// What people want.
    pub operations: mpsc::Receiver<Operation>,
    /// Writes down what the machine is told, when that is wanted.
    pub recorder: Recorder,
    /// What could not be written yet.
    pub unwritten: Unwritten,
    /// Servers that an earlier run knew and that are no longer registered, with their open incidents.
    pub gone: Vec<(String, Option<u64>)>,
}

/// What is known of one server beside the machine.
#[derive(Clone, Debug, Default)]
pub struct ServerFile {
    /// The registry's group.
    pub group: Option<String>,
    /// What earlier answers have taught.
    pub history: History,
    /// The last check.
    pub last_check: Option<LastCheck>,
}

/// What could not be written yet. Each server gets at most one action until it is (contract, section 3.2).
#[derive(Debug, Default)]
pub struct Unwritten {
    events: Vec<Written>,
    servers: BTreeSet<usize>,
    is_lost: bool,
}

impl Unwritten {
    fn keep(&mut self, events: &[(Event, String)], changed: &BTreeSet<usize>) {
        self.events.extend(events.iter().map(written));
        let excess = self.events.len().saturating_sub(MOST_UNWRITTEN);
        self.events.drain(..excess);
        self.servers.extend(changed);
    }

    fn clear(&mut self) {
        self.events.clear();
        self.servers.clear();
    }

    /// What the machine is told when the disk has turned.
    fn turn(&mut self, written: Result<(), StoreError>) -> Option<Input> {
        let was_lost = std::mem::replace(&mut self.is_lost, written.is_err());
        match written {
            Err(error) if !was_lost => Some(Input::StateLost(causes(&error))),
            Ok(()) if was_lost => Some(Input::StateBack),
            _ => None,
        }
    }
}

impl Driver {
    /// Runs until `shutdown`; `begun` are the effects of the fleet's beginning.
    pub async fn run(mut self, begun: Vec<Effect>, shutdown: CancellationToken) {
        self.say_gone().await;
        self.settle(begun, vec![]).await;
        let mut inputs = Vec::with_capacity(MOST_AT_ONCE);
        loop {
            let deadline = self.fleet.deadline().map(|at| self.clock.instant_of(at));
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(operation) = self.operations.recv() => self.operate(operation).await,
                _ = self.inbox.recv_many(&mut inputs, MOST_AT_ONCE) => self.take(&mut inputs).await,
                () = sleep_until(deadline) => self.take(&mut vec![Input::Woken]).await,
            }
        }
        self.say_stopped().await;
    }

    async fn take(&mut self, inputs: &mut Vec<Input>) {
        let now = self.clock.now();
        let mut effects = Vec::new();
        let mut verdicts = Vec::new();
        for input in inputs.drain(..) {
            let seen = match &input {
                Input::Observed { ticket, verdict, .. } => Some((ticket.server, verdict.clone())),
                _ => None,
            };
            let step = self.recorder.step(&mut self.fleet, now, input);
            verdicts.extend(seen.filter(|_| !step.is_empty()));
            effects.extend(step);
        }
        if self.fleet.deadline().is_some_and(|at| at <= now) {
            effects.extend(self.recorder.step(&mut self.fleet, now, Input::Woken));
        }
        self.settle(effects, verdicts).await;
    }

    async fn operate(&mut self, operation: Operation) {
        let (now, Operation { server, command, .. }) = (self.clock.now(), &operation);
        let result = self.recorder.operate(&mut self.fleet, now, *server, command);
        let answer = match result {
            Ok(effects) => {
                self.settle(effects, vec![]).await;
                Ok(())
            }
            Err(refusal) => Err(refusal),
        };
        // Whoever asked may have gone.
        let _ = operation.answer.send(answer);
    }

    /// Writes, publishes, then acts.
    async fn settle(&mut self, effects: Vec<Effect>, verdicts: Vec<(ServerId, Verdict)>) {
        let mut happened = Vec::new();
        let mut orders = Vec::new();
        for effect in effects {
            match effect {
                Effect::Publish(it) => happened.push(it),
                order => orders.push(order),
            }
        }
        self.learn(&verdicts, &happened);
        let acts = orders.iter().any(|order| matches!(order, Effect::Act { .. }));
        let written = self.record(happened, acts).await;
        for order in orders {
            self.carry_out(&order);
        }
        if let Some(turn) = self.unwritten.turn(written) {
            let effects = self.recorder.step(&mut self.fleet, self.clock.now(), turn);
            Box::pin(self.settle(effects, vec![])).await;
        }
    }

    /// Remembers what checks have shown, for the next check and for the view.
    fn learn(&mut self, verdicts: &[(ServerId, Verdict)], happened: &[Happened]) {
        let now = wall();
        for (id, verdict) in verdicts {
            let file = &mut self.files[id.0];
            file.history.learn(verdict, now);
            let completed = |it: &&Happened| it.server == Some(*id) && matches!(it.kind, EventKind::HealthCheckCompleted { .. });
            if let Some(it) = happened.iter().rfind(completed) {
                file.last_check = last_check(verdict, &it.kind, now);
            }
        }
    }

    /// `Err` when it did not reach the disk. Published it is in any case: an unwritable disk must not hide a failure.
    async fn record(&mut self, happened: Vec<Happened>, durable: bool) -> Result<(), StoreError> {
        if happened.is_empty() {
            return if self.unwritten.is_lost { Err(StoreError::Unwritten) } else { Ok(()) };
        }
        let changed: BTreeSet<usize> = happened.iter().filter_map(|it| it.server.map(|id| id.0)).collect();
        let is_change = |it: &Happened| !matches!(it.kind, EventKind::HealthCheckCompleted { .. });
        let durable = durable || happened.iter().any(is_change);
        let events: Vec<(Event, String)> = happened.iter().map(|it| self.writer.write(it, &self.fleet, &self.clock)).collect();
        let batch = self.batch(&events, &changed);
        let result = self.journal.commit(batch, durable).await;
        self.published.set_written(result.is_ok());
        if result.is_ok() {
            self.unwritten.clear();
        } else {
            self.unwritten.keep(&events, &changed);
        }
        for (event, _) in &events {
            narrate(event);
        }
        let views = changed.into_iter().map(|place| (place, self.view(place))).collect();
        self.published.publish(events, views, wall());
        result
    }

    fn batch(&self, events: &[(Event, String)], changed: &BTreeSet<usize>) -> Batch {
        let mut lines = self.unwritten.events.clone();
        lines.extend(events.iter().map(written));
        let servers = changed.union(&self.unwritten.servers).map(|place| (self.name(*place), self.state(*place))).collect();
        Batch { now: self.clock.now(), incidents: self.fleet.incidents(), events: lines, servers, gone: vec![] }
    }

    fn carry_out(&self, order: &Effect) {
        match *order {
            Effect::Publish(_) => {}
            Effect::Probe { ticket, timeout } => {
                let history = self.files[ticket.server.0].history.clone();
                self.actions.probe(ticket, timeout, history);
            }
            Effect::Act { ticket, strategy } => self.actions.act(ticket, strategy),
        }
    }

    /// Closes what is open of servers that are no longer registered. A child of theirs is left running.
    async fn say_gone(&mut self) {
        let gone = std::mem::take(&mut self.gone);
        if gone.is_empty() {
            return;
        }
        let clock = self.clock;
        let events: Vec<_> = gone.iter().map(|(name, incident)| self.writer.write_gone(name, *incident, &clock)).collect();
        let names = gone.into_iter().map(|(name, _)| name).collect();
        let batch = Batch { gone: names, ..self.batch(&events, &BTreeSet::new()) };
        if self.journal.commit(batch, true).await.is_err() {
            self.unwritten.keep(&events, &BTreeSet::new());
        }
        for (event, _) in &events {
            narrate(event);
        }
        self.published.publish(events, vec![], wall());
    }

    async fn say_stopped(&mut self) {
        let kind = EventKind::MonitorStopped;
        let stopped = Happened { at: self.clock.now(), server: None, kind, moment: None, phase: None, incident: None };
        if let Err(error) = self.record(vec![stopped], true).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the last events are not on disk");
        }
    }

    fn name(&self, place: usize) -> String {
        self.fleet.servers()[place].policy().name.clone()
    }

    fn state(&self, place: usize) -> Record {
        let file = &self.files[place];
        let memory = self.fleet.memory(ServerId(place));
        Record { memory, history: file.history.clone(), last_check: file.last_check.clone() }
    }

    fn view(&self, place: usize) -> ServerView {
        let file = &self.files[place];
        let server = &self.fleet.servers()[place];
        view(self.published.known(), file.group.clone(), server, file.last_check.clone(), &self.clock)
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn written((event, json): &(Event, String)) -> Written {
    Written { seq: event.seq, server_name: event.server_name.clone(), event_type: event.kind.name(), json: json.clone() }
}

#[cfg(test)]
mod tests;
