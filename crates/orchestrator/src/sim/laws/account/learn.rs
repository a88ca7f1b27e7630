//! What each event changes in a server's account.

use health_spec::{EventKind, Phase, Status};

use super::Life;
use crate::machine::{Happened, Mono, ServerId};
use crate::sim::World;

impl Life {
    pub(super) fn learn(&mut self, happened: &Happened, world: &World, id: ServerId) {
        let at = happened.at;
        match &happened.kind {
            EventKind::HealthCheckCompleted { status, failure, .. } => {
                self.answered(*status, at, world, id);
                self.blind = false;
                let overloaded = failure.as_ref().is_some_and(|failure| failure.reason == "overloaded");
                let most = world.fleet().servers()[id.0].policy().max_backoff;
                self.alone = if overloaded { at.after(world.asks(id).min(most)) } else { Mono::default() };
            }
            EventKind::StatusChanged { status, .. } => self.status = *status,
            EventKind::ServerStopped { .. } => {
                (self.incident, self.attempt, self.up_since, self.stopped) = (None, None, None, true);
                (self.alone, self.ebbing, self.reported, self.may_end) = (Mono::default(), false, false, false);
                self.forget();
            }
            EventKind::ServerStarted { .. } => self.stopped = false,
            EventKind::ContainerDied { .. } => {
                (self.paced, self.alone, self.ebbing, self.reported) = (at, Mono::default(), false, true);
                self.may_end = false;
                self.forget();
            }
            EventKind::MonitorImpaired { reason, .. } => self.blind |= reason == "probe",
            EventKind::ServerPaused { .. } => self.paused = true,
            EventKind::ServerResumed => self.paused = false,
            EventKind::ServerDeregistered => *self = Self { started: at, paced: at, ..Self::default() },
            _ => self.learn_recovery(happened),
        }
        if happened.phase == Some(Phase::Healthy) {
            self.up_since.get_or_insert(at);
            self.stopped = false;
            self.amended &= !matches!(happened.kind, EventKind::HealthCheckCompleted { .. });
        }
    }

    fn learn_recovery(&mut self, happened: &Happened) {
        let at = happened.at;
        match &happened.kind {
            EventKind::ServerDown { reason, .. } => {
                self.goes_down(happened);
                // The moment of a death takes the place of the last check's start, also where an earlier run has said the death.
                if reason == "container_died" {
                    (self.paced, self.alone, self.may_end) = (at, Mono::default(), false);
                }
            }
            EventKind::RecoveryStarted { attempt, strategy, reason, .. } => {
                self.recreates = strategy == "recreate";
                self.of_operator = *attempt == 0 && !reason.starts_with("network_of:");
                // Whoever follows another one goes on with its own attempts; an operator's restart begins anew.
                if !reason.starts_with("network_of:") {
                    (self.counted, self.may_start_over) = (*attempt, false);
                }
                self.starts(*attempt, at);
            }
            EventKind::RecoverySuccessful { .. } => {
                (self.attempt, self.incident, self.ebbing, self.reported) = (None, None, false, false);
            }
            EventKind::ServerRecovered { .. } => (self.incident, self.ebbing, self.reported) = (None, false, false),
            EventKind::RecoverySuperseded { .. } => self.attempt = None,
            EventKind::RecoveryReleased { reason } if reason == "storm" => self.ebbing = !self.reported,
            EventKind::RecoveryHeld { reason, .. } if reason != "concurrency" => self.ebbing = false,
            EventKind::RecoveryFailed { error, .. } => {
                self.owed = self.recreates && self.touched;
                self.action_failed = error.starts_with("action");
                (self.attempt, self.trouble, self.paced) = (None, at, at);
                if error == "container_died" || error.starts_with("action: interrupted") {
                    (self.alone, self.may_end) = (Mono::default(), false);
                }
                self.forget();
            }
            EventKind::RecoveryExhausted { .. } => {
                (self.incident, self.ebbing) = (self.incident.map(|(number, _)| (number, true)), false);
            }
            _ => {}
        }
    }

    fn goes_down(&mut self, happened: &Happened) {
        self.incident = happened.incident.map(|number| (number, false));
        (self.up_since, self.stopped) = (None, false);
        self.trouble = happened.at;
    }

    fn starts(&mut self, attempt: u32, at: Mono) {
        self.attempt = Some(attempt);
        self.may_end = false;
        self.alone = Mono::default();
        if attempt > 0 {
            self.starts.push(at);
        }
        self.forget();
    }

    fn answered(&mut self, status: Status, at: Mono, world: &World, id: ServerId) {
        if status == Status::Ok || (status == Status::Degraded && world.fleet().servers()[id.0].state().failures == 0) {
            (self.failures, self.successes) = (0, self.successes + 1);
            let policy = world.fleet().servers()[id.0].policy();
            let up = self.up_since.is_some_and(|since| at.since(since) >= policy.recovery.reset_after);
            // One that follows another's restart is up all the time, and its answers until that has ended show something else.
            if up && !matches!(self.phase, Some(Phase::Starting | Phase::Recovering)) {
                self.counted = 0;
            }
        } else {
            (self.failures, self.successes) = (self.failures + 1, 0);
            self.excused = at < self.signalled_at.after(self.longest);
        }
    }

    pub(super) fn forget(&mut self) {
        (self.failures, self.successes) = (0, 0);
    }
}
