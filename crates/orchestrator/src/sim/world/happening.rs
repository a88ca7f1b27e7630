//! Plays what happens: to a server, to the monitor, to everything.

use std::time::Duration;

use health_spec::config::{Becomes, File, RestartResult};

use super::{Pending, World};
use crate::machine::fleet::Beginning;
use crate::machine::policy::{Purpose, compile};
use crate::machine::{Command, Death, EngineId, Fleet, Input, Mono, ServerId, Word};
use crate::sim::twist::{Change, Twist};

impl World {
    pub(super) fn play(&mut self) {
        let Some(turn) = self.agenda.pop_front() else { return };
        self.step.twist = Some(turn.twist.clone());
        match turn.twist {
            Twist::Server(name, change) => self.change(&name, change),
            Twist::Reload(file) => self.reload(&file),
            Twist::Maintenance(name, until) => self.maintain(&name, until),
            Twist::NetworkLost(until) => self.network_lost = Some(until),
            Twist::Blind(until) => self.blind = Some(until),
            // What cannot be written is forgotten in a crash: the machine promises less then, and no law speaks of it.
            Twist::Crash { until, done } if !self.disk.refuses && self.crashed.is_none() => self.crash(until, done),
            Twist::Crash { .. } => {}
            Twist::Engine(engine, true) => self.give(Input::EngineBack(EngineId(engine))),
            Twist::Engine(engine, false) => self.give(Input::EngineLost(EngineId(engine), "scripted".to_owned())),
            Twist::Disk(well) => self.turn_disk(well),
            Twist::Quiet => self.quieten(),
        }
    }

    fn change(&mut self, name: &str, change: Change) {
        let now = self.now;
        let Some(actor) = self.cast.named(name) else { return };
        let place = actor.place;
        match change {
            Change::Becomes(becomes) => {
                actor.answers = becomes;
                // What answers runs.
                actor.dead &= matches!(becomes, Becomes::Refuse | Becomes::Hang);
            }
            Change::Flaps(turns) => actor.flaps = turns.0,
            Change::Boots(takes) => actor.boots = takes.0,
            Change::Lags(takes) => actor.lag = takes.0,
            Change::Talks(talks) => actor.talks = talks,
            Change::Asks(alone) => actor.asks = alone.0,
            Change::Late(late) => actor.late = late.0,
            Change::Prepares(takes) => actor.prepares = takes.0,
            Change::Restart(effect) => {
                actor.restart = effect.result.unwrap_or(actor.restart);
                actor.restart_takes = effect.takes_seconds.map_or(actor.restart_takes, |takes| takes.0);
            }
            Change::Says(word) => {
                actor.suffers(&word, now);
                self.tell(name, word);
            }
            Change::Wants(command) => {
                if let Some(id) = place {
                    self.operate(id, command);
                }
            }
        }
    }

    /// The engine tells, at once or late.
    fn tell(&mut self, name: &str, word: Word) {
        let Some(index) = self.cast.index(name) else { return };
        let late = self.cast.actors[index].late;
        if late.is_zero() {
            self.reported(index, word);
        } else {
            self.late.insert(self.scheduled + 1, (index, word));
            self.schedule(self.now.after(late), Pending::Word { number: self.scheduled + 1 });
        }
    }

    pub(super) fn hear(&mut self, number: u64) {
        if let Some((index, word)) = self.late.remove(&number) {
            self.reported(index, word);
        }
    }

    fn reported(&mut self, actor: usize, word: Word) {
        if let Some(id) = self.cast.actors[actor].place.filter(|_| self.crashed.is_none()) {
            self.step.words.push((id, word.clone()));
            self.give(Input::Reported(id, word));
        }
    }

    fn operate(&mut self, id: ServerId, command: Command) {
        if self.crashed.is_some() || self.fleet.servers()[id.0].is_retired() {
            return;
        }
        if let Ok(effects) = self.fleet.operate(self.now, id, command) {
            self.carry_out(effects);
        }
    }

