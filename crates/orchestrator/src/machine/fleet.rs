//! All servers: routes inputs, keeps their deadlines, and lets those go on that waited for another.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use health_spec::{EventKind, Outcome};

use super::hold::{Reason, Surroundings};
use super::memory::ServerMemory;
use super::server::{Server, Turn};
use super::storm::{Line, Storm};
use super::{Command, Effect, EngineId, Happened, Input, Mono, ServerId};

mod beginning;
mod followers;
mod queue;
mod reload;
mod weather;

pub use beginning::{Beginning, Limits};
use queue::Queue;
pub use reload::Reloaded;

/// The whole machine. Same inputs at the same moments, same effects.
#[derive(Debug)]
pub struct Fleet {
    servers: Vec<Server>,
    /// Those that the registry has; the other places are empty.
    live: Vec<ServerId>,
    /// Who waits for whom, from the dependency's side.
    dependents: Vec<Vec<ServerId>>,
    /// Since when each of these cannot be reached.
    lost_engines: BTreeMap<EngineId, Mono>,
    unwritten_since: Option<Mono>,
    storm: Storm,
    /// Servers whose recovery a storm holds.
    stormed: Line,
    limits: Limits,
    /// Servers that an action of ours is recovering.
    recovering: BTreeSet<usize>,
    /// Servers whose attempt has fallen due while witnesses are asked.
    postponed: BTreeSet<usize>,
    /// Servers that wait for such a place, in the order in which they came.
    crowded: Queue,
    /// Servers that were let go on, and whose delay runs before they take the place.
    promised: BTreeSet<usize>,
    /// Servers that have lost the network of another one, which is being brought back.
    cut: BTreeSet<usize>,
    /// How many checks are in flight.
    checking: usize,
    /// Servers whose check is due and has to wait for others to end.
    queued: Queue,
    spread: bool,
    /// Whoever runs child processes says of each how it stands, before it is checked.
    hears_first: bool,
    /// Those of which it is still to be said.
    unheard: BTreeSet<usize>,
    deadlines: BinaryHeap<Reverse<(Mono, usize)>>,
    serial: u64,
    incidents: u64,
}

/// Why a person's wish cannot be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An action runs already.
    Busy,
    /// Nothing here can restart it.
    NotRestartable,
    /// Its engine cannot be reached: nothing would come of it but an alarm.
    EngineAway,
    /// There is no pause to end.
    NotPaused,
}

