//! Scripted servers on virtual time (contract, section 3.3), and the same machine that runs in production.
//!
//! At equal times the script goes first, then the fleet's own timers, then what checks and actions report.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use health_spec::config::File;
use health_spec::{Reason, Verdict};

use super::trace::Trace;
use super::twist::{Turn, Twist};
use crate::machine::fleet::{Beginning, Limits};
use crate::machine::policy::{Issue, Policy};
use crate::machine::{Effect, Fleet, Input, Mono, ServerId, Ticket, Word};
use cast::Cast;
use disk::Disk;
pub use scripted::Window;

mod cast;
mod disk;
mod happening;
mod scripted;

/// A fleet, its servers, and what is going to happen to them.
#[derive(Debug)]
pub struct World {
    now: Mono,
    end: Mono,
    fleet: Fleet,
    /// The policies in force, as compiled.
    policies: Vec<Policy>,
    setting: Setting,
    cast: Cast,
    agenda: VecDeque<Turn>,
    /// What is answered at once.
    answers: VecDeque<Input>,
    /// Ordered by time, then by when they were scheduled.
    pending: BinaryHeap<Reverse<(Mono, u64, Pending)>>,
    scheduled: u64,
    network_lost: Option<Mono>,
    blind: Option<Mono>,
    /// What engines tell late, by when it was scheduled.
    late: BTreeMap<u64, (usize, Word)>,
    /// The orchestrator does not run before then.
    crashed: Option<Mono>,
    disk: Disk,
    step: Step,
    trace: Option<Trace>,
}

/// How the machine is set up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setting {
    /// How much at the same time.
    pub limits: Limits,
    /// Whether checks are spread. `simulate` does not.
    pub spread: bool,
    /// Whether the orchestrator may be killed: then a disk is kept.
    pub durable: bool,
}

/// What the last step was, for those who watch.
#[derive(Debug, Default)]
pub struct Step {
    /// The numbers of its events, as the shell's writer gives them: the first of them.
    pub first_seq: u64,
    /// What the machine answered.
    pub effects: Vec<Effect>,
    /// A result was given to this server that it does not wait for any more.
    pub stale: Option<ServerId>,
    /// What happened, if the script was played.
    pub twist: Option<Twist>,
    /// What engines have told the machine.
    pub words: Vec<(ServerId, Word)>,
    /// An action of this server has really ended.
    pub ended: Option<ServerId>,
    /// The orchestrator has been killed, and runs again.
    pub reborn: bool,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pending {
    Touches { server: usize, serial: u64 },
    Answer { server: usize, serial: u64 },
    ActionEnds { server: usize, serial: u64 },
    IsBack { server: usize, serial: u64 },
    Word { number: u64 },
}

impl World {
    /// The world that `file` describes, or everything that is wrong with it.
    pub fn new(file: &File) -> Result<Self, Vec<Issue>> {
        Self::scripted(file, Setting::default(), &[])
    }

    /// A world of these servers, and what happens to them in the order of time.
    pub fn of(policies: Vec<Policy>, agenda: Vec<Turn>, end: Mono, setting: Setting) -> Self {
        let now = Mono::default();
        let beginning = Beginning { limits: setting.limits, spread: setting.spread, ..Beginning::default() };
        let (fleet, effects) = Fleet::new(policies.clone(), &beginning, now);
        let mut world = Self {
            now,
            end,
            fleet,
            cast: Cast::of(&policies),
            policies,
            setting,
            agenda: agenda.into(),
            answers: VecDeque::new(),
            pending: BinaryHeap::new(),
            scheduled: 0,
            network_lost: None,
            blind: None,
            late: BTreeMap::new(),
            crashed: None,
            disk: Disk::default(),
            step: Step::default(),
            trace: None,
        };
        world.carry_out(effects);
        world
    }

    /// Keeps everything that happens for a timeline.
    #[must_use]
    pub fn traced(mut self) -> Self {
        let mut trace = Trace::new(self.end, self.policies.iter().map(|policy| policy.name.clone()));
        trace.learn(self.now, &self.step.effects, &self.fleet);
        self.trace = Some(trace);
        self
    }

