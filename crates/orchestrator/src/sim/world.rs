//! Scripted servers on virtual time (contract, section 3.3).
//!
//! At equal times the script goes first, then the fleet's own timers, then what checks and actions report.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use health_spec::config::{Becomes, File, OperatorDoes, RestartResult, Scene};
use health_spec::{EventKind, Outcome, Reason, Verdict};

use super::trace::{Line, Summary, Trace, is_shown};
use crate::machine::fleet::Beginning;
use crate::machine::memory::Recovery;
use crate::machine::policy::{Issue, Purpose, compile};
use crate::machine::{Command, Death, Effect, Fleet, Input, Mono, ServerId, Ticket, Word};

/// A fleet, its servers, and what is going to happen to them.
#[derive(Debug)]
pub struct World {
    now: Mono,
    end: Mono,
    fleet: Fleet,
    actors: Vec<Actor>,
    script: VecDeque<(Mono, ServerId, Scene)>,
    /// Ordered by time, then by when they were scheduled.
    pending: BinaryHeap<Reverse<(Mono, u64, Pending)>>,
    scheduled: u64,
    happened: Vec<(Mono, Option<ServerId>, EventKind)>,
    trace: Trace,
}

/// A scripted server.
#[derive(Debug)]
struct Actor {
    answers: Becomes,
    restart: RestartResult,
    restart_takes: Duration,
    /// Somebody stopped it while an action of ours runs: the action cannot bring it back.
    stopped: bool,
    checks: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pending {
    CheckTimesOut { server: usize, serial: u64 },
    ActionEnds { server: usize, serial: u64 },
}

impl World {
    /// The world that `file` describes, or everything that is wrong with it.
    pub fn new(file: &File) -> Result<Self, Vec<Issue>> {
        let compiled = compile(file, Purpose::Simulate);
        let mut issues = compiled.as_ref().err().cloned().unwrap_or_default();
        let Some(simulate) = &file.simulate else {
            issues.push(no_script());
            return Err(issues);
        };
        let mut script: Vec<_> =
            simulate.script.iter().enumerate().filter_map(|(index, scene)| placed(file, index, scene, &mut issues)).collect();
        let policies = match compiled {
            Ok(policies) if issues.is_empty() => policies,
            _ => return Err(issues),
        };
        script.sort_by_key(|(at, ..)| *at);
        let actors = policies.iter().map(|_| Actor::new()).collect();
        let (fleet, effects) = Fleet::new(policies, &Beginning::default(), Mono::default());
        let mut world = Self {
            now: Mono::default(),
            end: Mono(simulate.duration_seconds.0),
            fleet,
            actors,
            script: script.into(),
            pending: BinaryHeap::new(),
            scheduled: 0,
            happened: Vec::new(),
            trace: Trace::default(),
        };
        world.carry_out(effects);
        Ok(world)
    }

    /// Plays everything to the end of the horizon.
    pub fn run(mut self) -> Trace {
        while self.advance() {}
        self.summed_up()
    }

    /// Plays the next thing; `false` at the end of the horizon.
    pub fn advance(&mut self) -> bool {
        let scene = self.script.front().map(|(at, ..)| *at);
        let timer = self.fleet.deadline().map(|at| at.max(self.now));
        let pending = self.pending.peek().map(|Reverse((at, ..))| *at);
        let Some(next) = [scene, timer, pending].into_iter().flatten().min().filter(|at| *at <= self.end) else {
            return false;
        };
        self.now = next;
        if scene == Some(next) {
            self.play();
        } else if timer == Some(next) {
            let effects = self.fleet.step(next, Input::Woken);
            self.carry_out(effects);
        } else {
            self.report();
        }
        true
    }

    /// The fleet as it is now.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Everything that was published so far.
    pub fn happened(&self) -> &[(Mono, Option<ServerId>, EventKind)] {
        &self.happened
    }

    fn summed_up(mut self) -> Trace {
        for (server, actor) in self.fleet.servers().iter().zip(&self.actors) {
            let state = server.state();
            let (status, phase, attempts) = (state.status, state.phase, state.attempts);
            let summary = Summary { status, phase, checks: actor.checks, attempts };
            self.trace.summary.insert(server.policy().name.clone(), summary);
        }
        self.trace
    }

    fn play(&mut self) {
        let Some((_, id, scene)) = self.script.pop_front() else { return };
        let actor = &mut self.actors[id.0];
        if let Some(becomes) = scene.becomes {
            actor.answers = becomes;
        }
        if let Some(effect) = scene.restart {
            actor.restart = effect.result.unwrap_or(actor.restart);
            actor.restart_takes = effect.takes_seconds.map_or(actor.restart_takes, |takes| takes.0);
        }
        if let Some(dies) = scene.dies {
            actor.answers = Becomes::Refuse;
            let death = Death { exit_code: Some(dies.exit_code), ..Death::default() };
            self.give(Input::Reported(id, Word::Died(death)));
        }
        if let Some(does) = scene.operator {
            self.operate(id, does);
        }
    }

    fn operate(&mut self, id: ServerId, does: OperatorDoes) {
        let command = match does {
            OperatorDoes::Pause => Command::Pause { until: None, by: "script".to_owned(), reason: None },
            OperatorDoes::Resume => Command::Resume,
            OperatorDoes::Stop => {
                self.actors[id.0].answers = Becomes::Refuse;
                self.actors[id.0].stopped = true;
                return self.give(Input::Reported(id, Word::Stopped));
            }
            OperatorDoes::Start => {
                self.actors[id.0].answers = Becomes::Ok;
                self.actors[id.0].stopped = false;
                return self.give(Input::Reported(id, Word::Started));
            }
        };
        if let Ok(effects) = self.fleet.operate(self.now, id, command) {
            self.carry_out(effects);
        }
    }

