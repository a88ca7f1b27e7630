//! When many servers fail at once: whom to ask, what to hold and what to release. The rounds are kept by `storm`.

use std::collections::BTreeSet;

use health_spec::Phase;

use super::{Fleet, impaired};
use crate::machine::hold::Reason;
use crate::machine::server::Server;
use crate::machine::storm::{Shown, WITNESSES};
use crate::machine::{Effect, EngineId, Mono, ServerId, Ticket};

#[cfg(test)]
mod tests;

/// So many servers of a large fleet, from all over it, are looked at for witnesses: a step must not take longer with more.
const LOOKED_AT: usize = 512;

impl Fleet {
    /// A recovery is planned that only checks have decided: asks others whether it is the monitor that cannot see.
    pub(super) fn doubt_oneself(&mut self, now: Mono, about: ServerId, effects: &mut Vec<Effect>) {
        let asks_again = self.storm.asks_again();
        if !self.storm.is_calm() && !self.storm.is_asking() {
            return;
        }
        let witnesses = self.witnesses(about);
        if witnesses.len() < WITNESSES && !asks_again {
            return;
        }
        if self.storm.is_asking() {
            self.storm.ask_later(about, witnesses);
        } else {
            self.ask(now, &witnesses, effects);
        }
    }

    /// Timers of a storm.
    pub(super) fn look_at_the_weather(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        self.conclude_round(now, effects);
        if let Some(witnesses) = self.storm.round_due(now) {
            let witnesses = self.present(witnesses);
            self.storm.call(&witnesses);
            self.ask(now, &witnesses, effects);
        }
        // A canary that nobody watches any more, or that somebody stopped, tells nothing; nor does one that no action could be done to.
        if self.storm.canary().is_some_and(|canary| !self.can_tell(canary) || self.servers[canary.0].is_beyond_action()) {
            self.storm.try_canary(None, now);
        }
        if self.storm.canary_due(now) {
            let canary = self.next_canary();
            self.storm.try_canary(canary, now);
            if let Some(canary) = canary {
                self.turn(now, canary, effects, Server::reconsider);
            }
        }
    }

