//! What an engine, the supervisor of our own processes, or a person says (rules 3, 6, 7, 8 and 10).

use std::time::Duration;

use health_spec::config::{OnExitZero, Strategy};
use health_spec::status::Observed;
use health_spec::{EventKind, Phase};

use super::{Server, Turn, number};
use crate::machine::hold::Reason;
use crate::machine::memory::{Attempt, Cut, Dying, Pause, Recovery, Stage, Starter, Stop};
use crate::machine::{Command, Death, Effect, Mono, Refusal, Word};

/// How long an engine that starts a container again on its own has for it (contract, section 3.2).
const COMES_BACK_WITHIN: Duration = Duration::from_secs(5);

impl Server {
    pub(in crate::machine) fn reported(&mut self, turn: &mut Turn<'_>, word: Word) {
        self.hears(&word);
        match word {
            Word::Died(death) => self.died(turn, death),
            Word::Killed => self.signalled(turn, false, None),
            Word::AskedToEnd(patience) => self.signalled(turn, true, patience),
            Word::AskedNoMore if self.has_ended(turn.now) => turn.effects.push(Effect::Remember(turn.id)),
            Word::AskedNoMore => {}
            Word::Paused => self.stop(turn, Stop::Paused),
            Word::Started => self.started(turn, Starter::Outside),
            Word::Restarted => self.restarted(turn),
            Word::NotRunning(death) => self.not_running(turn, death),
            // What was stopped before it was ever watched is no reason not to start it (contract, section 3.2).
            Word::FoundStopped if self.never_ran() && self.policy.recovery.start_stopped => {
                self.not_running(turn, Death::default());
            }
            Word::Stopped | Word::FoundStopped => self.stop(turn, Stop::Operator),
            Word::Running => self.runs(turn),
            Word::RunsOtherwise => self.say(turn, EventKind::ServerUpdated { reason: "next_start".to_owned() }),
            Word::Spared => self.is_spared(),
            Word::Cut(cut) => {
                let before = self.state.cut.take().filter(|before| before.leader == cut.leader).map(|before| before.strategy);
                self.state.cut = Some(Cut { before, ..cut });
                turn.effects.push(Effect::Remember(turn.id));
            }
            Word::NotCut(leader) => {
                let Some(cut) = self.state.cut.take_if(|cut| cut.leader == leader) else { return };
                self.state.cut = cut.before.map(|strategy| Cut { strategy, before: None, ..cut });
                turn.effects.push(Effect::Remember(turn.id));
            }
        }
    }

    fn died(&mut self, turn: &mut Turn<'_>, death: Death) {
        if death.known && self.is_well_without() {
            return;
        }
        self.state.is_outlived = false;
        let Death { exit_code, signal, oom_killed, core_dumped, error, .. } = death.clone();
        // A monitor that begins, or an engine that is back, tells again of what had died before: that is not said again.
        let again = std::mem::replace(&mut self.state.is_dead, true);
        if !again {
            self.say(turn, EventKind::ContainerDied { exit_code, signal, oom_killed, core_dumped, error });
        }
        let stops = self.is_stop(&death);
        if let Recovery::Acting { stage, .. } = &mut self.state.recovery {
            match stage {
                Stage::Started => *stage = if stops { Stage::Ended } else { Stage::Died },
                Stage::Prepares | Stage::CalledOff => self.has_died_of_it(turn.now),
                Stage::Overtaken => {
                    *stage = Stage::CalledOff;
                    self.has_died_of_it(turn.now);
                }
                Stage::Begun | Stage::Died | Stage::Ended => {}
            }
            return;
        }
        // What an engine told at its own end was no stop: whoever is stopped for that word alone has died.
        let was_no_stop = death.retracts_stop && self.state.phase == Phase::Stopped;
        if again && !was_no_stop && self.is_judged_dead() {
            return;
        }
        if self.state.signal.is_some() || death.unclear {
            self.drop_check();
            self.state.next_check = None;
            let until = turn.now.after(self.stop_follows_within());
            self.state.dying = Some(Box::new(Dying { until, death, at: turn.now }));
            return;
        }
        self.judge_death(turn, &death, turn.now);
    }

    /// Its process has ended, and it has been well since.
    fn is_well_without(&self) -> bool {
        self.state.is_outlived && matches!(self.state.recovery, Recovery::Idle | Recovery::Waiting { .. })
    }

