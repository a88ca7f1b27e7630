//! The loop around the machine: inputs in, one step, everything on disk, then effects out.
//!
//! Invariant: an attempt is on disk before its action starts. The loop waits for the journal between deciding and doing.

use std::sync::Arc;

use health_spec::{EventKind, ServerView, Verdict};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::actions::Actions;
use super::clock::{Clock, wall};
use super::hook::About;
use super::journal::Journal;
use super::metrics::Metrics;
use super::published::Published;
use super::record::Recorder;
use super::server_file::ServerFile;
use super::store::StoreError;
use super::view::{incident_id, last_check, view};
use super::writer::Writer;

mod change;

use crate::machine::memory::Recovery;
use crate::machine::{Command, Effect, Fleet, Happened, Input, Mono, Refusal, ServerId, Ticket};
pub use change::{Change, Configured};

mod record;
mod routine;
mod unwritten;
mod uptimes;
mod witness;
mod writing;

pub use routine::Routine;
pub use unwritten::Unwritten;
pub use uptimes::Uptimes;
pub use writing::Writing;

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
    /// Changed configurations.
    pub changes: mpsc::Receiver<Change>,
    /// For how much of its time each server served.
    pub uptimes: Uptimes,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Writes down what the machine is told, when that is wanted.
    pub recorder: Recorder,
    /// What need not be written at once.
    pub routine: Routine,
    /// What of it is on its way to the disk.
    pub writing: Option<Writing>,
    /// What could not be written yet.
    pub unwritten: Unwritten,
    /// Servers that an earlier run knew and that are no longer registered, with their open incidents.
    pub gone: Vec<(String, Option<u64>)>,
}