    pub(super) fn conclude_round(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        match self.storm.conclude(now) {
            None | Some(Shown::GoesOn) => {}
            Some(Shown::Clear) => self.go_on_or_ask_again(now, effects),
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

    /// The monitor could see when the round began. Who was planned since waits for another round.
    fn go_on_or_ask_again(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        let next = self.storm.take_next();
        for id in self.postponed.clone().into_iter().map(ServerId) {
            if next.as_ref().is_none_or(|next| !next.about.contains(&id)) {
                self.turn(now, id, effects, Server::go_on);
            }
        }
        if let Some(next) = next
            && self.storm.is_calm()
        {
            self.ask(now, &next.witnesses, effects);
        }
    }

    /// The monitor can see again, or could all the time: what was held goes on, in its turn.
    pub(super) fn release_storm(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        self.storm.ebbs(self.stormed.iter());
        self.release_in_turn(now, effects);
        for id in self.postponed.clone().into_iter().map(ServerId) {
            self.turn(now, id, effects, Server::go_on);
        }
    }

    /// After a storm as many go on at once as may be recovered at once; the next ones when those have settled.
    pub(super) fn release_in_turn(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        let settled: Vec<_> = self.storm.released().filter(|id| self.servers[id.0].is_settled()).collect();
        for id in settled {
            self.storm.settled(id);
        }
        while let Some(id) = self.storm.release_next(self.limits.recoveries) {
            if self.servers[id.0].held() == Some(Reason::Storm) {
                self.turn(now, id, effects, Server::reconsider);
            }
            if self.servers[id.0].is_settled() {
                self.storm.settled(id);
            }
        }
        self.storm.forget_empty();
    }

    /// An earlier run suspected itself, since these did not answer: they are asked at once. Who is up was well all the time, perhaps, and
    /// takes only the places of the others.
    pub(super) fn resume_doubt(&mut self, now: Mono) {
        if let Some(first) = self.next_canary() {
            let state = self.servers[first.0].state();
            let failing = state.held.iter().flat_map(|hold| &hold.on);
            let failing: Vec<_> = failing.filter_map(|name| self.of_name(name)).take(WITNESSES).collect();
            let since = state.since;
            self.storm.resume(self.present(&failing), since, now);
        }
    }

    fn of_name(&self, name: &str) -> Option<ServerId> {
        self.servers.iter().position(|server| !server.is_retired() && server.policy().name == name).map(ServerId)
    }

    /// An earlier run planned recoveries and may have ended while it asked: one round is about all of them.
    pub(super) fn doubt_what_was_planned(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        if let Some(planned) = self.servers.iter().position(|server| server.waits_by_checks() && !server.is_retired()) {
            self.doubt_oneself(now, ServerId(planned), effects);
        }
    }

    /// These witnesses, as far as they can still tell anything; others that are up take the places of those that cannot. Where nobody is
    /// up, any will do.
    fn present(&self, known: &[ServerId]) -> Vec<ServerId> {
        let held = self.next_canary();
        let mut witnesses: Vec<_> = known.iter().copied().filter(|id| self.can_tell(*id)).collect();
        let up = self.witnesses(held.unwrap_or_default());
        for id in up {
            if witnesses.len() < WITNESSES && !witnesses.contains(&id) {
                witnesses.push(id);
            }
        }
        if witnesses.is_empty() {
            let any = (0..self.servers.len()).map(ServerId).filter(|id| Some(*id) != held && self.can_tell(*id));
            witnesses.extend(any.take(WITNESSES));
        }
        witnesses
    }

    /// It is watched and meant to run.
    fn can_tell(&self, id: ServerId) -> bool {
        let server = &self.servers[id.0];
        !server.is_retired() && server.phase() != Phase::Stopped
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
            // What runs on this machine is nowhere else for that.
            let engine = policy.engine.as_ref().map(|engine| engine.id).filter(|engine| *engine != EngineId::PROCESSES);
            (policy.host.as_deref(), engine)
        };
        let there = place(&about);
        let count = self.live.len();
        let stride = (count / LOOKED_AT).max(1);
        let first = self.live.partition_point(|id| *id <= about);
        let others = (0..count).step_by(stride).map(|step| self.live[(first + step) % count]).filter(|id| *id != about);
        // Suspect ones too: what strikes all at once makes all of them suspect in the same second. Not one that has never been well, or whose
        // process may be being ended by our own start.
        let has_been_up = |id: &ServerId| {
            let server = &self.servers[id.0];
            server.is_up() && server.state().up_since.is_some() && !server.is_unheard()
        };
        let up = others.filter(|id| has_been_up(id) && !self.servers[id.0].is_retired());
        // Whoever may be ending by another's word has nothing to say about us: it is asked only where there are too few others.
        let (ending, sure): (Vec<_>, Vec<_>) = up.partition(|id| self.servers[id.0].may_be_ending());
        let mut chosen = Vec::new();
        for some in [sure, ending] {
            let (elsewhere, here): (Vec<_>, Vec<_>) = some.into_iter().partition(|id| place(id) != there);
            for some in [elsewhere, here] {
                chosen.extend(from_all_over(&some, WITNESSES - chosen.len()));
            }
        }
        chosen
    }

    /// Whose explanation has become another although nothing happened to them: what they wait for has changed.
    pub fn reworded(&mut self, changed: &[ServerId]) -> BTreeSet<ServerId> {
        let waits = |id: &ServerId, reason| self.servers[id.0].held() == Some(reason);
        let dependents = changed.iter().flat_map(|id| &self.dependents[id.0]).copied();
        let mut reworded: BTreeSet<_> = dependents.filter(|id| waits(id, Reason::Dependency)).collect();
        if self.storm.take_news() {
            reworded.extend(self.stormed.iter());
        }
        reworded
    }

    /// Who would be the canary.
    pub(in crate::machine) fn next_canary(&self) -> Option<ServerId> {
        self.stormed.iter().next()
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