    /// Plays everything to the end of the horizon.
    pub fn run(mut self) -> Trace {
        while self.advance() {}
        let mut trace = self.trace.unwrap_or_default();
        trace.sum_up(self.fleet.servers(), |id| self.cast.of_place(id).checks);
        trace
    }

    /// Plays the next thing; `false` at the end of the horizon.
    pub fn advance(&mut self) -> bool {
        self.step = Step::default();
        if let Some(input) = self.answers.pop_front() {
            self.give(input);
            return true;
        }
        let scene = self.agenda.front().map(|turn| turn.at);
        let timer = match self.crashed {
            None => self.fleet.deadline().map(|at| at.max(self.now)),
            reborn => reborn,
        };
        let pending = self.pending.peek().map(|Reverse((at, ..))| *at);
        let Some(next) = [scene, timer, pending].into_iter().flatten().min().filter(|at| *at <= self.end) else {
            return false;
        };
        self.now = next;
        if scene == Some(next) {
            self.play();
        } else if timer == Some(next) && self.crashed.is_some() {
            self.begin_again();
        } else if timer == Some(next) {
            self.give(Input::Woken);
        } else {
            self.report();
        }
        true
    }

    /// The moment.
    pub fn now(&self) -> Mono {
        self.now
    }

    /// The fleet as it is now.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// The last step.
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// How the machine is set up.
    pub fn setting(&self) -> &Setting {
        &self.setting
    }

    /// Whether the orchestrator runs.
    pub fn is_watching(&self) -> bool {
        self.crashed.is_none()
    }

    /// How long the server in this place asks to be left alone when it is overloaded.
    pub fn asks(&self, id: ServerId) -> std::time::Duration {
        self.cast.of_place(id).asks
    }

    /// Which actor plays the server in this place: the same one across reloads and crashes.
    pub fn actor(&self, id: ServerId) -> usize {
        self.cast.place(id)
    }

    fn give(&mut self, input: Input) {
        if self.crashed.is_some() {
            return;
        }
        match &input {
            Input::Finished { ticket, .. } => self.step.ended = Some(ticket.server),
            Input::Touches { ticket } => self.cast.of_place_mut(ticket.server).asked = true,
            _ => {}
        }
        self.step.stale = match &input {
            Input::Observed { ticket, .. } | Input::Blind { ticket, .. } => Some(ticket),
            _ => None,
        }
        .filter(|ticket| self.fleet.servers()[ticket.server.0].checking() != Some(ticket.serial))
        .map(|ticket| ticket.server);
        let effects = self.fleet.step(self.now, input);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in &effects {
            match *effect {
                Effect::Publish(_) | Effect::Remember(_) => {}
                Effect::Probe { ticket, timeout } => self.probe(ticket, timeout),
                Effect::Act { ticket, .. } => self.prepare(ticket),
                Effect::Proceed(ticket) => self.act(ticket),
                Effect::Abandon(ticket) => self.call_off(ticket),
                // Nothing of a server that is well is touched.
                Effect::Settle { ticket, keep: true, .. } => self.answers.push_back(Input::Settled { ticket, result: Ok(()) }),
                Effect::Settle { ticket, keep: false, start } => self.put_back(ticket, start),
            }
        }
        if let Some(trace) = &mut self.trace {
            trace.learn(self.now, &effects, &self.fleet);
        }
        let first = self.disk.write(&effects, &self.fleet, self.setting.durable);
        if self.step.effects.is_empty() {
            self.step.first_seq = first;
        }
        self.step.effects.extend(effects);
    }

    fn probe(&mut self, ticket: Ticket, timeout: Duration) {
        let lost = self.network_lost.is_some_and(|until| self.now < until);
        let blind = self.blind.is_some_and(|until| self.now < until);
        let actor = self.cast.of_place_mut(ticket.server);
        actor.checks += 1;
        if blind {
            return self.answers.push_back(Input::Blind { ticket, error: "scripted".to_owned() });
        }
        match actor.verdict(self.now, lost) {
            Some(verdict) if actor.lag.is_zero() => {
                self.answers.push_back(Input::Observed { ticket, verdict, took: Duration::ZERO });
            }
            Some(_) if actor.lag < timeout => {
                let at = self.now.after(actor.lag);
                self.schedule(at, Pending::Answer { server: ticket.server.0, serial: ticket.serial });
            }
            _ => self.schedule(self.now.after(timeout), Pending::Answer { server: ticket.server.0, serial: ticket.serial }),
        }
    }

