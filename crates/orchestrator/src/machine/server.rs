//! One server's life (contract, section 3): what it is, and what each input makes of it.
//!
//! The parts: `check` reads verdicts, `recovery` plans, runs and verifies attempts, `word` takes what an
//! engine or a person says, `pace` says when the next check is. Rule numbers are those of contract section 3.1.

use std::time::Duration;

use health_spec::status::Observed;
use health_spec::{EventKind, Phase};

use super::hold::{self, Surroundings};
use super::memory::{Attempt, Incident, Recovery, ServerMemory};
use super::policy::Policy;
use super::{Effect, Happened, Mono, ServerId, Ticket, transition};

mod beginning;
mod check;
mod ending;
mod flapping;
mod pace;
mod recovery;
mod settle;
#[cfg(test)]
mod tests;
mod unheard;
mod word;

use settle::{Owed, Unkept};

/// How the reason of a `server_down` ends that only checks have decided.
const BY_CHECKS: &str = "_consecutive_failures";

/// One server.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, not a mode")]
pub struct Server {
    policy: Policy,
    state: ServerMemory,
    /// The check in flight.
    flight: Option<Flight>,
    /// Its place in the fleet, when checks are spread.
    place: Option<usize>,
    /// No earlier run has known it.
    first_seen: bool,
    /// A maintenance window is open, until then.
    maintenance: Option<Mono>,
    /// Its check is due, and waits for others to end.
    queued: bool,
    /// Under which serial what a `recreate` has left is being cleared away.
    settling: Option<u64>,
    /// How often that has come to nothing, and how many good answers pass before it is ordered again.
    unkept: Unkept,
    /// Its attempt is due, and waits for what others say about the monitor.
    postponed: bool,
    /// The action that runs has said that it does nothing to it.
    spared: bool,
    /// Whether what its last attempt had replaced could be put back.
    owed: Owed,
    /// Whoever runs its process has not said yet how that stands.
    unheard: bool,
    /// The registry has lost it; it stays as an empty place, so that the others keep theirs.
    retired: bool,
    /// The deadline that stands on the fleet's heap.
    pub(super) armed: Option<Mono>,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    serial: u64,
    started: Mono,
}

/// One server's floor: what it may look at and say while an input is taken.
pub(super) struct Turn<'a> {
    pub(super) now: Mono,
    pub(super) id: ServerId,
    pub(super) around: Surroundings,
    /// Another check may start.
    pub(super) room: bool,
    pub(super) effects: &'a mut Vec<Effect>,
    pub(super) serial: &'a mut u64,
    pub(super) incidents: &'a mut u64,
}

impl Turn<'_> {
    fn ticket(&mut self) -> Ticket {
        *self.serial += 1;
        Ticket { server: self.id, serial: *self.serial }
    }
}

impl Server {
    /// `others` begin before it at the same moment.
    pub(super) fn new(policy: Policy, memory: Option<ServerMemory>, place: Option<usize>, others: usize, now: Mono) -> Self {
        let first_check = now.after(place.map_or(Duration::ZERO, |_| pace::first_delay(others)));
        let first_seen = memory.is_none();
        let state = match memory {
            Some(memory) => beginning::taken_up(memory, &policy, first_check, now),
            None => beginning::born(&policy, first_check, now),
        };
        Self {
            policy,
            state,
            flight: None,
            place,
            first_seen,
            maintenance: None,
            queued: false,
            settling: None,
            unkept: Unkept::default(),
            postponed: false,
            spared: false,
            owed: Owed::default(),
            unheard: false,
            retired: false,
            armed: None,
        }
    }

    /// How it is checked and brought back.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Everything it remembers.
    pub fn state(&self) -> &ServerMemory {
        &self.state
    }

    /// What must survive a restart.
    pub fn memory(&self) -> ServerMemory {
        self.state.clone()
    }

    /// What the monitor is doing.
    pub fn phase(&self) -> Phase {
        self.state.phase
    }

    /// Until when a maintenance window is open.
    pub fn maintenance(&self) -> Option<Mono> {
        self.maintenance
    }

    /// The registry has lost it: it is an empty place.
    pub fn is_retired(&self) -> bool {
        self.retired
    }