impl Driver {
    /// Runs until `shutdown`; `begun` are the effects of the fleet's beginning.
    pub async fn run(mut self, begun: Vec<Effect>, shutdown: CancellationToken) {
        self.say_gone().await;
        self.settle(begun, vec![]).await;
        let mut inputs = Vec::with_capacity(MOST_AT_ONCE);
        loop {
            // One batch at a time: what is to be written waits for the one before it, and no check does.
            let is_free = self.writing.is_none();
            let deadline = self.fleet.deadline().into_iter().chain(is_free.then(|| self.uptimes.due())).min();
            let deadline = deadline.map(|deadline| self.clock.instant_of(deadline));
            let held_until = self.routine.due().filter(|_| is_free).map(|due| self.clock.instant_of(due));
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                result = writing::answer(&mut self.writing) => self.is_answered(result).await,
                () = until(held_until) => self.begin_writing().await,
                Some(operation) = self.operations.recv() => self.operate(operation).await,
                Some(change) = self.changes.recv() => self.change(change).await,
                _ = self.inbox.recv_many(&mut inputs, MOST_AT_ONCE) => self.take(&mut inputs).await,
                () = until(deadline) => self.take(&mut vec![Input::Woken]).await,
            }
            if self.writing.is_none() && self.uptimes.due() <= self.clock.now() {
                self.keep_time().await;
            }
        }
        // Nobody is left to allow anything.
        self.actions.underway.close();
        self.finish_writing().await;
        self.begin_writing().await;
        self.finish_writing().await;
        self.actions.take_leave().await;
        self.say_stopped().await;
    }

    async fn take(&mut self, inputs: &mut Vec<Input>) {
        let now = self.clock.now();
        let mut effects = Vec::new();
        let mut verdicts = Vec::new();
        // What else is known by now comes before an action is let go on.
        inputs.sort_by_key(|input| matches!(input, Input::Touches { .. }));
        for mut input in inputs.drain(..) {
            self.hide(&mut input);
            let seen = match &input {
                Input::Observed { ticket: Ticket { server, .. }, verdict, took } => {
                    (!self.files[server.0].was_elsewhere(*took, now)).then(|| (*server, verdict.clone()))
                }
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
        // Contract, section 5: whatever is asked while an action runs is refused, and can be asked again.
        let acts = matches!(self.fleet.servers()[server.0].state().recovery, Recovery::Acting { .. });
        let result = if acts { Err(Refusal::Busy) } else { self.recorder.operate(&mut self.fleet, now, *server, command) };
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
        let (mut happened, mut remembered, mut orders) = (Vec::new(), Vec::new(), Vec::new());
        for effect in effects {
            match effect {
                Effect::Publish(it) => happened.push(it),
                Effect::Remember(id) => remembered.push(id),
                order => orders.push(order),
            }
        }
        self.learn(&verdicts, &happened);
        let acts = orders.iter().any(|order| matches!(order, Effect::Act { .. } | Effect::Proceed(_) | Effect::Settle { .. }));
        if acts || !remembered.is_empty() || !happened.iter().all(routine::is_routine) {
            let happened = self.routine.take().into_iter().chain(happened).collect();
            self.write_down(happened, &remembered, &orders, acts).await;
        } else {
            self.routine.hold(happened, self.clock.now());
            self.reword(&[]);
            self.carry_out_all(&orders);
            if self.routine.is_full() {
                self.begin_writing().await;
            }
        }
    }

    async fn write_down(&mut self, happened: Vec<Happened>, remembered: &[ServerId], orders: &[Effect], acts: bool) {
        let earlier = self.finish().await;
        let since = happened.iter().map(|it| it.at).min().unwrap_or_else(|| self.clock.now());
        let changed: Vec<_> = happened.iter().filter_map(|it| it.server).collect();
        let written = self.record(happened, remembered, acts).await;
        self.reword(&changed);
        // An action that was decided while the disk refuses everything is the one that a server has then.
        let has_just_failed = written.is_err() && !self.unwritten.is_lost();
        for order in orders {
            match order {
                Effect::Proceed(ticket) if has_just_failed => self.actions.underway.refuse_unwritten(*ticket),
                order => self.carry_out(order),
            }
        }
        // What comes of that was decided later.
        for (since, written) in earlier.into_iter().chain([(since, written)]) {
            self.disk_turns(since, written).await;
        }
    }

    /// The machine is told when the disk begins to refuse, and when it takes things again.
    async fn disk_turns(&mut self, since: Mono, written: Result<(), StoreError>) {
        if let Some(turn) = self.unwritten.turn(since, written) {
            let effects = self.recorder.step(&mut self.fleet, self.clock.now(), turn);
            Box::pin(self.settle(effects, vec![])).await;
        }
    }

    /// What a server waits for may have changed while nothing happened to it: its view says so too.
    fn reword(&mut self, changed: &[ServerId]) {
        let views: Vec<_> = self
            .fleet
            .reworded(changed)
            .into_iter()
            .map(|id| (id.0, self.view(id.0)))
            .filter(|(_, view)| view.is_some())
            .collect();
        if !views.is_empty() {
            if let Some(writing) = &mut self.writing {
                writing.see(&views);
            }
            self.published.publish(vec![], views, wall());
        }
    }

    /// Remembers what checks have shown, for the next check and for the view.
    fn learn(&mut self, verdicts: &[(ServerId, Verdict)], happened: &[Happened]) {
        let now = wall();
        for it in happened {
            if let Some(server) = it.server {
                self.files[server.0].hear(it);
            }
        }
        for (id, verdict) in verdicts {
            let file = &mut self.files[id.0];
            file.history.learn(verdict, now);
            let completed = |it: &&Happened| it.server == Some(*id) && matches!(it.kind, EventKind::HealthCheckCompleted { .. });
            if let Some(it) = happened.iter().rfind(completed) {
                file.last_check = last_check(verdict, &it.kind, now);
            }
        }
    }

    /// Every minute everybody's uptime is brought up to date, and then written portion by portion.
    async fn keep_time(&mut self) {
        if self.uptimes.turn(self.clock.now()) {
            self.published.refresh(|place| self.uptimes.of(place));
        }
        self.begin_writing().await;
    }

    fn carry_out_all(&self, orders: &[Effect]) {
        for order in orders {
            self.carry_out(order);
        }
    }

    fn carry_out(&self, order: &Effect) {
        match *order {
            Effect::Publish(_) | Effect::Remember(_) => {}
            Effect::Probe { ticket, timeout } => {
                let history = self.files[ticket.server.0].history.clone();
                self.actions.probe(ticket, timeout, history);
            }
            Effect::Act { ticket, strategy, attempt, ref reason, incident } => {
                let incident = incident.map(|number| incident_id(self.published.known(), number));
                let server = self.name(ticket.server.0);
                let about = About { server, attempt, reason: reason.clone(), strategy, incident };
                self.actions.act(ticket, strategy, about, self.actions.collector.turn(ticket.server));
            }
            Effect::Proceed(ticket) => self.actions.underway.proceed(ticket),
            Effect::Abandon(ticket) => self.actions.underway.abandon(ticket),
            Effect::Settle { ticket, keep, start } => self.actions.settle(ticket, keep, start),
        }
    }

    /// `None` for a server that is gone.
    fn view(&self, place: usize) -> Option<ServerView> {
        if self.fleet.servers()[place].is_retired() {
            return None;
        }
        let view = view(self.published.known(), &self.fleet, place, &self.files[place], &self.clock);
        Some(ServerView { uptime: self.uptimes.of(place), ..view })
    }
}

/// Never, when there is nothing to wait for.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