    /// What a death leads to is under way, or it is stopped: the same death once more changes nothing.
    fn is_judged_dead(&self) -> bool {
        let waits = matches!(self.state.recovery, Recovery::Idle | Recovery::Waiting { .. });
        waits && matches!(self.state.phase, Phase::Recovering | Phase::Down | Phase::Failed | Phase::Stopped)
    }

    pub(super) fn judge_if_due(&mut self, turn: &mut Turn<'_>) {
        if self.state.dying.as_ref().is_some_and(|dying| dying.until <= turn.now) {
            self.judge_now(turn);
        }
    }

    fn judge_now(&mut self, turn: &mut Turn<'_>) {
        if let Some(dying) = self.state.dying.take() {
            self.judge_death(turn, &dying.death, dying.at);
        }
    }

    /// Rule 8: exit code 0 is a death like any other, unless the policy says otherwise.
    fn is_stop(&self, death: &Death) -> bool {
        death.exit_code == Some(0) && self.policy.recovery.on_exit_zero == OnExitZero::Stop
    }

    /// Rule 3: a death is no stop. The moment takes the place of the last check's start.
    fn judge_death(&mut self, turn: &mut Turn<'_>, death: &Death, at: Mono) {
        // Engines do not bring back what they were told to kill.
        let killed = self.has_ended(turn.now);
        let comes_back = death.comes_back && !killed;
        // Whoever asked to be left alone is gone.
        let was_alone = self.state.alone_until.take().is_some();
        // An action that was cut off is told as such, however what it was to end had ended.
        let is_cut_off = matches!(self.state.recovery, Recovery::Verifying { cut_off: true, .. });
        if !is_cut_off && self.is_stop(death) {
            self.stop(turn, Stop::ExitZero);
            if was_alone {
                self.schedule(turn.now);
            }
            return;
        }
        self.drop_check();
        self.forget_streaks();
        self.state.pace_from = turn.now;
        self.state.grace_until = turn.now;
        self.forget_life();
        self.state.by_checks = false;
        match (self.state.phase, self.state.recovery) {
            (Phase::Starting | Phase::Healthy | Phase::Suspect | Phase::Stopped, _) => {
                self.go_down(turn, "container_died", at);
                self.plan(turn);
            }
            (_, Recovery::Verifying { attempt, cut_off, .. }) => {
                let error = self.interrupted().filter(|_| cut_off).unwrap_or("container_died");
                self.attempt_failed(turn, attempt, error.to_owned());
            }
            // What the engine has seen is never held for what the monitor may have seen wrongly (section 3.2).
            (Phase::Down, _) if self.held() == Some(Reason::Storm) => self.reconsider(turn),
            _ => {}
        }
        if comes_back {
            self.wait_at_least(turn.now.after(COMES_BACK_WITHIN));
        }
        self.schedule(turn.now);
    }

    /// Rule 8: stopped on purpose. During an action of ours it is honoured when that ends.
    pub(super) fn stop(&mut self, turn: &mut Turn<'_>, stop: Stop) {
        if let Recovery::Acting { stopped, .. } = &mut self.state.recovery {
            *stopped = true;
            turn.effects.push(Effect::Remember(turn.id));
            return self.abandon(turn);
        }
        if self.state.phase == Phase::Stopped {
            return self.stays_stopped(turn, stop);
        }
        self.drop_check();
        self.forget_streaks();
        self.enter(Phase::Stopped);
        self.state.recovery = Recovery::Idle;
        self.state.held = None;
        self.state.dying = None;
        self.forget_signal();
        self.state.alone_until = None;
        self.state.up_since = None;
        self.state.was_stopped = true;
        self.state.stop = Some(stop);
        self.forget_life();
        self.publish_status(turn, Observed::Down, "stopped");
        self.say(turn, EventKind::ServerStopped { reason: stop.as_str().to_owned() });
        self.state.incident = None;
        self.schedule(turn.now);
    }

    /// It was stopped again. A death that waited for this word is explained by it, and checks go on.
    fn stays_stopped(&mut self, turn: &mut Turn<'_>, stop: Stop) {
        // What has ended by itself is found to be stopped when the monitor begins.
        if self.state.stop != Some(Stop::ExitZero) {
            self.state.stop = Some(stop);
        }
        self.state.dying = None;
        self.forget_signal();
        if self.state.next_check.is_none() && !self.queued {
            self.schedule(turn.now);
        }
    }