    /// An action of ours runs or is being verified.
    pub(super) fn is_being_recovered(&self) -> bool {
        match self.state.recovery {
            Recovery::Acting { .. } => true,
            Recovery::Verifying { attempt, .. } => attempt != Attempt::Foreign,
            Recovery::Idle | Recovery::Waiting { .. } => false,
        }
    }

    /// An operator's restart of it has ended, and it has to show that it is well.
    pub(super) fn is_being_verified_for_an_operator(&self) -> bool {
        matches!(self.state.recovery, Recovery::Verifying { attempt: Attempt::Operator, .. })
    }

    /// It was given up, and its last action has failed itself: whether that would have helped is not known.
    pub(super) fn is_beyond_action(&self) -> bool {
        self.state.phase == Phase::Failed && self.state.last_error.as_ref().is_some_and(|error| error.starts_with("action"))
    }

    /// An attempt's delay runs.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state.recovery, Recovery::Waiting { .. })
    }

    /// No recovery of it is on its way: none is planned, runs, is verified, or waits for others to end.
    pub(super) fn is_settled(&self) -> bool {
        self.retired || (self.state.recovery == Recovery::Idle && self.held() != Some(hold::Reason::Concurrency))
    }

    /// The server whose network it has lost.
    pub(super) fn cut_from(&self) -> Option<&str> {
        self.state.cut.as_ref().map(|cut| cut.leader.as_str())
    }

    /// Why its recovery is held, if it is.
    pub(super) fn held(&self) -> Option<hold::Reason> {
        self.state.held.as_ref().map(|hold| hold.reason)
    }

    /// An attempt is planned, and only checks have decided that it is needed.
    pub(super) fn waits_by_checks(&self) -> bool {
        self.state.by_checks && self.is_waiting()
    }

    /// Steps to another phase, as the table allows.
    fn enter(&mut self, phase: Phase) {
        let from = std::mem::replace(&mut self.state.phase, phase);
        debug_assert!(transition::is_allowed(from, phase), "no step leads from {from} to {phase}");
    }

    /// Dependents may go on.
    pub fn is_healthy(&self) -> bool {
        self.state.phase == Phase::Healthy
    }

    /// It answers, as far as is known: a single failed check does not change that.
    pub fn is_up(&self) -> bool {
        matches!(self.state.phase, Phase::Healthy | Phase::Suspect)
    }

    /// Its check is due, and waits for others to end.
    pub fn is_queued(&self) -> bool {
        self.queued
    }

    /// Whether a check is in flight.
    pub fn is_checking(&self) -> bool {
        self.flight.is_some()
    }

    /// The serial of the check in flight.
    pub fn checking(&self) -> Option<u64> {
        self.flight.map(|flight| flight.serial)
    }

    /// When it next wants to be woken.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let recovery = match self.state.recovery {
            Recovery::Waiting { due, .. } => Some(due),
            Recovery::Verifying { until, .. } => Some(until),
            Recovery::Idle | Recovery::Acting { .. } => None,
        };
        if self.retired {
            return None;
        }
        let paused = self.state.paused.as_ref().and_then(|pause| pause.until);
        if self.unheard {
            return paused;
        }
        let dying = self.state.dying.as_ref().map(|dying| dying.until);
        [dying, paused, recovery, self.state.next_check].into_iter().flatten().min()
    }

    /// A deadline has passed: an attempt's timer goes before the next check.
    pub(super) fn woken(&mut self, turn: &mut Turn<'_>) {
        if !self.unheard {
            self.judge_if_due(turn);
        }
        self.resume_if_due(turn);
        if self.unheard {
            return;
        }
        match self.state.recovery {
            Recovery::Waiting { due, .. } if due <= turn.now => self.attempt_due(turn),
            Recovery::Verifying { until, attempt, .. } if until <= turn.now => self.not_verified(turn, attempt),
            _ => {}
        }
        // A resume may have made an attempt due at this very moment.
        if matches!(self.state.recovery, Recovery::Waiting { due, .. } if due <= turn.now) {
            self.attempt_due(turn);
        }
        if self.state.next_check.is_some_and(|at| at <= turn.now) {
            if turn.room {
                self.start_check(turn);
            } else {
                self.state.next_check = None;
                self.queued = true;
            }
        }
    }

    /// Others have ended: the check that waited starts, unless it is no longer wanted.
    pub(super) fn start_queued(&mut self, turn: &mut Turn<'_>) {
        if self.queued {
            self.start_check(turn);
        }
    }

    fn start_check(&mut self, turn: &mut Turn<'_>) {
        let ticket = turn.ticket();
        self.queued = false;
        self.flight = Some(Flight { serial: ticket.serial, started: turn.now });
        self.state.pace_from = turn.now;
        self.state.next_check = None;
        turn.effects.push(Effect::Probe { ticket, timeout: self.policy.timeout });
    }

    fn drop_check(&mut self) {
        self.flight = None;
        self.queued = false;
    }

    /// The registry has lost it. What it was in the middle of ends; an action that runs is nobody's any more.
    pub(super) fn retire(&mut self, turn: &mut Turn<'_>) {
        self.say(turn, EventKind::ServerDeregistered);
        self.drop_check();
        self.state.next_check = None;
        self.state.recovery = Recovery::Idle;
        self.state.held = None;
        self.state.dying = None;
        self.state.paused = None;
        self.state.incident = None;
        self.retired = true;
    }

    /// Its entry has changed. Its state and its rhythm stay, as far as the new policy lets them.
    pub(super) fn amend(&mut self, turn: &mut Turn<'_>, policy: Policy) {
        let paced = (self.policy.interval, self.policy.confirm_interval) != (policy.interval, policy.confirm_interval);
        self.policy = policy;
        self.say(turn, EventKind::ServerUpdated { reason: "registry".to_owned() });
        if paced && self.state.next_check.is_some() {
            self.schedule(turn.now);
        }
    }

    fn forget_streaks(&mut self) {
        self.state.failures = 0;
        self.state.successes = 0;
        self.state.first_failure = None;
    }

    fn say(&self, turn: &mut Turn<'_>, kind: EventKind) {
        self.say_with(turn, kind, None);
    }

    fn say_with(&self, turn: &mut Turn<'_>, kind: EventKind, moment: Option<Mono>) {
        turn.effects.push(Effect::Publish(Happened {
            at: turn.now,
            server: Some(turn.id),
            kind,
            moment,
            phase: None,
            incident: self.state.incident.map(|incident| incident.number),
        }));
    }

    fn publish_status(&mut self, turn: &mut Turn<'_>, status: Observed, reason: &str) {
        if self.state.status == status {
            return;
        }
        let previous_status = std::mem::replace(&mut self.state.status, status);
        self.state.since = turn.now;
        self.state.reason = Some(reason.to_owned());
        self.say(turn, EventKind::StatusChanged { previous_status, status, reason: reason.to_owned() });
    }

    /// Rule 3: it is down. Recovery is planned by the caller.
    fn go_down(&mut self, turn: &mut Turn<'_>, reason: &str, since: Mono) {
        let first_failure = self.state.first_failure;
        if self.state.incident.is_none() {
            *turn.incidents += 1;
            self.state.incident = Some(Incident { number: *turn.incidents, opened: turn.now, exhausted: false });
            self.state.last_error = None;
        }
        self.state.up_since = None;
        self.state.grace_until = turn.now;
        self.state.was_stopped = false;
        self.state.by_checks = reason.ends_with(BY_CHECKS);
        self.settle_down();
        self.publish_status(turn, Observed::Down, reason);
        // It may have been down for another reason, such as a stop.
        self.state.reason = Some(reason.to_owned());
        let detection_ms = milliseconds(turn.now.since(since));
        let kind = EventKind::ServerDown { reason: reason.to_owned(), first_failure_at: None, detection_ms };
        self.say_with(turn, kind, first_failure);
    }

    /// It is up. Said by the caller: how it came back.
    fn go_up(&mut self, turn: &mut Turn<'_>, status: Observed) {
        self.enter(Phase::Healthy);
        self.state.recovery = Recovery::Idle;
        self.state.held = None;
        self.state.by_checks = false;
        self.postponed = false;
        self.state.up_since.get_or_insert(turn.now);
        self.state.was_up = true;
        self.state.was_stopped = false;
        self.state.proven = true;
        self.forget_streaks();
        self.publish_answer(turn, status);
        self.state.incident = None;
        self.keep(turn);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn number(attempt: Attempt) -> u32 {
    match attempt {
        Attempt::Counted(number) => number,
        Attempt::Operator | Attempt::Foreign | Attempt::Follows(_) => 0,
    }
}