    /// Evidence and the hook before it: the server is not touched yet.
    fn prepare(&mut self, ticket: Ticket) {
        let actor = self.cast.of_place_mut(ticket.server);
        (actor.preparing, actor.asked) = (Some(ticket.serial), false);
        if actor.prepares.is_zero() {
            return self.answers.push_back(Input::Touches { ticket });
        }
        let at = self.now.after(actor.prepares);
        self.schedule(at, Pending::Touches { server: ticket.server.0, serial: ticket.serial });
    }

    /// Who has not asked yet asks in time; what has begun to touch its server goes on.
    fn call_off(&mut self, ticket: Ticket) {
        let actor = self.cast.of_place_mut(ticket.server);
        if actor.asked && actor.preparing.take_if(|serial| *serial == ticket.serial).is_some() {
            self.answers.push_back(Input::Finished { ticket, result: Err("somebody stopped it meanwhile".to_owned()) });
        }
    }

    fn act(&mut self, ticket: Ticket) {
        self.cast.of_place_mut(ticket.server).preparing = None;
        let ends = self.begin_action(ticket);
        self.schedule(ends, Pending::ActionEnds { server: ticket.server.0, serial: ticket.serial });
    }

    /// The old one of a recreated server is put back, which takes and does what a restart does.
    fn put_back(&mut self, ticket: Ticket, start: bool) {
        let ends = self.begin_action(ticket);
        self.cast.of_place_mut(ticket.server).stopped = !start;
        self.schedule(ends, Pending::IsBack { server: ticket.server.0, serial: ticket.serial });
    }

    fn begin_action(&mut self, ticket: Ticket) -> Mono {
        let actor = self.cast.of_place_mut(ticket.server);
        actor.stopped = false;
        actor.acting = true;
        let ends = self.now.after(actor.restart_takes);
        if actor.talks {
            self.answers.push_back(actor.killed_by_us(ticket.server));
        }
        ends
    }

    fn schedule(&mut self, at: Mono, pending: Pending) {
        self.scheduled += 1;
        self.pending.push(Reverse((at, self.scheduled, pending)));
    }

    fn report(&mut self) {
        let Some(Reverse((_, _, pending))) = self.pending.pop() else { return };
        match pending {
            Pending::Touches { server, serial } => {
                let ticket = Ticket { server: ServerId(server), serial };
                if self.cast.of_place(ticket.server).preparing == Some(serial) {
                    self.give(Input::Touches { ticket });
                }
            }
            Pending::Answer { server, serial } => {
                let ticket = Ticket { server: ServerId(server), serial };
                let timeout = self.fleet.servers()[server].policy().timeout;
                let actor = self.cast.of_place(ticket.server);
                let verdict = actor.verdict(self.now, self.network_lost.is_some_and(|until| self.now < until));
                let verdict = verdict.unwrap_or_else(|| Verdict::failed(Reason::Timeout, "no answer"));
                self.give(Input::Observed { ticket, verdict, took: actor.lag.min(timeout) });
            }
            Pending::ActionEnds { server, serial } => {
                let ticket = Ticket { server: ServerId(server), serial };
                self.end_action(ticket.server, |result| Input::Finished { ticket, result });
            }
            Pending::IsBack { server, serial } => {
                let ticket = Ticket { server: ServerId(server), serial };
                self.end_action(ticket.server, |result| Input::Settled { ticket, result });
            }
            Pending::Word { number } => self.hear(number),
        }
    }

    fn end_action(&mut self, id: ServerId, report: impl FnOnce(Result<(), String>) -> Input) {
        let recovery = self.fleet.servers()[id.0].state().recovery;
        let now = self.now;
        let actor = self.cast.of_place_mut(id);
        actor.acting = false;
        let result = actor.restarted(recovery, now);
        if actor.talks && result.is_ok() {
            self.give(Input::Reported(id, Word::Running));
        }
        self.give(report(result));
        self.step.ended = Some(id);
    }
}
