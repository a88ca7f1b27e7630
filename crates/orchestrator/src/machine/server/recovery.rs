//! Planning, running and verifying recovery attempts (rules 3 to 6, 9 and 10).

use std::time::Duration;

use health_spec::config::{Mode, Strategy};
use health_spec::event::Would;
use health_spec::{EventKind, Phase};

use super::{Owed, Server, Turn, milliseconds, number, pace};
use crate::machine::memory::{Attempt, Cut, Recovery, Stage, Stop};
use crate::machine::{Effect, Mono, hold};

/// Why an attempt has failed whose action the end of an earlier run has cut off: its server was not started again.
const INTERRUPTED: &str = "action: interrupted, since the orchestrator ended while it ran";

/// The same, before anything was done.
const UNTOUCHED: &str = "action: interrupted, since the orchestrator ended before it touched the server";

/// Why no further attempt is made.
#[derive(Clone, Copy)]
enum Exhausted {
    Attempts,
    Budget,
}

impl Server {
    /// It is down: plan what to do. Holds are asked first, then attempts and budget (rule 9).
    pub(super) fn plan(&mut self, turn: &mut Turn<'_>) {
        self.plan_after(turn, false);
    }

    fn plan_after(&mut self, turn: &mut Turn<'_>, delay_ran: bool) {
        self.state.recovery = Recovery::Idle;
        if self.hold_if_needed(turn, delay_ran) {
            return;
        }
        match self.next_delay(turn) {
            Err(exhausted) => self.exhaust(turn, exhausted),
            Ok(delay) => {
                let wait = if delay_ran { Duration::ZERO } else { delay };
                self.enter(Phase::Recovering);
                self.state.recovery = Recovery::Waiting { due: turn.now.after(wait), delay };
            }
        }
    }

    /// Whoever restarts first wins (section 3.2): an attempt that is planned starts no sooner.
    pub(super) fn wait_at_least(&mut self, until: Mono) {
        if let Recovery::Waiting { due, .. } = &mut self.state.recovery {
            *due = until.max(*due);
        }
    }

    /// The delay has run: everything is asked again, then the action starts.
    pub(super) fn attempt_due(&mut self, turn: &mut Turn<'_>) {
        let Recovery::Waiting { delay, .. } = self.state.recovery else { return };
        if self.unheard {
            return;
        }
        if let Some(until) = self.unclear_until(turn.now) {
            // Somebody may be stopping it.
            return self.wait_at_least(until);
        }
        if self.state.by_checks
            && let Some(until) = turn.around.asking_until
        {
            // Others are asked first whether it is the monitor that cannot see (section 3.2).
            self.postponed = true;
            return self.wait_at_least(until);
        }
        self.postponed = false;
        self.state.recovery = Recovery::Idle;
        if self.hold_if_needed(turn, true) {
            self.drop_check();
            self.schedule(turn.now);
        } else if let Err(exhausted) = self.next_delay(turn) {
            self.exhaust(turn, exhausted);
            self.schedule(turn.now);
        } else {
            self.state.attempts += 1;
            self.state.spent.push_back(turn.now);
            self.act(turn, Attempt::Counted(self.state.attempts), delay, "down");
        }
    }

    /// Starts the action. No checks run until it has ended (rule 5).
    pub(super) fn act(&mut self, turn: &mut Turn<'_>, attempt: Attempt, delay: Duration, reason: &str) {
        let ticket = turn.ticket();
        let strategy = match attempt {
            Attempt::Counted(number) => self.policy.recovery.strategy.rung(number),
            Attempt::Follows(strategy) => strategy,
            Attempt::Operator | Attempt::Foreign => self.policy.recovery.of_an_operator(),
        };
        let strategy = self.with_network(strategy);
        self.drop_check();
        self.enter(Phase::Recovering);
        self.state.held = None;
        self.state.alone_until = None;
        self.state.recovery = Recovery::Acting {
            serial: ticket.serial,
            attempt,
            strategy: Some(strategy),
            stopped: false,
            stage: Stage::Prepares,
            undoing: false,
            since: Some(turn.now),
        };
        self.schedule(turn.now);
        let reason = self.state.reason.clone().filter(|_| reason == "down").unwrap_or_else(|| reason.to_owned());
        let (attempt, delay_ms) = (number(attempt), milliseconds(delay));
        let said =
            EventKind::RecoveryStarted { attempt, strategy: strategy.as_str().to_owned(), reason: reason.clone(), delay_ms };
        self.say(turn, said);
        let incident = self.state.incident.map(|incident| incident.number);
        turn.effects.push(Effect::Act { ticket, strategy, attempt, reason, incident });
    }