impl Fleet {
    /// Takes an input at `now` and answers with what is to be done.
    pub fn step(&mut self, now: Mono, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Woken => self.wake(now, &mut effects),
            Input::Observed { ticket, verdict, .. } if self.storm.answered(ticket.serial, verdict.outcome != Outcome::Failed) => {
                self.conclude_round(now, &mut effects);
            }
            // Not to be able to look is just what is asked for.
            Input::Blind { ticket, .. } if self.storm.answered(ticket.serial, false) => self.conclude_round(now, &mut effects),
            Input::Observed { ticket, verdict, took } => {
                self.turn(now, ticket.server, &mut effects, |server, turn| server.observed(turn, ticket.serial, &verdict, took));
            }
            Input::Blind { ticket, error } => {
                self.turn(now, ticket.server, &mut effects, |server, turn| server.blind(turn, ticket.serial, error));
            }
            Input::Touches { ticket } if self.servers[ticket.server.0].is_retired() => effects.push(Effect::Abandon(ticket)),
            Input::Touches { ticket } => self.turn(now, ticket.server, &mut effects, |server, turn| server.touches(turn, ticket)),
            Input::Finished { ticket, result } => {
                self.turn(now, ticket.server, &mut effects, |server, turn| server.finished(turn, ticket.serial, result));
            }
            Input::Settled { ticket, result } => {
                self.turn(now, ticket.server, &mut effects, |server, turn| server.settled(turn, ticket.serial, result));
            }
            Input::Reported(id, word) => self.turn(now, id, &mut effects, |server, turn| server.reported(turn, word)),
            Input::EngineLost(engine, error) => self.engine_lost(now, engine, error, &mut effects),
            Input::EngineBack(engine) => {
                if self.lost_engines.remove(&engine).is_some() {
                    self.reconsider_all(now, &mut effects);
                }
            }
            Input::StateLost { since, error } => {
                if self.unwritten_since.is_none() {
                    self.unwritten_since = Some(since);
                    impaired(now, "state", error, &mut effects);
                }
            }
            Input::StateBack => {
                if self.unwritten_since.take().is_some() {
                    self.reconsider_all(now, &mut effects);
                }
            }
            Input::Maintenance(id, until) => self.turn(now, id, &mut effects, |server, turn| server.maintain(turn, until)),
        }
        self.let_others_go_on(now, &mut effects);
        effects
    }

    /// Takes a person's command.
    pub fn operate(&mut self, now: Mono, id: ServerId, command: Command) -> Result<Vec<Effect>, Refusal> {
        let mut effects = Vec::new();
        let mut answer = Ok(());
        self.turn(now, id, &mut effects, |server, turn| answer = server.operate(turn, command));
        self.let_others_go_on(now, &mut effects);
        answer.map(|()| effects)
    }

    /// When to call again with [`Input::Woken`].
    pub fn deadline(&self) -> Option<Mono> {
        let server = self.deadlines.peek().map(|Reverse((at, _))| *at);
        [server, self.storm.deadline()].into_iter().flatten().min()
    }

    /// The servers, by id.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    pub(super) fn storm(&self) -> &Storm {
        &self.storm
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Since when the state cannot be written.
    pub(super) fn unwritten_since(&self) -> Option<Mono> {
        self.unwritten_since
    }

    /// Since when an engine cannot be reached.
    pub(super) fn engine_lost_since(&self, engine: EngineId) -> Option<Mono> {
        self.lost_engines.get(&engine).copied()
    }

    /// What must survive a restart, for one server.
    pub fn memory(&self, id: ServerId) -> ServerMemory {
        self.servers[id.0].memory()
    }

    /// The number of the latest incident.
    pub fn incidents(&self) -> u64 {
        self.incidents
    }

    fn wake(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        // First: attempts that are due wait for what the witnesses say, and their time may be up at this very moment.
        self.conclude_round(now, effects);
        while let Some(Reverse((at, index))) = self.deadlines.peek().copied() {
            if at > now {
                break;
            }
            self.deadlines.pop();
            self.servers[index].armed = None;
            self.turn(now, ServerId(index), effects, Server::woken);
        }
        self.look_at_the_weather(now, effects);
    }

    /// Gives one server the floor, then those who wait for it.
    fn turn(&mut self, now: Mono, id: ServerId, effects: &mut Vec<Effect>, act: impl FnOnce(&mut Server, &mut Turn<'_>)) {
        if self.servers[id.0].is_retired() {
            return;
        }
        let (was_healthy, waited) = (self.servers[id.0].is_healthy(), self.servers[id.0].waits_by_checks());
        let by_operator = self.servers[id.0].is_being_verified_for_an_operator();
        let around = self.surroundings(id);
        let begin = effects.len();
        let room = self.checking < self.limits.checks;
        let server = &mut self.servers[id.0];
        let mut turn = Turn { now, id, around, room, effects, serial: &mut self.serial, incidents: &mut self.incidents };
        let was_checking = server.is_checking();
        act(server, &mut turn);
        let phase = server.phase();
        for effect in &mut effects[begin..] {
            if let Effect::Publish(happened) = effect {
                happened.phase = Some(phase);
            }
        }
        self.checking = self.checking + usize::from(server.is_checking()) - usize::from(was_checking);
        if !waited && server.waits_by_checks() {
            self.doubt_oneself(now, id, effects);
        }
        self.count(id);
        self.arm(id);
        if was_healthy != self.servers[id.0].is_healthy() {
            if !was_healthy && self.storm.helped(id, by_operator) {
                self.release_storm(now, effects);
            }
            if !was_healthy {
                self.let_follow(now, id, effects);
            }
            for dependent in self.dependents[id.0].clone() {
                self.turn(now, dependent, effects, Server::reconsider);
            }
        }
    }

    /// Keeps the lists of those who are being recovered, or wait for a place.
    fn count(&mut self, id: ServerId) {
        let server = &self.servers[id.0];
        if server.is_being_recovered() {
            self.recovering.insert(id.0);
        } else {
            self.recovering.remove(&id.0);
        }
        if server.is_postponed() {
            self.postponed.insert(id.0);
        } else {
            self.postponed.remove(&id.0);
        }
        if server.is_unheard() {
            self.unheard.insert(id.0);
        } else {
            self.unheard.remove(&id.0);
        }
        let is_stormed = server.held() == Some(Reason::Storm);
        self.stormed.put(id, is_stormed.then_some(server.state().since));
        if !server.is_waiting() {
            self.promised.remove(&id.0);
        }
        if server.cut_from().is_none() {
            self.cut.remove(&id.0);
        } else {
            self.cut.insert(id.0);
        }
        if server.held() == Some(Reason::Concurrency) {
            self.crowded.join(id);
        }
        if server.is_queued() {
            self.queued.join(id);
        }
    }

    /// A recovery or a check has ended: whoever waited for that may have room now.
    fn let_others_go_on(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        while self.recovering.len() + self.promised.len() < self.limits.recoveries
            && let Some(id) = self.crowded.leave()
        {
            self.turn(now, id, effects, Server::reconsider);
            if self.servers[id.0].is_waiting() {
                self.promised.insert(id.0);
            }
        }
        while self.checking < self.limits.checks
            && let Some(id) = self.queued.leave()
        {
            self.turn(now, id, effects, Server::start_queued);
        }
        self.release_in_turn(now, effects);
    }

    fn surroundings(&self, id: ServerId) -> Surroundings {
        let policy = self.servers[id.0].policy();
        let name = |id: &ServerId| self.servers[id.0].policy().name.clone();
        let others = || self.recovering.iter().filter(|other| **other != id.0);
        let crowded = self.recovering.len() >= self.limits.recoveries && others().count() >= self.limits.recoveries;
        let unhealthy = policy.depends_on.iter().map(|dependency| &self.servers[dependency.0]);
        Surroundings {
            unhealthy: unhealthy.filter(|server| !server.is_healthy()).map(|server| server.policy().name.clone()).collect(),
            engine_lost: policy
                .engine
                .as_ref()
                .filter(|engine| self.lost_engines.contains_key(&engine.id))
                .map(|engine| engine.name.clone()),
            unwritten_since: self.unwritten_since,
            storm: self.storm.holds(id).iter().map(name).collect(),
            asking_until: self.storm.asking_until(),
            crowd: if crowded { others().map(|other| name(&ServerId(*other))).collect() } else { Vec::new() },
        }
    }

    fn engine_lost(&mut self, now: Mono, engine: EngineId, error: String, effects: &mut Vec<Effect>) {
        if let Entry::Vacant(place) = self.lost_engines.entry(engine) {
            place.insert(now);
            impaired(now, "engine", error, effects);
        }
        if engine == EngineId::PROCESSES {
            for index in std::mem::take(&mut self.unheard) {
                self.turn(now, ServerId(index), effects, |server, _| server.cannot_be_heard_of());
            }
        }
    }

    fn reconsider_all(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        for index in 0..self.servers.len() {
            self.turn(now, ServerId(index), effects, Server::reconsider);
        }
    }

    /// Keeps exactly one valid entry a server on the heap; older ones are dropped when they surface.
    fn arm(&mut self, id: ServerId) {
        let server = &mut self.servers[id.0];
        let deadline = server.deadline();
        if deadline != server.armed {
            server.armed = deadline;
            if let Some(at) = deadline {
                self.deadlines.push(Reverse((at, id.0)));
            }
        }
        while let Some(Reverse((at, index))) = self.deadlines.peek() {
            if self.servers[*index].armed == Some(*at) {
                return;
            }
            self.deadlines.pop();
        }
    }
}

/// The monitor itself is at fault, and says so.
fn impaired(now: Mono, reason: &str, error: String, effects: &mut Vec<Effect>) {
    let kind = EventKind::MonitorImpaired { reason: reason.to_owned(), error };
    effects.push(Effect::Publish(Happened { at: now, server: None, kind, moment: None, phase: None, incident: None }));
}
