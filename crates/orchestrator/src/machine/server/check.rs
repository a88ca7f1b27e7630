//! What an answer means (rules 2, 3, 4, 6, 7, 11).

use std::collections::BTreeMap;
use std::time::Duration;

use health_spec::event::Failure;
use health_spec::status::Observed;
use health_spec::verdict::Session;
use health_spec::{EventKind, Outcome, Phase, Reason, Status, Verdict};

use super::{BY_CHECKS, Server, Turn, milliseconds};
use crate::machine::Mono;
use crate::machine::memory::{Attempt, Recovery};

impl Server {
    /// A check ended. One that is no longer in flight is ignored.
    pub(in crate::machine) fn observed(&mut self, turn: &mut Turn<'_>, serial: u64, verdict: &Verdict, took: Duration) {
        let Some(flight) = self.flight.take_if(|flight| flight.serial == serial) else { return };
        self.state.is_blind = false;
        self.leave_alone(turn.now, verdict.retry_after);
        self.say_completed(turn, took, verdict);
        self.compare_clock(turn, verdict);
        self.compare_uptime(turn, verdict);
        self.compare_session(turn, verdict);
        match self.reading(verdict) {
            Some(status) => self.answered_well(turn, status),
            None => self.failed(turn, flight.started),
        }
        self.schedule(turn.now);
    }

    /// The monitor itself could not look: no verdict, and never held against the server.
    pub(in crate::machine) fn blind(&mut self, turn: &mut Turn<'_>, serial: u64, error: String) {
        if self.flight.take_if(|flight| flight.serial == serial).is_none() {
            return;
        }
        // Once, until one has been made again.
        if !std::mem::replace(&mut self.state.is_blind, true) {
            self.say(turn, EventKind::MonitorImpaired { reason: "probe".to_owned(), error });
        }
        // Time in which nobody could look is not the server's.
        self.give_time_to_show(turn.now);
        self.schedule(turn.now);
    }

    fn say_completed(&self, turn: &mut Turn<'_>, took: Duration, verdict: &Verdict) {
        let status = match verdict.outcome {
            Outcome::Ok => Status::Ok,
            Outcome::Degraded => Status::Degraded,
            Outcome::Failed => Status::Down,
        };
        let reading = verdict.reading.as_ref();
        let checks: BTreeMap<_, _> = reading.into_iter().flat_map(|reading| reading.checks.iter().cloned()).collect();
        let failure = verdict
            .reason
            .map(|reason| Failure { reason: reason.as_str().to_owned(), message: verdict.message.clone().unwrap_or_default() });
        let response_time_ms = milliseconds(took);
        self.say(turn, EventKind::HealthCheckCompleted { status, response_time_ms, checks, failure });
    }

    /// Said once, until its clock has been right again.
    fn compare_clock(&mut self, turn: &mut Turn<'_>, verdict: &Verdict) {
        if verdict.reading.is_some() && !std::mem::replace(&mut self.state.is_skewed, verdict.clock_skew) && verdict.clock_skew {
            self.say(turn, EventKind::ClockSkew);
        }
    }

    /// An uptime that went backwards without an action of ours: it restarted on its own.
    fn compare_uptime(&mut self, turn: &mut Turn<'_>, verdict: &Verdict) {
        let Some(uptime) = verdict.reading.as_ref().and_then(|reading| reading.uptime_seconds) else { return };
        if self.state.uptime_seconds.replace(uptime).is_some_and(|last| uptime < last) {
            self.say(turn, EventKind::ServerRestarted { reason: "uptime".to_owned() });
        }
    }

    /// A session that is gone without an action of ours: it restarted on its own. One that was restarted has lost it, of course.
    fn compare_session(&mut self, turn: &mut Turn<'_>, verdict: &Verdict) {
        let Some(session) = verdict.session else { return };
        if std::mem::replace(&mut self.state.has_session, true) && session == Session::Lost {
            self.say(turn, EventKind::ServerRestarted { reason: "session".to_owned() });
        }
    }

    /// Its own process runs.
    pub(super) fn lives(&mut self) {
        self.state.is_dead = false;
        self.state.is_outlived = false;
    }

    /// It starts anew: neither its uptime nor its sessions go on.
    pub(super) fn forget_life(&mut self) {
        self.state.uptime_seconds = None;
        self.state.has_session = false;
    }

