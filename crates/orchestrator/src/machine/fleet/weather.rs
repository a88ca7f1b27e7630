//! When many servers fail at once: whom to ask, what to hold and what to release. The rounds are kept by `storm`.

use super::{Fleet, impaired};
use crate::machine::hold::Reason;
use crate::machine::server::Server;
use crate::machine::storm::{Shown, WITNESSES};
use crate::machine::{Effect, Mono, ServerId, Ticket};

impl Fleet {
    /// A recovery is planned that only checks have decided: asks others whether it is the monitor that cannot see.
    pub(super) fn doubt_oneself(&mut self, now: Mono, about: ServerId, effects: &mut Vec<Effect>) {
        if self.storm.is_calm() {
            let witnesses = self.witnesses(about);
            if witnesses.len() == WITNESSES {
                self.ask(now, &witnesses, effects);
            }
        }
    }

    /// Timers of a storm.
    pub(super) fn look_at_the_weather(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        self.conclude_round(now, effects);
        if let Some(witnesses) = self.storm.round_due(now) {
            let witnesses = witnesses.to_vec();
            self.ask(now, &witnesses, effects);
        }
        if self.storm.canary_due(now) {
            let canary = self.held_by_storm().into_iter().next();
            self.storm.try_canary(canary, now);
            if let Some(canary) = canary {
                self.turn(now, canary, effects, Server::reconsider);
            }
        }
    }

    pub(super) fn conclude_round(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        match self.storm.conclude(now) {
            None | Some(Shown::GoesOn) => {}
            Some(Shown::Clear) => self.for_all(now, effects, Server::go_on),
            Some(Shown::Ends) => self.release_storm(now, effects),
            Some(Shown::Begins(failing)) => {
                let names: Vec<_> = failing.iter().map(|id| self.servers[id.0].policy().name.as_str()).collect();
                let error = format!("{} of {WITNESSES} other servers do not answer either: {}", names.len(), names.join(", "));
                impaired(now, "storm", error, effects);
                self.for_all(now, effects, |server, turn| {
                    if server.waits_by_checks() {
                        server.hold_for_storm(turn);
                    }
                });
            }
        }
    }

    /// The monitor can see again, or could all the time: what was held goes on.
    pub(super) fn release_storm(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        for id in self.held_by_storm() {
            self.turn(now, id, effects, Server::reconsider);
        }
        self.for_all(now, effects, Server::go_on);
    }

    /// An earlier run suspected itself. Who its witnesses were is not known any more: any will do.
    pub(super) fn resume_doubt(&mut self, now: Mono) {
        let Some(held) = self.held_by_storm().into_iter().next() else { return };
        let mut witnesses = self.witnesses(held);
        let others = (0..self.servers.len()).map(ServerId).filter(|id| *id != held);
        let lacking = WITNESSES.saturating_sub(witnesses.len());
        let more: Vec<_> = others.filter(|id| !witnesses.contains(id)).take(lacking).collect();
        witnesses.extend(more);
        self.storm.begin(witnesses.clone(), witnesses, now);
    }

    fn ask(&mut self, now: Mono, witnesses: &[ServerId], effects: &mut Vec<Effect>) {
        let mut until = now;
        let mut asked = Vec::with_capacity(witnesses.len());
        for &server in witnesses.iter().filter(|id| !self.servers[id.0].is_retired()) {
            self.serial += 1;
            let timeout = self.servers[server.0].policy().timeout;
            effects.push(Effect::Probe { ticket: Ticket { server, serial: self.serial }, timeout });
            asked.push((server, self.serial));
            until = until.max(now.after(timeout));
        }
        self.storm.ask(asked.into_iter(), until);
    }

    /// Up to four servers that are up, elsewhere than `about` where possible, from all over the fleet.
    fn witnesses(&self, about: ServerId) -> Vec<ServerId> {
        let place = |id: &ServerId| {
            let policy = self.servers[id.0].policy();
            (policy.host.as_deref(), policy.engine.as_ref().map(|engine| engine.id))
        };
        let there = place(&about);
        let count = self.servers.len();
        let others = (1..count).map(|step| ServerId((about.0 + step) % count));
        // Suspect ones too: what strikes all at once makes all of them suspect in the same second.
        let up = others.filter(|id| self.servers[id.0].is_up() && !self.servers[id.0].is_retired());
        let (elsewhere, here): (Vec<_>, Vec<_>) = up.partition(|id| place(id) != there);
        let mut chosen = from_all_over(&elsewhere, WITNESSES);
        chosen.extend(from_all_over(&here, WITNESSES - chosen.len()));
        chosen
    }

    /// In the order in which they were held.
    fn held_by_storm(&self) -> Vec<ServerId> {
        let held = self.servers.iter().enumerate().filter(|(_, server)| server.held() == Some(Reason::Storm));
        let mut held: Vec<_> = held.map(|(index, server)| (server.state().since, ServerId(index))).collect();
        held.sort_unstable();
        held.into_iter().map(|(_, id)| id).collect()
    }

    fn for_all(
        &mut self,
        now: Mono,
        effects: &mut Vec<Effect>,
        act: impl Fn(&mut Server, &mut crate::machine::server::Turn<'_>),
    ) {
        for index in 0..self.servers.len() {
            self.turn(now, ServerId(index), effects, &act);
        }
    }
}

/// At most `most` of them, evenly.
fn from_all_over(servers: &[ServerId], most: usize) -> Vec<ServerId> {
    let count = most.min(servers.len());
    (0..count).map(|number| servers[number * servers.len() / count]).collect()
}