    /// The server whose network it shares is well again after an action of ours: without its own it has no network any more. Whoever
    /// is being brought back anyway, may be ending, or must not be brought back, is left alone.
    pub(in crate::machine) fn follow(&mut self, turn: &mut Turn<'_>) {
        let is_acted_on = matches!(self.state.recovery, Recovery::Acting { .. } | Recovery::Verifying { .. });
        if is_acted_on || self.unclear_until(turn.now).is_some() {
            return;
        }
        let Some(cut) = self.state.cut.clone() else { return };
        match self.hold_reason(turn).map(|(reason, _)| reason) {
            _ if self.state.phase == Phase::Stopped => return self.state.cut = None,
            None | Some(hold::Reason::Dependency) => {}
            Some(hold::Reason::Disabled | hold::Reason::Manual | hold::Reason::Observe) => return self.state.cut = None,
            // An attempt of its own gives it the network as well.
            Some(_) => return,
        }
        self.state.dying = None;
        self.act(turn, Attempt::Follows(cut.strategy), Duration::ZERO, &format!("network_of:{}", cut.leader));
    }

    /// A container knows the one whose network it shares by its id: when that one was recreated, starting it again is not enough.
    pub(super) fn with_network(&self, strategy: Strategy) -> Strategy {
        match (strategy, &self.state.cut) {
            (Strategy::Restart, Some(Cut { strategy: Strategy::Recreate, .. })) => Strategy::Recreate,
            _ => strategy,
        }
    }

    /// Whoever starts now gets the network as it is now, and need not follow.
    pub(super) fn joins_network(&mut self, strategy: Strategy) {
        let joins = |cut: &mut Cut| match strategy {
            Strategy::Recreate => true,
            Strategy::Restart => cut.strategy == Strategy::Restart,
            Strategy::Repair | Strategy::Manual => false,
        };
        self.state.cut.take_if(joins);
    }

    /// The action has ended.
    pub(in crate::machine) fn finished(&mut self, turn: &mut Turn<'_>, serial: u64, result: Result<(), String>) {
        let Recovery::Acting { serial: current, attempt, stopped, stage, undoing: false, .. } = self.state.recovery else {
            return;
        };
        if serial != current {
            return;
        }
        let is_as_before = std::mem::take(&mut self.spared) && self.state.incident.is_none();
        self.forget_streaks();
        // What is killed once it runs again, or before anything was done to it, is killed by somebody: maybe that is a stop.
        if !(stage == Stage::Started || ((stage.is_before_touching() || stage == Stage::Begun) && result.is_err())) {
            self.forget_signal();
        }
        self.state.dying = None;
        self.forget_life();
        self.state.recovery = Recovery::Idle;
        match result {
            Err(_) if stopped && self.is_to_be_undone() => self.undo(turn, attempt, true),
            _ if stopped => self.stop(turn, Stop::Operator),
            _ if stage == Stage::Ended => self.stop(turn, Stop::ExitZero),
            _ if stage == Stage::Overtaken => {
                self.say(turn, EventKind::RecoverySuperseded { attempt: number(attempt), reason: "started".to_owned() });
                self.state.attempts = 0;
                self.verify(turn, Attempt::Foreign);
            }
            Ok(()) if stage == Stage::Died => self.attempt_failed(turn, attempt, "container_died".to_owned()),
            Ok(()) => {
                self.lives();
                self.verify(turn, attempt);
            }
            Err(cause) if is_as_before => {
                let error = format!("action: {cause}");
                self.say(turn, EventKind::RecoveryFailed { attempt: number(attempt), error, recovery_successful: false });
                // It was well, and has only to show that it still is.
                self.verify(turn, Attempt::Foreign);
            }
            Err(cause) if cause.is_empty() => self.attempt_failed(turn, attempt, "action".to_owned()),
            Err(cause) => self.attempt_failed(turn, attempt, format!("action: {cause}")),
        }
    }

    /// It is well, and not because of an attempt that did nothing to it: it has only to show that it is.
    pub(super) fn came_to_nothing(&mut self, turn: &mut Turn<'_>, attempt: Attempt) {
        let error = UNTOUCHED.to_owned();
        self.say(turn, EventKind::RecoveryFailed { attempt: number(attempt), error, recovery_successful: false });
        self.verify(turn, Attempt::Foreign);
    }

