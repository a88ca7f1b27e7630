//! What an orchestrator that is killed finds again: what the shell writes, when it writes it.
//!
//! A step's events and the state of the servers that they concern are one transaction; a server that a step
//! does not concern is not written. While the disk refuses, both are kept, and written when it is well again.

use std::collections::BTreeSet;

use crate::machine::memory::FleetMemory;
use crate::machine::{Effect, Fleet, ServerId};

#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) memory: FleetMemory,
    /// The last number given to an event.
    pub(super) seq: u64,
    pub(super) refuses: bool,
    unwritten: BTreeSet<usize>,
}

impl Disk {
    /// Numbers the events among `effects` and gives the first number; keeps the states when there is a disk.
    pub(super) fn write(&mut self, effects: &[Effect], fleet: &Fleet, durable: bool) -> u64 {
        let first = self.seq + 1;
        for effect in effects {
            let changed = match effect {
                Effect::Publish(happened) => {
                    self.seq += 1;
                    happened.server
                }
                Effect::Remember(id) => Some(*id),
                _ => None,
            };
            self.unwritten.extend(changed.filter(|_| durable).map(|id| id.0));
        }
        if !self.refuses {
            for place in std::mem::take(&mut self.unwritten) {
                self.keep(ServerId(place), fleet);
            }
            self.memory.incidents = fleet.incidents();
        }
        first
    }

    fn keep(&mut self, id: ServerId, fleet: &Fleet) {
        let server = &fleet.servers()[id.0];
        let name = server.policy().name.clone();
        if server.is_retired() {
            self.memory.servers.remove(&name);
        } else {
            self.memory.servers.insert(name, fleet.memory(id));
        }
    }
}
