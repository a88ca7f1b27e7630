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
use super::journal::{Journal, Logged};
use super::narrate::narrate;
use super::published::Published;
use super::store::{Batch, Record, StoreError, Written};
use super::view::{last_check, view};
use super::writer::Writer;
use crate::machine::{Command, Effect, Fleet, Happened, Input, Mono, Refusal, ServerId};

mod unwritten;
mod uptimes;

pub use unwritten::Unwritten;
pub use uptimes::Uptimes;

/// Inputs that are taken in one step, so that one commit serves them all.
const MOST_AT_ONCE: usize = 256;

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
    /// For how much of its time each server served.
    pub uptimes: Uptimes,
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

impl Driver {
    /// Runs until `shutdown`; `begun` are the effects of the fleet's beginning.
    pub async fn run(mut self, begun: Vec<Effect>, shutdown: CancellationToken) {
        self.say_gone().await;
        self.settle(begun, vec![]).await;
        let mut inputs = Vec::with_capacity(MOST_AT_ONCE);
        loop {
            let deadline = self.fleet.deadline().map_or(self.uptimes.due(), |at| at.min(self.uptimes.due()));
            let deadline = self.clock.instant_of(deadline);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(operation) = self.operations.recv() => self.operate(operation).await,
                _ = self.inbox.recv_many(&mut inputs, MOST_AT_ONCE) => self.take(&mut inputs).await,
                () = tokio::time::sleep_until(deadline) => self.take(&mut vec![Input::Woken]).await,
            }
            if self.uptimes.due() <= self.clock.now() {
                self.minute().await;
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
            let step = self.fleet.step(now, input);
            verdicts.extend(seen.filter(|_| !step.is_empty()));
            effects.extend(step);
        }
        if self.fleet.deadline().is_some_and(|at| at <= now) {
            effects.extend(self.fleet.step(now, Input::Woken));
        }
        self.settle(effects, verdicts).await;
    }

    async fn operate(&mut self, operation: Operation) {
        let result = self.fleet.operate(self.clock.now(), operation.server, operation.command);
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
        let since = happened.iter().map(|it| it.at).min().unwrap_or_else(|| self.clock.now());
        let written = self.record(happened, acts).await;
        for order in orders {
            self.carry_out(&order);
        }
        if let Some(turn) = self.unwritten.turn(since, written) {
            let effects = self.fleet.step(self.clock.now(), turn);
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

    /// A full minute: everybody's uptime is brought up to date and written.
    async fn minute(&mut self) {
        self.uptimes.minute(self.clock.now());
        self.published.refresh(|place| self.uptimes.of(place));
        self.settle(vec![], vec![]).await;
    }

    /// `Err` when it did not reach the disk. Published it is in any case: an unwritable disk must not hide a failure.
    async fn record(&mut self, happened: Vec<Happened>, durable: bool) -> Result<(), StoreError> {
        if happened.is_empty() && self.uptimes.is_saved() {
            return self.unwritten.as_before();
        }
        let changed: BTreeSet<usize> = happened.iter().filter_map(|it| it.server.map(|id| id.0)).collect();
        let now = self.clock.now();
        for place in &changed {
            self.uptimes.happened(*place, &self.fleet.servers()[*place], now);
        }
        let is_change = |it: &Happened| !matches!(it.kind, EventKind::HealthCheckCompleted { .. });
        let durable = durable || happened.iter().any(is_change);
        let events: Vec<(Event, String)> = happened.iter().map(|it| self.writer.write(it, &self.fleet, &self.clock)).collect();
        let result = self.write(&events, &changed, durable).await;
        let views = changed.into_iter().map(|place| (place, self.view(place))).collect();
        self.say(events, views);
        match result {
            Ok(Some(trouble)) => self.log_is_behind(trouble).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// To the disk, with everything that it has refused so far. The answer is what is wrong with the JSONL log, if anything is.
    async fn write(
        &mut self,
        events: &[(Event, String)],
        changed: &BTreeSet<usize>,
        durable: bool,
    ) -> Result<Logged, StoreError> {
        let written: Vec<Written> = events.iter().map(written).collect();
        let result = if self.unwritten.may_try(self.clock.now()) {
            self.journal.commit(self.batch(&written, changed), durable).await
        } else {
            Err(StoreError::Unwritten)
        };
        match &result {
            Ok(logged) => {
                self.unwritten.clear();
                self.uptimes.saved();
                self.is_written(logged.as_deref());
            }
            Err(StoreError::Unwritten) => self.unwritten.keep(written, changed),
            Err(error) => {
                self.unwritten.keep(written, changed);
                self.published.set_trouble(Some(format!("the state cannot be written: {}", causes(error))));
            }
        }
        result
    }

    fn is_written(&mut self, log_trouble: Option<&str>) {
        if log_trouble.is_none() {
            self.unwritten.log_falls_behind(false);
            if self.published.trouble().is_some() {
                tracing::info!("everything is on disk again");
            }
        }
        self.published.set_trouble(log_trouble.map(|trouble| format!("the event log is behind: {trouble}")));
    }

    fn batch(&self, events: &[Written], changed: &BTreeSet<usize>) -> Batch {
        let servers = changed.union(&self.unwritten.servers).map(|place| (self.name(*place), self.state(*place))).collect();
        Batch {
            now: self.clock.now(),
            incidents: self.fleet.incidents(),
            events: self.unwritten.events.iter().chain(events).cloned().collect(),
            servers,
            uptime: self.uptimes.changes().map(|(place, changes)| (self.name(place), changes)).collect(),
            gone: self.unwritten.gone.clone(),
        }
    }

    /// Said once: the database has the events, and the log is mended from it as soon as it can be written again.
    async fn log_is_behind(&mut self, error: String) -> Result<(), StoreError> {
        if !self.unwritten.log_falls_behind(true) {
            return Ok(());
        }
        let kind = EventKind::MonitorImpaired { reason: "log".to_owned(), error };
        Box::pin(self.record(vec![of_ours(kind, self.clock.now())], true)).await
    }

    fn say(&self, events: Vec<(Event, String)>, views: Vec<(usize, ServerView)>) {
        for (event, _) in &events {
            narrate(event);
        }
        self.published.publish(events, views, wall());
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
        self.unwritten.gone = gone.into_iter().map(|(name, _)| name).collect();
        // What is refused is offered again with the next batch, which also says so.
        let _ = self.write(&events, &BTreeSet::new(), true).await;
        self.say(events, vec![]);
    }

    async fn say_stopped(&mut self) {
        let now = self.clock.now();
        self.uptimes.minute(now);
        if let Err(error) = self.record(vec![of_ours(EventKind::MonitorStopped, now)], true).await {
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
        let view = view(self.published.known(), file.group.clone(), server, file.last_check.clone(), &self.clock);
        ServerView { uptime: self.uptimes.of(place), ..view }
    }
}

/// About no server.
fn of_ours(kind: EventKind, at: Mono) -> Happened {
    Happened { at, server: None, kind, moment: None, phase: None, incident: None }
}

fn written((event, json): &(Event, String)) -> Written {
    Written { seq: event.seq, server_name: event.server_name.clone(), event_type: event.kind.name(), json: json.as_str().into() }
}

#[cfg(test)]
mod tests;
