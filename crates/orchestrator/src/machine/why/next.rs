//! What will be done, the soonest first.

use health_spec::Phase;
use health_spec::config::Mode;

use super::{Account, Step};
use crate::machine::hold::Reason;
use crate::machine::memory::{Recovery, Stage};
use crate::machine::{Mono, storm};

impl Account<'_> {
    pub(super) fn next(&self) -> Vec<Step> {
        if self.server.is_unheard() {
            return vec![Step::then("its process runs, or has failed to: it is not checked, and nothing is done to it, before")];
        }
        let mut next = self.recovery_steps();
        next.extend(self.storm_steps());
        next.extend(self.check_steps());
        next.extend(self.ends());
        next.sort_by_key(|step| step.at.map_or((1, Mono::default()), |at| (0, at)));
        next
    }

    fn recovery_steps(&self) -> Vec<Step> {
        let (state, of) = (self.server.state(), self.of());
        match state.recovery {
            Recovery::Waiting { due, .. } => {
                let mut steps = vec![Step::at(due, format!("attempt {} of {of}: {}", state.attempts + 1, self.strategy()))];
                let asked = self.names(self.fleet.storm().asked());
                if state.by_checks && !asked.is_empty() {
                    steps.push(Step::then(format!("{asked} say first whether the monitor can see at all")));
                }
                steps
            }
            Recovery::Acting { undoing: true, .. } => {
                vec![Step::then("what the attempt had replaced is put back, then recovery is planned anew")]
            }
            Recovery::Acting { stage: Stage::CalledOff, stopped: true, .. } => {
                vec![Step::then("somebody has stopped it: what was prepared is not done, and it is stopped")]
            }
            Recovery::Acting { stage: Stage::Overtaken, .. } => {
                vec![Step::then("somebody has started it: what was prepared is not done, and it is verified")]
            }
            Recovery::Acting { stage: Stage::CalledOff, attempt, .. } => {
                vec![Step::then(format!("somebody may be stopping it: {} ends without touching it", self.named(attempt)))]
            }
            Recovery::Acting { stage: Stage::Prepares, attempt, .. } => {
                let named = self.named(attempt);
                vec![Step::then(format!("{named} is prepared (evidence, the hook before it), made, and then verified"))]
            }
            Recovery::Acting { attempt, .. } => {
                vec![Step::then(format!("{} ends, then it is verified", self.named(attempt)))]
            }
            Recovery::Verifying { until, attempt, .. } => {
                vec![Step::at(until, format!("{} has failed, unless it has come back", self.named(attempt)))]
            }
            Recovery::Idle => self.deed().map(Step::then).into_iter().collect(),
        }
    }

    /// What would be done, were it not for the reason that it waits for; or who has to do it.
    fn deed(&self) -> Option<String> {
        let recovery = &self.server.policy().recovery;
        let attempt = self.server.state().attempts + 1;
        match (self.server.held(), self.server.phase()) {
            (Some(Reason::Observe), _) if recovery.mode == Mode::Observe => {
                Some(format!("would {}, attempt {attempt} of {}, but observe mode", self.strategy(), self.of()))
            }
            (Some(Reason::Manual | Reason::Disabled), _) | (None, Phase::Failed) => {
                Some("a person has to bring it back".to_owned())
            }
            (Some(_), _) => Some(format!("attempt {attempt} of {}: {}, once it is no longer held", self.of(), self.strategy())),
            (None, _) => None,
        }
    }

    /// The witnesses and the canary, while a storm holds this one.
    fn storm_steps(&self) -> Vec<Step> {
        let Some(storm::Forecast { witnesses, next_round, canary, canary_at, .. }) = self.fleet.storm().forecast() else {
            return vec![];
        };
        if self.server.held() != Some(Reason::Storm) {
            return vec![];
        }
        let asked = self.names(witnesses.iter().copied());
        let round = match next_round {
            Some(at) => Step::at(at, format!("the witnesses {asked} are checked again")),
            None => Step::then(format!("the witnesses {asked} are being checked: when most of them answer, it goes on")),
        };
        let canary = match (canary, self.fleet.next_canary()) {
            (Some(canary), _) => Step::then(format!("{}, the canary, comes back: then the others go on", self.name(canary))),
            (None, Some(next)) if next == self.id => Step::at(canary_at, "it is tried all the same, as the canary"),
            (None, Some(next)) => Step::at(canary_at, format!("{} is tried all the same, as the canary", self.name(next))),
            (None, None) => return vec![round],
        };
        vec![round, canary]
    }

    fn check_steps(&self) -> Vec<Step> {
        let state = self.server.state();
        if self.server.is_checking() {
            return vec![Step::then("the check that runs now ends")];
        }
        if self.server.is_queued() {
            return vec![Step::then("a check, once one of the others has ended")];
        }
        let check = |at| match state.alone_until {
            Some(until) if until == at => Step::at(at, "a check: it asked to be left alone until then"),
            _ => Step::at(at, "a check"),
        };
        state.next_check.map(check).into_iter().collect()
    }

    /// What ends by itself.
    fn ends(&self) -> Vec<Step> {
        let state = self.server.state();
        let pause = state.paused.as_ref().and_then(|pause| pause.until).map(|at| Step::at(at, "the pause ends"));
        let maintenance = self.server.maintenance().map(|at| Step::at(at, "the maintenance window closes"));
        let grace = (state.phase == Phase::Starting).then(|| Step::at(state.grace_until, "failed checks begin to count"));
        let dying = state.dying.as_ref().map(|dying| Step::at(dying.until, "it has died, unless it was stopped"));
        let counter = state.up_since.filter(|_| state.attempts > 0).map(|since| {
            Step::at(since.after(self.server.policy().recovery.reset_after), "its attempts start over, if it stays up")
        });
        [pause, maintenance, grace, dying, counter].into_iter().flatten().collect()
    }
}