    /// Gives the server `verify_timeout` to come back, and looks at once.
    pub(super) fn verify(&mut self, turn: &mut Turn<'_>, attempt: Attempt) {
        let until = turn.now.after(self.policy.recovery.verify_timeout);
        self.enter(Phase::Recovering);
        self.state.recovery = Recovery::Verifying { until, attempt, cut_off: false, untouched: false };
        self.forget_streaks();
        self.check_at_once(turn.now);
    }

    /// The server had its time and did not come back; unless the last look could not be taken.
    pub(super) fn not_verified(&mut self, turn: &mut Turn<'_>, attempt: Attempt) {
        if self.state.is_blind {
            return self.give_time_to_show(turn.now);
        }
        if let (Some(clear), Recovery::Verifying { until, .. }) = (self.unclear_until(turn.now), &mut self.state.recovery) {
            *until = clear;
            return;
        }
        let is_untouched = matches!(self.state.recovery, Recovery::Verifying { untouched: true, .. });
        let error = self.interrupted().filter(|_| is_untouched).unwrap_or("verify_timeout");
        self.attempt_failed(turn, attempt, error.to_owned());
    }

    /// Why the attempt that is being verified has failed, when the end of an earlier run has cut its action off.
    pub(super) fn interrupted(&self) -> Option<&'static str> {
        match self.state.recovery {
            Recovery::Verifying { untouched: true, .. } => Some(UNTOUCHED),
            Recovery::Verifying { .. } => Some(INTERRUPTED),
            Recovery::Idle | Recovery::Waiting { .. } | Recovery::Acting { .. } => None,
        }
    }

    /// What is being verified has at least as long from now as good answers in a row take.
    pub(super) fn give_time_to_show(&mut self, now: Mono) {
        let shown = now.after(self.showing());
        if let Recovery::Verifying { until, .. } = &mut self.state.recovery {
            *until = shown.max(*until);
        }
    }

    /// How long good answers in a row take.
    fn showing(&self) -> Duration {
        self.policy.confirm_interval.saturating_mul(self.policy.success_threshold).saturating_add(self.policy.timeout)
    }

    /// An attempt failed: recovery is planned anew, and the next check comes one pace from now (rule 5).
    pub(super) fn attempt_failed(&mut self, turn: &mut Turn<'_>, attempt: Attempt, error: String) {
        let last_error = error.clone().into_boxed_str();
        if attempt != Attempt::Foreign {
            self.say(turn, EventKind::RecoveryFailed { attempt: number(attempt), error, recovery_successful: false });
        }
        self.drop_check();
        self.forget_streaks();
        self.state.pace_from = turn.now;
        if self.state.incident.is_none() {
            self.go_down(turn, "restart_failed", turn.now);
        }
        self.state.last_error = Some(last_error);
        if self.is_to_be_undone() && attempt != Attempt::Foreign {
            self.owed = Owed::Nothing;
            return self.undo(turn, attempt, false);
        }
        self.plan(turn);
        self.schedule(turn.now);
    }

    fn next_delay(&mut self, turn: &Turn<'_>) -> Result<Duration, Exhausted> {
        let (most, window) = self.policy.recovery.budget;
        self.state.spent.retain(|at| turn.now.since(*at) < window);
        let delay = self.policy.recovery.backoff.delay_after(self.state.attempts).ok_or(Exhausted::Attempts)?;
        if self.state.spent.len() >= most as usize { Err(Exhausted::Budget) } else { Ok(delay) }
    }

    /// Rule 6: a person is needed.
    fn exhaust(&mut self, turn: &mut Turn<'_>, exhausted: Exhausted) {
        if self.owed == Owed::Once && self.is_to_be_undone() {
            // No attempt comes by that would.
            return self.undo(turn, Attempt::Counted(self.state.attempts), false);
        }
        self.state.recovery = Recovery::Idle;
        self.enter(Phase::Failed);
        self.state.distance = self.policy.interval;
        let already = self.state.incident.as_mut().is_some_and(|incident| std::mem::replace(&mut incident.exhausted, true));
        if already {
            return;
        }
        let reason = match exhausted {
            Exhausted::Attempts => "attempts",
            Exhausted::Budget => "budget",
        };
        let attempts = self.state.attempts;
        self.say(turn, EventKind::RecoveryExhausted { attempts, reason: reason.to_owned(), requires_manual: true });
    }

    fn hold_if_needed(&mut self, turn: &mut Turn<'_>, delay_ran: bool) -> bool {
        let Some((reason, on)) = self.hold_reason(turn) else {
            return false;
        };
        self.enter(Phase::Down);
        self.state.recovery = Recovery::Idle;
        let would = (self.policy.recovery.mode == Mode::Observe).then(|| self.would());
        self.state.held = Some(Box::new(hold::Hold { reason, on: on.clone(), delay_ran }));
        self.say(turn, EventKind::RecoveryHeld { reason: reason.as_str().to_owned(), on, would });
        true
    }

    fn would(&self) -> Would {
        let attempt = self.state.attempts + 1;
        Would { strategy: self.policy.recovery.strategy.rung(attempt).as_str().to_owned(), attempt }
    }

    fn hold_reason(&self, turn: &Turn<'_>) -> Option<(hold::Reason, Vec<String>)> {
        let own = hold::Own {
            paused: self.state.paused.is_some(),
            maintained: self.maintenance.is_some(),
            by_checks: self.state.by_checks,
            acted: self.state.spent.back().copied(),
        };
        hold::reason(&self.policy, own, &turn.around)
    }

    /// Something around it has changed: whether a hold still stands (rule 9).
    pub(in crate::machine) fn reconsider(&mut self, turn: &mut Turn<'_>) {
        self.release_unless_held(turn, false);
    }

    /// Nobody has looked for a while: whoever is no longer held is looked at before anything is done to it.
    pub(in crate::machine) fn reconsider_after_a_break(&mut self, turn: &mut Turn<'_>) {
        self.release_unless_held(turn, true);
    }

    fn release_unless_held(&mut self, turn: &mut Turn<'_>, after_a_break: bool) {
        let now_holds = self.hold_reason(turn);
        let Some(held) = &mut self.state.held else { return };
        if let Some((reason, on)) = now_holds
            && reason == held.reason
        {
            held.on = on;
            return;
        }
        let (reason, delay_ran) = (held.reason, held.delay_ran);
        self.state.held = None;
        self.say(turn, EventKind::RecoveryReleased { reason: reason.as_str().to_owned() });
        self.plan_after(turn, delay_ran);
        // What a recreate owes may be made good first.
        if self.state.held.is_some() || matches!(self.state.recovery, Recovery::Acting { .. }) {
            return self.schedule(turn.now);
        }
        let first = self.place.filter(|_| after_a_break).map_or(Duration::ZERO, pace::first_delay);
        let look = turn.now.after(first);
        self.check_at_once(look);
        if after_a_break || (reason == hold::Reason::Storm && self.state.by_checks) {
            // It may have been well all the time: it gets the time to show that.
            self.wait_at_least(look.after(self.showing()));
        } else if matches!(self.state.recovery, Recovery::Waiting { due, .. } if due <= turn.now) {
            // At once, so that the next one that waits for a place sees this one taken.
            self.attempt_due(turn);
        }
    }

    /// So much fails at once that the monitor suspects itself: what is planned waits.
    pub(in crate::machine) fn hold_for_storm(&mut self, turn: &mut Turn<'_>) {
        let Recovery::Waiting { due, .. } = self.state.recovery else { return };
        let delay_ran = std::mem::take(&mut self.postponed) || due <= turn.now;
        if self.hold_if_needed(turn, delay_ran) {
            self.drop_check();
            self.schedule(turn.now);
        }
    }

    /// Its attempt has fallen due while witnesses are asked.
    pub(in crate::machine) fn is_postponed(&self) -> bool {
        self.postponed
    }

    /// The monitor can see: what was postponed goes on.
    pub(in crate::machine) fn go_on(&mut self, turn: &mut Turn<'_>) {
        if std::mem::take(&mut self.postponed)
            && let Recovery::Waiting { due, .. } = &mut self.state.recovery
        {
            *due = turn.now;
            self.attempt_due(turn);
        }
    }

    /// A maintenance window of the server has opened or closed.
    pub(in crate::machine) fn maintain(&mut self, turn: &mut Turn<'_>, until: Option<Mono>) {
        let reason = if until.is_some() { "maintenance_began" } else { "maintenance_ended" };
        if self.maintenance.is_some() != until.is_some() {
            self.say(turn, EventKind::ServerUpdated { reason: reason.to_owned() });
        }
        self.maintenance = until;
        self.reconsider(turn);
    }
}
