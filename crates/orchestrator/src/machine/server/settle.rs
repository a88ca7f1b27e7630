//! What a `recreate` has left open: the old one goes once the new one is well, and is put back when the attempt has failed.
//!
//! Invariant: whatever was replaced is still there until its successor has been well. Both ends are ordered again after a crash, until
//! it has been heard that they are done.

use health_spec::{EventKind, Phase};

use super::{Server, Turn};
use crate::machine::Effect;
use crate::machine::memory::{Attempt, Recovery, Stage, Stop};

/// What an engine refuses to remove it may refuse for long: after the second time it is asked only with every so many good answers.
const PATIENCE: u32 = 10;

/// What could not be cleared away.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unkept {
    failures: u32,
    rests: u32,
}

/// Whether what an attempt had replaced could be put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Owed {
    /// It could, or there was nothing.
    #[default]
    Nothing,
    /// It could not.
    Once,
    /// Nor when no attempt was left. A person looks after it.
    ForGood,
}

impl Unkept {
    /// It is left alone once more.
    fn rests(&mut self) -> bool {
        let rests = self.rests > 0;
        self.rests = self.rests.saturating_sub(1);
        rests
    }

    /// It could not be done once more. Podman refuses the first time, where others use its network and have not followed yet.
    fn is_to_be_said(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.rests = if self.failures > 1 { PATIENCE } else { 0 };
        self.failures == 2
    }
}

impl Server {
    /// An earlier run has left it. What that run was putting back is put back.
    pub(in crate::machine) fn take_up(&mut self, turn: &mut Turn<'_>) {
        match self.state.recovery {
            Recovery::Acting { attempt, stopped, undoing: true, .. } => self.undo(turn, attempt, stopped),
            Recovery::Acting { stopped: true, .. } => {
                self.state.recovery = Recovery::Idle;
                self.stop(turn, Stop::Operator);
            }
            _ if self.is_up() => self.keep(turn),
            _ => {}
        }
    }

    /// It is well: what it has replaced is no longer needed.
    pub(super) fn keep(&mut self, turn: &mut Turn<'_>) {
        if self.state.unsettled && self.settling.is_none() && !self.unkept.rests() {
            let ticket = turn.ticket();
            self.settling = Some(ticket.serial);
            turn.effects.push(Effect::Settle { ticket, keep: true, start: false });
        }
    }

    /// What was replaced is put back after a failed attempt, unless its successor has been well: then it only waits to be removed.
    pub(super) fn is_to_be_undone(&self) -> bool {
        self.state.unsettled && !self.state.proven
    }

    /// The attempt has failed: what it had replaced is put back. That is an action like any other; only then recovery is planned. What
    /// somebody has stopped, or may be stopping, is not started by it.
    pub(super) fn undo(&mut self, turn: &mut Turn<'_>, attempt: Attempt, stopped: bool) {
        let ticket = turn.ticket();
        self.drop_check();
        self.enter(Phase::Recovering);
        self.state.recovery = Recovery::Acting {
            serial: ticket.serial,
            attempt,
            strategy: None,
            stopped,
            stage: Stage::Begun,
            undoing: true,
            since: Some(turn.now),
        };
        self.schedule(turn.now);
        let start = !stopped && self.unclear_until(turn.now).is_none();
        turn.effects.push(Effect::Settle { ticket, keep: false, start });
    }

    /// It is done, or could not be.
    pub(in crate::machine) fn settled(&mut self, turn: &mut Turn<'_>, serial: u64, result: Result<(), String>) {
        if self.settling.take_if(|settling| *settling == serial).is_some() {
            // What has begun since has left something of its own.
            let is_open = matches!(self.state.recovery, Recovery::Acting { .. } | Recovery::Verifying { .. });
            self.state.unsettled &= is_open || result.is_err();
            return self.is_kept(turn, result);
        }
        let Recovery::Acting { serial: current, stopped, stage, undoing: true, .. } = self.state.recovery else { return };
        if serial != current {
            return;
        }
        self.forget_streaks();
        self.forget_signal();
        self.state.dying = None;
        self.state.uptime_seconds = None;
        self.state.pace_from = turn.now;
        self.state.recovery = Recovery::Idle;
        self.state.unsettled = result.is_err();
        self.state.is_dead &= stage == Stage::Died || result.is_err();
        if let Err(error) = result {
            self.say_of_recreate(turn, "what was recreated is not put back", &error);
        }
        self.owed = match self.owed {
            _ if !self.state.unsettled => Owed::Nothing,
            Owed::Nothing => Owed::Once,
            Owed::Once | Owed::ForGood => Owed::ForGood,
        };
        if stopped {
            return self.stop(turn, Stop::Operator);
        }
        self.plan(turn);
        self.schedule(turn.now);
    }

    /// What cannot be removed lies around until a person looks: it is said once.
    fn is_kept(&mut self, turn: &mut Turn<'_>, result: Result<(), String>) {
        let Err(error) = result else {
            self.unkept = Unkept::default();
            return;
        };
        if self.unkept.is_to_be_said() {
            self.say_of_recreate(turn, "what was replaced is not removed", &error);
        }
    }

    fn say_of_recreate(&self, turn: &mut Turn<'_>, what: &str, error: &str) {
        let error = format!("{what}: {error}");
        self.say(turn, EventKind::MonitorImpaired { reason: "recreate".to_owned(), error });
    }
}
