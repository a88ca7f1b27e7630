//! What a fleet begins with, and how: servers that earlier runs knew go on where they were.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use health_spec::{EventKind, Phase};
use serde::{Deserialize, Serialize};

use super::Fleet;
use super::queue::Queue;
use crate::machine::memory::{FleetMemory, ServerMemory};
use crate::machine::policy::Policy;
use crate::machine::server::Server;
use crate::machine::storm::{Line, Storm};
use crate::machine::{Effect, Happened, Mono, ServerId};

/// How much happens at the same time, in the whole fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Recoveries.
    pub recoveries: usize,
    /// Checks.
    pub checks: usize,
}

impl Default for Limits {
    /// Four recoveries (contract, section 2). 500 checks, so that they fit into the 1,024 file descriptors that a process usually has.
    fn default() -> Self {
        Self { recoveries: 4, checks: 500 }
    }
}

/// What a fleet starts with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Beginning {
    /// What earlier runs have left.
    pub memory: FleetMemory,
    /// Spread the checks of many servers over time. `simulate` does not.
    pub spread: bool,
    /// How much happens at the same time.
    pub limits: Limits,
    /// The maintenance windows that are open, by server name, and until when.
    #[serde(default)]
    pub maintenance: BTreeMap<String, Mono>,
    /// Child processes are not checked before their supervisors have said how they stand. `simulate` has no supervisors.
    #[serde(default)]
    pub hears_first: bool,
}

impl Fleet {
    /// A fleet that begins at `now`. Servers that are known from `beginning` go on where they were.
    pub fn new(policies: Vec<Policy>, beginning: &Beginning, now: Mono) -> (Self, Vec<Effect>) {
        let mut fleet = Self {
            servers: Vec::with_capacity(policies.len()),
            live: Vec::new(),
            dependents: Vec::new(),
            lost_engines: BTreeMap::new(),
            unwritten_since: None,
            storm: Storm::default(),
            stormed: Line::default(),
            limits: beginning.limits,
            recovering: BTreeSet::new(),
            postponed: BTreeSet::new(),
            crowded: Queue::default(),
            promised: BTreeSet::new(),
            cut: BTreeSet::new(),
            checking: 0,
            queued: Queue::default(),
            spread: beginning.spread,
            hears_first: beginning.hears_first,
            unheard: BTreeSet::new(),
            deadlines: BinaryHeap::new(),
            serial: 0,
            incidents: beginning.memory.incidents,
        };
        let mut effects = Vec::new();
        for (others, policy) in policies.into_iter().enumerate() {
            let memory = beginning.memory.servers.get(&policy.name).cloned();
            fleet.register(policy, memory, others, now, &mut effects);
        }
        fleet.learn_live();
        fleet.learn_dependents();
        fleet.open_windows(&beginning.maintenance, now, &mut effects);
        fleet.resume_doubt(now);
        for index in 0..fleet.servers.len() {
            fleet.turn(now, ServerId(index), &mut effects, Server::take_up);
        }
        fleet.doubt_what_was_planned(now, &mut effects);
        // What held a recovery in an earlier run may be gone: another policy, a dependency that is well, a disk with room.
        for index in 0..fleet.servers.len() {
            fleet.turn(now, ServerId(index), &mut effects, Server::reconsider_after_a_break);
        }
        (fleet, effects)
    }

    /// Before anything is released: what an open window holds stays held.
    fn open_windows(&mut self, windows: &BTreeMap<String, Mono>, now: Mono, effects: &mut Vec<Effect>) {
        for index in 0..self.servers.len() {
            if let Some(until) = windows.get(&self.servers[index].policy().name) {
                self.turn(now, ServerId(index), effects, |server, turn| server.maintain(turn, Some(*until)));
            }
        }
    }

    /// A server takes the next place; `others` begin before it at the same moment.
    pub(super) fn register(
        &mut self,
        policy: Policy,
        memory: Option<ServerMemory>,
        others: usize,
        now: Mono,
        effects: &mut Vec<Effect>,
    ) {
        let id = ServerId(self.servers.len());
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
        let server = Server::new(policy, memory, self.spread.then_some(id.0), others, now);
        self.servers.push(if self.hears_first { server.heard_of_first() } else { server });
        self.count(id);
        self.arm(id);
    }

    pub(super) fn learn_dependents(&mut self) {
        self.dependents = vec![Vec::new(); self.servers.len()];
        for (index, server) in self.servers.iter().enumerate().filter(|(_, server)| !server.is_retired()) {
            for dependency in &server.policy().depends_on {
                self.dependents[dependency.0].push(ServerId(index));
            }
        }
    }
}