    /// Nothing was done to it by the action that runs, or by the one that the end of an earlier run has cut off.
    fn is_spared(&mut self) {
        match &mut self.state.recovery {
            Recovery::Acting { .. } => self.spared = true,
            Recovery::Verifying { cut_off: true, untouched, .. } => *untouched = true,
            Recovery::Verifying { .. } | Recovery::Waiting { .. } | Recovery::Idle => {}
        }
    }

    /// Rule 5: whoever dies from then on dies again, also when the end of the action is heard of later. What was stopped and runs was started
    /// while nobody looked.
    fn runs(&mut self, turn: &mut Turn<'_>) {
        if self.state.phase == Phase::Stopped && self.state.recovery == Recovery::Idle {
            return self.started(turn, Starter::Outside);
        }
        self.lives();
        match &mut self.state.recovery {
            Recovery::Idle | Recovery::Waiting { .. } => {}
            Recovery::Acting { stage, .. } if stage.is_before_touching() => {}
            Recovery::Acting { stage, .. } => {
                *stage = Stage::Started;
                // Signals up to here were the action's own.
                self.forget_signal();
            }
            Recovery::Verifying { cut_off, .. } => *cut_off = false,
        }
    }

    /// The engine's own restarts are counted and shown (contract, section 3.2).
    fn restarted(&mut self, turn: &mut Turn<'_>) {
        self.state.restarts_engine += 1;
        self.say(turn, EventKind::ServerRestarted { reason: "engine".to_owned() });
        self.started(turn, Starter::Engine);
    }

    /// A start that no action has led to: somebody's, or that of a child when the monitor itself begins.
    fn started(&mut self, turn: &mut Turn<'_>, starter: Starter) {
        if self.state.dying.is_some() {
            self.judge_now(turn);
        }
        self.state.starter = starter;
        // What it had failed before is forgotten, and its grace begins: also for a run that comes after a crash.
        turn.effects.push(Effect::Remember(turn.id));
        self.forget_signal();
        self.lives();
        self.state.alone_until = None;
        self.forget_life();
        self.joins_network(Strategy::Restart);
        match (self.state.phase, &mut self.state.recovery) {
            (_, Recovery::Acting { stopped, stage, .. }) if stage.is_before_touching() => {
                *stopped = false;
                self.overtaken(turn);
            }
            (_, Recovery::Acting { stopped, stage, .. }) => (*stopped, *stage) = (false, Stage::Started),
            (Phase::Stopped, _) => self.starts_again(turn),
            (Phase::Down | Phase::Failed, _) => {
                self.state.attempts = 0;
                // The first attempt has a delay of its own.
                if let Some(held) = &mut self.state.held {
                    held.delay_ran = false;
                }
                self.forget_streaks();
                self.state.grace_until = turn.now.after(self.policy.start_period);
                self.state.distance = self.policy.interval;
                self.check_at_once(turn.now);
            }
            (Phase::Recovering, Recovery::Waiting { .. }) => {
                self.state.attempts = 0;
                self.verify(turn, Attempt::Foreign);
            }
            (Phase::Recovering, Recovery::Verifying { until, cut_off, .. }) => {
                *cut_off = false;
                *until = turn.now.after(self.policy.recovery.verify_timeout);
                self.forget_streaks();
                self.check_at_once(turn.now);
            }
            (Phase::Recovering, _) => {}
            (Phase::Starting | Phase::Healthy | Phase::Suspect, _) => self.begins(turn),
        }
    }

    fn starts_again(&mut self, turn: &mut Turn<'_>) {
        self.state.attempts = 0;
        self.begins(turn);
    }

    /// Rule 2: grace counts from the start of the server itself. What the world sees stays until there is an answer.
    fn begins(&mut self, turn: &mut Turn<'_>) {
        self.enter(Phase::Starting);
        self.state.grace_until = turn.now.after(self.policy.start_period);
        self.forget_streaks();
        self.check_at_once(turn.now);
    }

