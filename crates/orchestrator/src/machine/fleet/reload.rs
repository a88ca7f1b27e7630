//! Another configuration, while everything goes on: who stays keeps its place, its state and its rhythm.

use std::collections::HashMap;

use super::Fleet;
use crate::machine::policy::Policy;
use crate::machine::server::Server;
use crate::machine::{Effect, Mono, ServerId};

/// What a reload has made of the fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Where each server of the new configuration has its place, in that configuration's order.
    pub places: Vec<ServerId>,
    /// Those that are new.
    pub added: Vec<ServerId>,
    /// Those whose policy has changed.
    pub changed: Vec<ServerId>,
    /// Those that are gone. Their places stay empty.
    pub gone: Vec<ServerId>,
}

impl Fleet {
    /// Puts `policies` in force at `now`; their `depends_on` counts in their own order. Servers are told apart by name.
    pub fn reload(&mut self, policies: Vec<Policy>, limits: super::Limits, now: Mono) -> (Reloaded, Vec<Effect>) {
        let mut effects = Vec::new();
        self.limits = limits;
        let mut reloaded = self.placed(&policies);
        for &id in &reloaded.gone {
            self.turn(now, id, &mut effects, Server::retire);
        }
        for (policy, &place) in policies.into_iter().zip(&reloaded.places) {
            let policy = with_places(policy, &reloaded.places);
            if place.0 >= self.servers.len() {
                self.register(policy, None, reloaded.added.len(), now, &mut effects);
                reloaded.added.push(place);
            } else if *self.servers[place.0].policy() != policy {
                self.turn(now, place, &mut effects, |server, turn| server.amend(turn, policy));
                reloaded.changed.push(place);
            }
        }
        self.learn_live();
        self.learn_dependents();
        self.reconsider_all(now, &mut effects);
        self.let_others_go_on(now, &mut effects);
        (reloaded, effects)
    }

    /// Who is there. Empty places are many after months of containers that come and go.
    pub(super) fn learn_live(&mut self) {
        let live = self.servers.iter().enumerate().filter(|(_, server)| !server.is_retired());
        self.live = live.map(|(index, _)| ServerId(index)).collect();
    }

    fn placed(&self, policies: &[Policy]) -> Reloaded {
        let live = self.servers.iter().enumerate().filter(|(_, server)| !server.is_retired());
        let mut known: HashMap<&str, ServerId> =
            live.map(|(index, server)| (server.policy().name.as_str(), ServerId(index))).collect();
        let mut next = self.servers.len();
        let mut places = Vec::with_capacity(policies.len());
        for policy in policies {
            places.push(known.remove(policy.name.as_str()).unwrap_or_else(|| {
                next += 1;
                ServerId(next - 1)
            }));
        }
        let mut gone: Vec<_> = known.into_values().collect();
        gone.sort_unstable();
        Reloaded { places, gone, ..Reloaded::default() }
    }
}

fn with_places(policy: Policy, places: &[ServerId]) -> Policy {
    let depends_on = policy.depends_on.iter().map(|dependency| places[dependency.0]).collect();
    Policy { depends_on, ..policy }
}
