//! A watch's own account of each server: from events, orders and what the script did, never from the machine's state.

use std::collections::BTreeSet;
use std::time::Duration;

use health_spec::status::Observed;
use health_spec::{EventKind, Phase};

use super::{Checked, Watch};
use crate::machine::memory::ServerMemory;
use crate::machine::policy::Policy;
use crate::machine::{Command, Happened, Mono, ServerId, Word};
use crate::sim::World;
use crate::sim::twist::{Change, Twist};

mod learn;

/// So long a stop may take that somebody has begun.
const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// So much longer than its container was created to be waited for.
const STOP_FOLLOWS: Duration = Duration::from_secs(5);

/// One server's life so far.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, not a mode")]
pub(super) struct Life {
    pub(super) phase: Option<Phase>,
    pub(super) status: Observed,
    pub(super) paused: bool,
    pub(super) maintained: bool,
    pub(super) stopped: bool,
    /// An action has been ordered and has not ended.
    pub(super) in_flight: bool,
    /// An operator asked for it.
    pub(super) of_operator: bool,
    /// It may touch the server; somebody has stopped that since it was ordered.
    pub(super) touched: bool,
    pub(super) stopped_meanwhile: bool,
    /// Somebody has started it since it was ordered.
    pub(super) started_meanwhile: bool,
    /// An attempt has begun, and nothing has been said of its end.
    pub(super) attempt: Option<u32>,
    /// It has been recreated at some time; the attempt that began last did so, and has failed without anything being put back.
    pub(super) recreated: bool,
    pub(super) recreates: bool,
    pub(super) owed: bool,
    /// The last attempt that was counted, since the counter started over.
    pub(super) counted: u32,
    /// Somebody else started it: the counter may start over.
    pub(super) may_start_over: bool,
    /// When counted attempts began.
    pub(super) starts: Vec<Mono>,
    /// So many of them began under another budget, which may have forgotten them.
    pub(super) forgiven: usize,
    /// Since when the next delay runs at the earliest.
    pub(super) trouble: Mono,
    pub(super) incident: Option<(u64, bool)>,
    pub(super) up_since: Option<Mono>,
    pub(super) failures: u32,
    pub(super) successes: u32,
    /// When it last began to start.
    pub(super) started: Mono,
    /// Its policy has changed: what was planned before goes by the old one.
    pub(super) amended: bool,
    /// The one in force when last looked at.
    pub(super) policy: Option<Policy>,
    /// It asked to be left alone until then.
    pub(super) alone: Mono,
    /// Its engine has told of its death since it was last up.
    pub(super) reported: bool,
    /// The last attempt's action itself has failed.
    pub(super) action_failed: bool,
    /// The last check of it could not be made.
    pub(super) blind: bool,
    /// A storm has held it, and it has been let go on and has not settled.
    pub(super) ebbing: bool,
    /// Until when a signal that it was last sent may end it, and whether that is still to be seen.
    pub(super) ends_by: Mono,
    pub(super) may_end: bool,
    /// When that was, how long it may take, and the longest that any could.
    pub(super) signalled_at: Mono,
    pub(super) patience: Duration,
    pub(super) longest: Duration,
    /// Its last check failed within that time.
    pub(super) excused: bool,
    /// From when the pace counts.
    pub(super) paced: Mono,
    /// What it was in the middle of.
    pub(super) course: Option<(Phase, u8, bool, bool)>,
}

impl Watch {
    /// Whoever is new, or begins again with the orchestrator.
    pub(super) fn meet(&mut self, world: &World) {
        for (index, server) in world.fleet().servers().iter().enumerate() {
            let actor = world.actor(ServerId(index));
            while self.lives.len() <= actor {
                self.lives.push(Life { started: world.now(), paced: world.now(), ..Life::default() });
            }
            let life = &mut self.lives[actor];
            let reloaded = matches!(world.step().twist, Some(Twist::Reload(_)));
            if (world.step().reborn || reloaded || life.policy.is_none()) && !server.is_retired() {
                life.compare(server.policy());
            }
            if world.step().reborn && !server.is_retired() {
                life.begin_again(server.state(), world.now());
            }
        }
        if world.step().reborn {
            self.bury(world);
            self.engine_lost = false;
            if let Some(outage) = &mut self.outage {
                outage.crashed();
            }
        }
    }

    /// Who has left the registry while the orchestrator did not run: the shell says so when it begins.
    fn bury(&mut self, world: &World) {
        let servers = world.fleet().servers().iter().enumerate().filter(|(_, server)| !server.is_retired());
        let known: BTreeSet<_> = servers.map(|(index, _)| world.actor(ServerId(index))).collect();
        let gone = self.lives.iter_mut().enumerate().filter(|(actor, _)| !known.contains(actor));
        gone.for_each(|(_, life)| *life = Life::default());
    }