    /// Not running when first seen: stopped, unless it is to be started (section 3.2). Not running although an earlier
    /// run knew it as running: it died while nobody looked.
    fn not_running(&mut self, turn: &mut Turn<'_>, death: Death) {
        let never_ran = self.never_ran();
        match self.state.phase {
            Phase::Stopped => {}
            Phase::Starting | Phase::Suspect if never_ran && self.policy.recovery.start_stopped => {
                self.go_down(turn, "not_running", turn.now);
                self.plan(turn);
                self.schedule(turn.now);
            }
            // Checks were quicker: it is being brought back already.
            _ if never_ran && self.policy.recovery.start_stopped => {}
            _ if never_ran => self.stop(turn, Stop::Operator),
            _ => self.died(turn, death),
        }
    }

    /// Nobody has seen it run, and nothing is being done about it.
    fn never_ran(&self) -> bool {
        let waits = matches!(self.state.recovery, Recovery::Idle | Recovery::Waiting { .. });
        self.first_seen && !self.state.was_up && waits
    }

    pub(in crate::machine) fn operate(&mut self, turn: &mut Turn<'_>, command: Command) -> Result<(), Refusal> {
        match command {
            Command::Restart { by } => self.restart(turn, by),
            Command::Check { by } => self.check(turn, by),
            Command::Pause { until, by, reason } => {
                self.pause(turn, Pause { until, by, reason });
                Ok(())
            }
            Command::Resume { .. } if self.state.paused.is_none() => Err(Refusal::NotPaused),
            Command::Resume { by } => {
                self.say(turn, EventKind::ActionRequested { action: "resume".to_owned(), actor: by });
                self.resume(turn);
                Ok(())
            }
        }
    }

    /// Rule 7: it resets the counter, is verified like an attempt and not counted.
    fn restart(&mut self, turn: &mut Turn<'_>, by: String) -> Result<(), Refusal> {
        let strategy = self.with_network(self.policy.recovery.of_an_operator());
        if strategy == Strategy::Manual {
            return Err(Refusal::NotRestartable);
        }
        if self.unheard || matches!(self.state.recovery, Recovery::Acting { .. }) {
            return Err(Refusal::Busy);
        }
        if turn.around.engine_lost.is_some() && strategy != Strategy::Repair {
            return Err(Refusal::EngineAway);
        }
        self.say(turn, EventKind::ActionRequested { action: "restart".to_owned(), actor: by });
        self.supersede(turn);
        self.state.attempts = 0;
        self.state.dying = None;
        self.act(turn, Attempt::Operator, Duration::ZERO, "operator");
        Ok(())
    }

    /// What is being verified ends here, neither well nor badly: nobody will know what it would have come to.
    fn supersede(&self, turn: &mut Turn<'_>) {
        if let Recovery::Verifying { attempt, .. } = self.state.recovery
            && attempt != Attempt::Foreign
        {
            let reason = "superseded".to_owned();
            self.say(turn, EventKind::RecoverySuperseded { attempt: number(attempt), reason });
        }
    }

    fn check(&mut self, turn: &mut Turn<'_>, by: String) -> Result<(), Refusal> {
        if matches!(self.state.recovery, Recovery::Acting { .. }) {
            return Err(Refusal::Busy);
        }
        self.say(turn, EventKind::ActionRequested { action: "check".to_owned(), actor: by });
        if self.flight.is_none() && self.state.dying.is_none() {
            self.state.alone_until = None;
            self.state.next_check = Some(turn.now);
        }
        Ok(())
    }

    fn pause(&mut self, turn: &mut Turn<'_>, pause: Pause) {
        self.say(turn, EventKind::ActionRequested { action: "pause".to_owned(), actor: pause.by.clone() });
        let until = pause.until;
        let was_paused_until = self.state.paused.replace(Box::new(pause)).map(|earlier| earlier.until);
        // What is as it was is no news.
        if was_paused_until != Some(until) {
            self.say_with(turn, EventKind::ServerPaused { until: None }, until);
        }
    }

    fn resume(&mut self, turn: &mut Turn<'_>) {
        if self.state.paused.take().is_some() {
            self.say(turn, EventKind::ServerResumed);
            self.reconsider(turn);
        }
    }

    pub(super) fn resume_if_due(&mut self, turn: &mut Turn<'_>) {
        if self.state.paused.as_ref().and_then(|pause| pause.until).is_some_and(|until| until <= turn.now) {
            self.resume(turn);
        }
    }
}