    fn give(&mut self, input: Input) {
        let effects = self.fleet.step(self.now, input);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Publish(happened) => self.note(&happened),
                Effect::Probe { ticket, timeout } => self.probe(ticket, timeout),
                Effect::Act { ticket, .. } => {
                    let actor = &mut self.actors[ticket.server.0];
                    actor.stopped = false;
                    let ends = self.now.after(actor.restart_takes);
                    self.schedule(ends, Pending::ActionEnds { server: ticket.server.0, serial: ticket.serial });
                }
            }
        }
    }

    fn note(&mut self, happened: &crate::machine::Happened) {
        self.happened.push((happened.at, happened.server, happened.kind.clone()));
        if is_shown(&happened.kind) {
            let name = happened.server.map(|id| self.fleet.servers()[id.0].policy().name.clone());
            self.trace.lines.push(Line::new(happened, name.unwrap_or_default()));
        }
    }

    fn probe(&mut self, ticket: Ticket, timeout: Duration) {
        let actor = &mut self.actors[ticket.server.0];
        actor.checks += 1;
        if let Some(verdict) = verdict(actor.answers) {
            self.give(Input::Observed { ticket, verdict, took: Duration::ZERO });
        } else {
            let ends = self.now.after(timeout);
            self.schedule(ends, Pending::CheckTimesOut { server: ticket.server.0, serial: ticket.serial });
        }
    }

    fn schedule(&mut self, at: Mono, pending: Pending) {
        self.scheduled += 1;
        self.pending.push(Reverse((at, self.scheduled, pending)));
    }

    fn report(&mut self) {
        let Some(Reverse((_, _, pending))) = self.pending.pop() else { return };
        match pending {
            Pending::CheckTimesOut { server, serial } => {
                let ticket = Ticket { server: ServerId(server), serial };
                let took = self.fleet.servers()[server].policy().timeout;
                self.give(Input::Observed { ticket, verdict: Verdict::failed(Reason::Timeout, "no answer"), took });
            }
            Pending::ActionEnds { server, serial } => {
                let result = self.actors[server].restarted(self.fleet.servers()[server].state().recovery);
                self.give(Input::Finished { ticket: Ticket { server: ServerId(server), serial }, result });
            }
        }
    }
}

impl Actor {
    fn new() -> Self {
        let restart_takes = Duration::from_secs(1);
        Self { answers: Becomes::Ok, restart: RestartResult::Fixes, restart_takes, stopped: false, checks: 0 }
    }

    /// How the action ends, read at its end.
    fn restarted(&mut self, recovery: Recovery) -> Result<(), String> {
        let still_ours = matches!(recovery, Recovery::Acting { .. });
        match self.restart {
            RestartResult::Error => return Err(String::new()),
            RestartResult::Fixes if still_ours && !self.stopped => self.answers = Becomes::Ok,
            RestartResult::Fixes | RestartResult::NoEffect => {}
        }
        Ok(())
    }
}

/// What a check finds; `None` when it finds nothing until its deadline.
fn verdict(answers: Becomes) -> Option<Verdict> {
    let degraded = |reason| Verdict::new(Outcome::Degraded, Some(reason), None);
    let failed = |reason| Verdict::failed(reason, "scripted");
    Some(match answers {
        Becomes::Ok => Verdict::new(Outcome::Ok, None, None),
        Becomes::Degraded => degraded(Reason::Reported),
        Becomes::Overloaded => degraded(Reason::Overloaded),
        Becomes::NeedsAuth => degraded(Reason::NeedsAuth),
        Becomes::Down => failed(Reason::Reported),
        Becomes::Http500 => failed(Reason::HttpStatus),
        Becomes::Refuse => failed(Reason::ConnectRefused),
        Becomes::Stale => failed(Reason::Stale),
        Becomes::Invalid => failed(Reason::InvalidBody),
        Becomes::Hang => return None,
    })
}

fn placed(file: &File, index: usize, scene: &Scene, issues: &mut Vec<Issue>) -> Option<(Mono, ServerId, Scene)> {
    let pointer = format!("/simulate/script/{index}");
    let does = [scene.becomes.is_some(), scene.dies.is_some(), scene.restart.is_some(), scene.operator.is_some()]
        .iter()
        .filter(|is| **is)
        .count();
    if does != 1 {
        issues.push(Issue {
            pointer: pointer.clone(),
            message: format!("this scene does {does} things"),
            help: "exactly one of becomes, dies, restart, operator".to_owned(),
        });
    }
    let place = file.servers.iter().position(|entry| entry.name == scene.server);
    if place.is_none() {
        issues.push(Issue {
            pointer: format!("{pointer}/server"),
            message: format!("there is no server `{}`", scene.server),
            help: "name a server of this file".to_owned(),
        });
    }
    Some((Mono(scene.at.0), ServerId(place?), scene.clone()))
}

fn no_script() -> Issue {
    Issue {
        pointer: String::new(),
        message: "this file has no `simulate` section".to_owned(),
        help: "add simulate: {duration_seconds: 600, script: [...]}".to_owned(),
    }
}