    fn reload(&mut self, file: &File) {
        let Ok(policies) = compile(file, Purpose::Simulate) else { return };
        self.policies.clone_from(&policies);
        if self.crashed.is_some() {
            return;
        }
        let names: Vec<_> = policies.iter().map(|policy| policy.name.clone()).collect();
        let (reloaded, effects) = self.fleet.reload(policies, self.setting.limits, self.now);
        for id in reloaded.gone {
            let actor = self.cast.of_place_mut(id);
            // Nobody's any more: an action that runs has no end that anybody hears of.
            (actor.place, actor.acting, actor.preparing) = (None, false, None);
        }
        for (name, place) in names.iter().zip(&reloaded.places) {
            if reloaded.added.contains(place) {
                self.cast.take_place(name);
            }
        }
        self.carry_out(effects);
    }

    fn maintain(&mut self, name: &str, until: Option<Mono>) {
        let Some(actor) = self.cast.named(name) else { return };
        actor.maintenance = until;
        if let Some(id) = actor.place {
            self.give(Input::Maintenance(id, until));
        }
    }

    fn turn_disk(&mut self, well: bool) {
        if self.crashed.is_some() || self.disk.refuses != well {
            return;
        }
        self.disk.refuses = !well;
        self.give(if well { Input::StateBack } else { Input::StateLost { since: self.now, error: "scripted".to_owned() } });
    }

    /// Nothing that was in flight is heard of any more.
    fn crash(&mut self, until: Mono, done: bool) {
        self.crashed = Some(until.max(self.now));
        self.answers.clear();
        self.pending.clear();
        self.late.clear();
        let now = self.now;
        self.cast.actors.iter_mut().for_each(|actor| actor.preparing = None);
        for actor in self.cast.actors.iter_mut().filter(|actor| actor.acting) {
            actor.acting = false;
            if done && actor.restart == RestartResult::Fixes {
                actor.starts(now);
            }
        }
    }

    /// As the shell begins: what is on disk, and the calendar, then what the engines see.
    pub(super) fn begin_again(&mut self) {
        self.crashed = None;
        self.step.reborn = true;
        let memory = self.disk.memory.clone();
        let maintenance = self.cast.windows(&self.policies);
        let beginning =
            Beginning { memory, spread: self.setting.spread, limits: self.setting.limits, maintenance, hears_first: false };
        let (fleet, effects) = Fleet::new(self.policies.clone(), &beginning, self.now);
        self.fleet = fleet;
        self.cast.take_places(&self.policies);
        self.disk.memory.servers.retain(|name, _| self.policies.iter().any(|policy| policy.name == *name));
        self.carry_out(effects);
        for place in 0..self.policies.len() {
            let id = ServerId(place);
            let dead = self.cast.of_place(id).dead;
            self.answers.push_back(Input::Reported(id, if dead { Word::NotRunning(Death::default()) } else { Word::Running }));
        }
    }

    fn quieten(&mut self) {
        if self.crashed.is_some() {
            self.begin_again();
        }
        self.network_lost = None;
        self.blind = None;
        for (actor, word) in std::mem::take(&mut self.late).into_values() {
            self.reported(actor, word);
        }
        self.turn_disk(true);
        for engine in 0..2 {
            self.give(Input::EngineBack(EngineId(engine)));
        }
        for index in 0..self.cast.actors.len() {
            self.calm(index);
        }
    }

    fn calm(&mut self, index: usize) {
        let now = self.now;
        let actor = &mut self.cast.actors[index];
        let was_dead = actor.dead;
        actor.boots = Duration::ZERO;
        actor.starts(now);
        (actor.flaps, actor.lag, actor.talks) = (Duration::ZERO, Duration::ZERO, false);
        (actor.asks, actor.late, actor.prepares) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        (actor.restart, actor.restart_takes) = (RestartResult::Fixes, Duration::from_secs(1));
        let maintained = actor.maintenance.take().is_some();
        let Some(id) = actor.place else { return };
        if maintained {
            self.give(Input::Maintenance(id, None));
        }
        self.operate(id, Command::Resume { by: "quiet".to_owned() });
        if was_dead {
            self.reported(index, Word::Started);
        }
    }
}