    pub(super) fn learn_twist(&mut self, world: &World) {
        for (id, word) in &world.step().words {
            self.learn_word(world, *id, word);
        }
        match &world.step().twist {
            Some(Twist::Server(name, Change::Wants(command))) => self.learn_wish(world, name, command),
            Some(Twist::Maintenance(name, until)) => {
                if let Some(life) = self.named(world, name) {
                    life.maintained = until.is_some();
                }
            }
            Some(Twist::Engine(_, back)) if world.is_watching() => self.engine_lost = !back,
            Some(Twist::Disk(well)) if world.is_watching() => {
                self.disk_lost = if *well { None } else { self.disk_lost.or(Some(world.now())) };
            }
            Some(Twist::NetworkLost(until)) => self.begin_outage(world, *until),
            Some(Twist::Reload(_)) => self.outage = None,
            Some(Twist::Quiet) => self.forgive(),
            Some(Twist::Server(..) | Twist::Engine(..) | Twist::Disk(_) | Twist::Crash { .. } | Twist::Blind(_)) | None => {}
        }
        if !world.is_watching() {
            self.lives.iter_mut().for_each(|life| life.in_flight = false);
        }
    }

    fn forgive(&mut self) {
        self.engine_lost = false;
        self.disk_lost = None;
        self.outage = None;
        for life in &mut self.lives {
            life.maintained = false;
            life.may_start_over = true;
        }
    }

    fn learn_word(&mut self, world: &World, id: ServerId, told: &Word) {
        let (now, actor) = (world.now(), world.actor(id));
        let life = &mut self.lives[actor];
        match told {
            Word::Started | Word::Restarted => {
                (life.may_start_over, life.started, life.alone, life.may_end) = (true, now, Mono::default(), false);
                (life.stopped_meanwhile, life.started_meanwhile) = (false, life.in_flight && !life.touched);
                // What is down or given up only answers sooner: its streak goes on.
                if !matches!(life.phase, Some(Phase::Down | Phase::Failed)) {
                    life.forget();
                }
            }
            Word::Killed | Word::AskedToEnd(_) => {
                // One that fails while it is being asked again and again is not left alone for ever.
                if now >= life.ends_by || life.failures == 0 {
                    life.signalled_at = now;
                }
                let created = if let Word::AskedToEnd(Some(patience)) = told { *patience + STOP_FOLLOWS } else { STOPS_WITHIN };
                let earlier = if life.may_end { life.patience } else { STOPS_WITHIN };
                life.patience = created.max(earlier);
                life.ends_by = life.signalled_at.after(life.patience);
                life.longest = life.longest.max(life.patience);
                // What comes within an action may be its own.
                life.may_end = !(life.in_flight && life.touched);
            }
            Word::Died(_) | Word::AskedNoMore => life.may_end = false,
            Word::Stopped | Word::FoundStopped | Word::Paused => life.stopped_meanwhile = true,
            Word::NotRunning(_) | Word::Running | Word::RunsOtherwise | Word::Spared | Word::Cut(_) | Word::NotCut(_) => {}
        }
        if let Some(outage) = &mut self.outage {
            outage.spare(actor);
        }
    }

    fn learn_wish(&mut self, world: &World, name: &str, command: &Command) {
        let Some(actor) = place(world, name).filter(|_| world.is_watching()).map(|id| world.actor(id)) else { return };
        match command {
            Command::Check { .. } => self.lives[actor].alone = Mono::default(),
            Command::Restart { .. } => {
                if let Some(outage) = &mut self.outage {
                    outage.spare(actor);
                }
            }
            Command::Pause { .. } | Command::Resume { .. } => {}
        }
    }

    fn named(&mut self, world: &World, name: &str) -> Option<&mut Life> {
        place(world, name).map(|id| &mut self.lives[world.actor(id)])
    }

    /// One event: first what the laws say of it, then what it changes.
    pub(super) fn happened(&mut self, world: &World, happened: &Happened) -> Checked {
        let Some(id) = happened.server else { return Ok(()) };
        self.judge(world, id, happened)?;
        let actor = world.actor(id);
        let is_over = match happened.kind {
            EventKind::ServerStopped { .. } => true,
            EventKind::RecoveryExhausted { .. } => self.lives[actor].action_failed,
            _ => false,
        };
        if let Some(outage) = self.outage.as_mut().filter(|_| is_over) {
            outage.tells_nothing(actor);
        }
        self.lives[actor].learn(happened, world, id);
        Ok(())
    }
}

/// Where the machine knows a server of this name.
pub(super) fn place(world: &World, name: &str) -> Option<ServerId> {
    let known = |server: &crate::machine::server::Server| !server.is_retired() && server.policy().name == name;
    world.fleet().servers().iter().position(known).map(ServerId)
}

impl Life {
    /// Another policy, also one that came while the orchestrator did not run. A new budget begins anew.
    fn compare(&mut self, policy: &Policy) {
        let Some(before) = self.policy.replace(policy.clone()).filter(|before| before != policy) else { return };
        self.amended = true;
        if before.recovery.budget != policy.recovery.budget {
            self.forgiven = self.starts.len();
        }
    }

    /// What nobody had said anything about, a crash has forgotten: a start that ended somebody's being left alone.
    fn begin_again(&mut self, left: &ServerMemory, now: Mono) {
        self.phase = Some(left.phase);
        (self.in_flight, self.ebbing) = (false, false);
        (self.started, self.paced, self.course) = (now, now, None);
        self.blind = false;
        // Whoever was stopped and runs was started while nobody looked.
        let may_have_started = left.phase == Phase::Stopped;
        self.may_start_over |= may_have_started;
        self.may_end &= !may_have_started;
        self.alone = left.alone_until.filter(|_| !may_have_started).unwrap_or_default();
        // Streaks survive, but what is being verified is verified anew.
        if self.attempt.is_some() {
            self.successes = 0;
        }
    }
}
