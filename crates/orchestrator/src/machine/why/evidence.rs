//! What a belief rests on. The last answer is the shell's to add: the machine keeps none.

use health_spec::Phase;

use super::Account;
use crate::machine::EngineId;
use crate::machine::memory::{Recovery, Stop};
use crate::machine::policy::Engine;

impl Account<'_> {
    pub(super) fn evidence(&self) -> Vec<String> {
        [self.checks(), self.life(), self.attempts()].concat()
    }

    /// What a row of checks has shown.
    fn checks(&self) -> Vec<String> {
        let (state, policy) = (self.server.state(), self.server.policy());
        let (failures, successes) = (state.failures, state.successes);
        let first = state.first_failure.map_or_else(String::new, |at| format!(", the first at {}", self.when(at)));
        let mut evidence = Vec::new();
        let mut add = |holds: bool, text: String| evidence.extend(holds.then_some(text));
        add(failures > 0, format!("{failures} failed checks in a row, {} make it down{first}", policy.failure_threshold));
        add(successes > 0, format!("{successes} good answers in a row, {} bring it back", policy.success_threshold));
        add(state.is_flapping, format!("it was suspect {} times within ten intervals", state.episodes.len()));
        add(
            state.is_blind,
            "its last check could not be made: that is the monitor's fault, and nothing is held against it".to_owned(),
        );
        // Where there is nothing else to be asked, that only checks say so is no news.
        if let Some(engine) = policy.engine.as_ref().filter(|_| state.by_checks && !state.is_dead) {
            add(true, self.only_checks(engine));
        }
        evidence
    }

    fn only_checks(&self, engine: &Engine) -> String {
        let name = &engine.name;
        match (self.fleet.engine_lost_since(engine.id), engine.id) {
            (Some(_), _) => format!("only checks say that it is down: {name} cannot be asked"),
            (None, EngineId::PROCESSES) => "only checks say that it is down: its process runs".to_owned(),
            (None, _) => format!("only checks say that it is down: for {name} it runs"),
        }
    }

    /// What is known of its process or container, and of people.
    fn life(&self) -> Vec<String> {
        let state = self.server.state();
        let mut evidence = Vec::new();
        if state.is_dead {
            evidence.push("its process or container has ended".to_owned());
        }
        if state.is_outlived {
            evidence.push("its own process or container has ended, and something else answers in its place".to_owned());
        }
        if self.server.is_unheard() {
            evidence.push("its process is taken up from an earlier run, or ended and started anew".to_owned());
        }
        if state.phase == Phase::Starting {
            evidence.push("it has not answered well since it started".to_owned());
        }
        if state.phase == Phase::Stopped {
            evidence.push(self.stop());
            if state.unsettled {
                let kept = "the container that it has replaced, if that is still there, is kept until it is well, and the log names it: where the \
                            new one is gone, a restart puts the kept one back";
                evidence.push(kept.to_owned());
            }
        }
        if let Some(pause) = &state.paused {
            evidence.push(format!("its recovery is {}", self.pause(pause)));
        }
        evidence
    }

    fn stop(&self) -> String {
        match self.server.state().stop {
            Some(Stop::Paused) => {
                let engine = self.server.policy().engine.as_ref().map_or("its engine", |engine| engine.name.as_str());
                format!("it is paused in {engine}: its container is frozen, and nothing is done until it is unpaused there")
            }
            Some(Stop::ExitZero) => "it ended with exit code 0, which is a stop for it: it is not started again".to_owned(),
            Some(Stop::Operator) | None => {
                "somebody stopped or removed it on purpose, or it has never run: it is not started again".to_owned()
            }
        }
    }

    /// How much of what may be done has been done.
    fn attempts(&self) -> Vec<String> {
        let (state, recovery) = (self.server.state(), &self.server.policy().recovery);
        let mut evidence = Vec::new();
        if state.attempts > 0 {
            evidence.push(format!("{} of {} attempts are used", state.attempts, self.of()));
        }
        let (budget, window) = recovery.budget;
        let spent = state.spent.len();
        if spent > 0 {
            evidence.push(format!("{spent} of {budget} attempts within {} s are used", window.as_secs()));
        }
        if let Some(incident) = state.incident {
            evidence.push(format!("it went down at {}", self.when(incident.opened)));
            evidence.extend(state.last_error.as_ref().map(|error| format!("the last attempt failed: {error}")));
        }
        match state.recovery {
            Recovery::Verifying { cut_off: true, .. } | Recovery::Verifying { untouched: true, .. } => {
                evidence.push("the orchestrator ended during its attempt, and it has to show that it is well".to_owned());
            }
            Recovery::Verifying { .. } => evidence.push("it was started again, and has to show that it is well".to_owned()),
            _ => {}
        }
        evidence
    }
}
