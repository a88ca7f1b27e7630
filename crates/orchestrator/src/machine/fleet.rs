//! All servers: routes inputs, keeps their deadlines, and lets those go on that waited for another.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use health_spec::{EventKind, Phase};

use super::hold::Surroundings;
use super::memory::{FleetMemory, ServerMemory};
use super::policy::Policy;
use super::server::{Server, Turn};
use super::{Command, Effect, EngineId, Happened, Input, Mono, ServerId};

/// The whole machine. Same inputs at the same moments, same effects.
#[derive(Debug)]
pub struct Fleet {
    servers: Vec<Server>,
    /// Who waits for whom, from the dependency's side.
    dependents: Vec<Vec<ServerId>>,
    lost_engines: BTreeSet<EngineId>,
    unwritten_since: Option<Mono>,
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
}

/// What a fleet starts with.
#[derive(Clone, Debug, Default)]
pub struct Beginning {
    /// What earlier runs have left.
    pub memory: FleetMemory,
    /// Spread the checks of many servers over time. `simulate` does not.
    pub spread: bool,
}

impl Fleet {
    /// A fleet that begins at `now`. Servers that are known from `beginning` go on where they were.
    pub fn new(policies: Vec<Policy>, beginning: &Beginning, now: Mono) -> (Self, Vec<Effect>) {
        let mut dependents = vec![Vec::new(); policies.len()];
        for (index, policy) in policies.iter().enumerate() {
            for dependency in &policy.depends_on {
                dependents[dependency.0].push(ServerId(index));
            }
        }
        let mut fleet = Self {
            servers: Vec::with_capacity(policies.len()),
            dependents,
            lost_engines: BTreeSet::new(),
            unwritten_since: None,
            deadlines: BinaryHeap::new(),
            serial: 0,
            incidents: beginning.memory.incidents,
        };
        let mut effects = Vec::new();
        for (index, policy) in policies.into_iter().enumerate() {
            fleet.register(ServerId(index), policy, beginning, now, &mut effects);
        }
        // What held a recovery in an earlier run may be gone: another policy, a dependency that is well, a disk with room.
        fleet.reconsider_all(now, &mut effects);
        (fleet, effects)
    }

    fn register(&mut self, id: ServerId, policy: Policy, beginning: &Beginning, now: Mono, effects: &mut Vec<Effect>) {
        let memory = beginning.memory.servers.get(&policy.name);
        if memory.is_none() {
            effects.push(Effect::Publish(Happened {
                at: now,
                server: Some(id),
                kind: EventKind::ServerRegistered,
                moment: None,
                phase: Some(Phase::Starting),
                incident: None,
            }));
        }
        let place = beginning.spread.then_some(id.0);
        self.servers.push(Server::new(policy, memory.cloned(), place, now));
        self.arm(id);
    }

    /// Takes an input at `now` and answers with what is to be done.
    pub fn step(&mut self, now: Mono, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Woken => self.wake(now, &mut effects),
            Input::Observed { ticket, verdict, took } => {
                self.turn(now, ticket.server, &mut effects, |server, turn| server.observed(turn, ticket.serial, &verdict, took));
            }
            Input::Blind { ticket, error } => {
                self.turn(now, ticket.server, &mut effects, |server, turn| server.blind(turn, ticket.serial, error));
            }
            Input::Finished { ticket, result } => {
                self.turn(now, ticket.server, &mut effects, |server, turn| server.finished(turn, ticket.serial, result));
            }
            Input::Reported(id, word) => self.turn(now, id, &mut effects, |server, turn| server.reported(turn, word)),
            Input::EngineLost(engine, error) => self.engine_lost(now, engine, error, &mut effects),
            Input::EngineBack(engine) => {
                if self.lost_engines.remove(&engine) {
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
        }
        effects
    }

    /// Takes a person's command.
    pub fn operate(&mut self, now: Mono, id: ServerId, command: Command) -> Result<Vec<Effect>, Refusal> {
        let mut effects = Vec::new();
        let mut answer = Ok(());
        self.turn(now, id, &mut effects, |server, turn| answer = server.operate(turn, command));
        answer.map(|()| effects)
    }

    /// When to call again with [`Input::Woken`].
    pub fn deadline(&self) -> Option<Mono> {
        self.deadlines.peek().map(|Reverse((at, _))| *at)
    }

    /// The servers, by id.
    pub fn servers(&self) -> &[Server] {
        &self.servers
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
        while let Some(Reverse((at, index))) = self.deadlines.peek().copied() {
            if at > now {
                return;
            }
            self.deadlines.pop();
            self.servers[index].armed = None;
            self.turn(now, ServerId(index), effects, Server::woken);
        }
    }

    /// Gives one server the floor, then those who wait for it.
    fn turn(&mut self, now: Mono, id: ServerId, effects: &mut Vec<Effect>, act: impl FnOnce(&mut Server, &mut Turn<'_>)) {
        let was_healthy = self.servers[id.0].is_healthy();
        let around = self.surroundings(id);
        let begin = effects.len();
        let server = &mut self.servers[id.0];
        let mut turn = Turn { now, id, around, effects, serial: &mut self.serial, incidents: &mut self.incidents };
        act(server, &mut turn);
        let phase = server.phase();
        for effect in &mut effects[begin..] {
            if let Effect::Publish(happened) = effect {
                happened.phase = Some(phase);
            }
        }
        self.arm(id);
        if was_healthy != self.servers[id.0].is_healthy() {
            for dependent in self.dependents[id.0].clone() {
                self.turn(now, dependent, effects, Server::reconsider);
            }
        }
    }

    fn surroundings(&self, id: ServerId) -> Surroundings {
        let policy = self.servers[id.0].policy();
        let unhealthy = policy.depends_on.iter().map(|dependency| &self.servers[dependency.0]);
        Surroundings {
            unhealthy: unhealthy.filter(|server| !server.is_healthy()).map(|server| server.policy().name.clone()).collect(),
            engine_lost: policy
                .engine
                .as_ref()
                .filter(|engine| self.lost_engines.contains(&engine.id))
                .map(|engine| engine.name.clone()),
            unwritten_since: self.unwritten_since,
        }
    }

    fn engine_lost(&mut self, now: Mono, engine: EngineId, error: String, effects: &mut Vec<Effect>) {
        if self.lost_engines.insert(engine) {
            impaired(now, "engine", error, effects);
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