    /// The status that a good answer stands for; `None` when it counts as failed (rule 4).
    fn reading(&mut self, verdict: &Verdict) -> Option<Observed> {
        let alive_only = matches!(verdict.reason, Some(Reason::NeedsAuth | Reason::Overloaded));
        let is_up = matches!(self.state.phase, Phase::Healthy | Phase::Suspect);
        match verdict.outcome {
            Outcome::Failed => None,
            Outcome::Ok => Some(Observed::Ok),
            Outcome::Degraded if alive_only && is_up => {
                self.state.was_alive_only = true;
                Some(Observed::Degraded)
            }
            Outcome::Degraded if alive_only && self.state.was_up && !self.state.was_alive_only => None,
            Outcome::Degraded => Some(Observed::Degraded),
        }
    }

    fn answered_well(&mut self, turn: &mut Turn<'_>, status: Observed) {
        self.state.is_outlived |= std::mem::take(&mut self.state.is_dead);
        self.state.failures = 0;
        self.state.first_failure = None;
        match self.state.phase {
            Phase::Healthy => self.stays_up(turn, status),
            Phase::Suspect => {
                self.enter(Phase::Healthy);
                self.stays_up(turn, status);
            }
            Phase::Starting => self.comes_up(turn, status),
            Phase::Recovering | Phase::Down | Phase::Failed | Phase::Stopped => {
                self.state.successes += 1;
                if self.state.successes >= self.policy.success_threshold {
                    self.comes_up(turn, status);
                }
            }
        }
    }

    /// Rule 7: long enough up, and the attempt counter starts over.
    fn stays_up(&mut self, turn: &mut Turn<'_>, status: Observed) {
        let up_for = self.state.up_since.map_or(Duration::ZERO, |since| turn.now.since(since));
        if up_for >= self.policy.recovery.reset_after {
            self.state.attempts = 0;
        }
        self.publish_answer(turn, status);
        self.keep(turn);
    }

    fn comes_up(&mut self, turn: &mut Turn<'_>, status: Observed) {
        if let Recovery::Verifying { untouched: true, attempt, .. } = self.state.recovery
            && attempt != Attempt::Foreign
        {
            return self.came_to_nothing(turn, attempt);
        }
        let down_for = self.state.incident.map(|incident| milliseconds(turn.now.since(incident.opened)));
        // It has a network.
        self.state.cut = None;
        let attempts = self.state.attempts;
        let successful = |recovery_ms| EventKind::RecoverySuccessful { attempts, recovery_successful: true, recovery_ms };
        match (self.state.recovery, down_for) {
            (Recovery::Verifying { attempt: Attempt::Counted(_) | Attempt::Operator | Attempt::Follows(_), .. }, down_for) => {
                self.say(turn, successful(down_for.unwrap_or_default()));
            }
            (_, Some(recovery_ms)) => self.say(turn, EventKind::ServerRecovered { recovery_ms }),
            (_, None) if self.state.was_stopped => {
                let reason = if self.state.phase == Phase::Starting { self.state.starter.as_str() } else { "check" };
                self.say(turn, EventKind::ServerStarted { reason: reason.to_owned() });
            }
            _ => {}
        }
        self.go_up(turn, status);
    }

    fn failed(&mut self, turn: &mut Turn<'_>, started: Mono) {
        if self.state.phase == Phase::Starting && self.is_in_grace(turn.now) {
            return;
        }
        self.state.successes = 0;
        self.state.failures = self.state.failures.saturating_add(1);
        self.state.first_failure.get_or_insert(started);
        // Who is being stopped closes its listener before it ends.
        let is_unclear = self.unclear_until(turn.now).is_some();
        match self.state.phase {
            Phase::Starting | Phase::Healthy | Phase::Suspect
                if self.state.failures >= self.policy.failure_threshold && !is_unclear =>
            {
                let reason = format!("{}{BY_CHECKS}", self.policy.failure_threshold);
                self.go_down(turn, &reason, self.state.first_failure.unwrap_or(started));
                self.plan(turn);
            }
            Phase::Starting | Phase::Healthy | Phase::Suspect => self.suspect(turn),
            Phase::Failed if self.is_in_grace(turn.now) => {}
            Phase::Failed => self.state.distance = self.state.distance.saturating_mul(2).min(self.policy.max_backoff),
            Phase::Recovering | Phase::Down | Phase::Stopped => {}
        }
    }
}
