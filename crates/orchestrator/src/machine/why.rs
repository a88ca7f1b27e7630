//! What the machine believes of a server, what it will do next and when, and what it is waiting for.
//!
//! In words, since people read it; moments stay moments, since only the shell knows the wall clock.

use health_spec::Phase;
use health_spec::config::Mode;

use super::Mono;
use super::hold::Reason;
use super::memory::{Attempt, Recovery};
use super::server::Server;

/// One server, explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// What it believes, such as `down: 3_consecutive_failures`.
    pub believes: String,
    /// What that rests on.
    pub evidence: Vec<String>,
    /// What it will do, the soonest first.
    pub next: Vec<Step>,
    /// What it is waiting for, if it is held.
    pub waiting_for: Option<String>,
}

/// Something that will be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub what: String,
    /// When; `None`: once something has ended.
    pub at: Option<Mono>,
}

impl Step {
    fn at(at: Mono, what: impl Into<String>) -> Self {
        Self { what: what.into(), at: Some(at) }
    }

    fn then(what: impl Into<String>) -> Self {
        Self { what: what.into(), at: None }
    }
}

impl Server {
    /// Why it is what it is, and what comes next. `depends` says how a server is that it waits for, such as `down since 12:01:07`.
    pub fn why(&self, depends: impl Fn(&str) -> Option<String>) -> Why {
        let mut next = self.recovery_steps();
        next.extend(self.check_steps());
        if let Some(until) = self.state().paused.as_ref().and_then(|pause| pause.until) {
            next.push(Step::at(until, "the pause ends"));
        }
        if let Some(until) = self.maintenance() {
            next.push(Step::at(until, "the maintenance window closes"));
        }
        next.sort_by_key(|step| step.at.map_or((1, Mono::default()), |at| (0, at)));
        Why { believes: self.belief(), evidence: self.evidence(), next, waiting_for: self.waiting_for(&depends) }
    }

    fn belief(&self) -> String {
        let state = self.state();
        match &state.reason {
            Some(reason) if reason != "check" => format!("{}: {reason}", state.status),
            _ => state.status.to_string(),
        }
    }

    fn evidence(&self) -> Vec<String> {
        let state = self.state();
        let mut evidence = Vec::new();
        let mut add = |holds: bool, text: String| evidence.extend(holds.then_some(text));
        let (failures, successes) = (state.failures, state.successes);
        add(failures > 0, format!("{failures} failed checks in a row, {} make it down", self.policy().failure_threshold));
        add(successes > 0, format!("{successes} good answers in a row, {} bring it back", self.policy().success_threshold));
        add(state.is_dead, "its process or container has ended".to_owned());
        add(state.is_flapping, format!("it was suspect {} times within ten intervals", state.episodes.len()));
        add(state.phase == Phase::Starting, "it has not answered well since it started".to_owned());
        let of = self.policy().recovery.backoff.attempts();
        add(state.attempts > 0, format!("{} of {of} attempts are used", state.attempts));
        let (budget, window) = self.policy().recovery.budget;
        let spent = state.spent.len();
        add(spent > 0, format!("{spent} of {budget} attempts within {} s are used", window.as_secs()));
        evidence
    }

    fn recovery_steps(&self) -> Vec<Step> {
        let state = self.state();
        let of = self.policy().recovery.backoff.attempts();
        let strategy = self.policy().recovery.strategy.rung(state.attempts + 1).as_str();
        match state.recovery {
            Recovery::Waiting { due, .. } => vec![Step::at(due, format!("attempt {} of {of}: {strategy}", state.attempts + 1))],
            Recovery::Acting { undoing: true, .. } => {
                vec![Step::then("what the attempt had replaced is put back, then recovery is planned anew")]
            }
            Recovery::Acting { attempt, .. } => vec![Step::then(format!("{} ends, then it is verified", named(attempt, of)))],
            Recovery::Verifying { until, attempt } => {
                vec![Step::at(until, format!("{} has failed, unless it has come back", named(attempt, of)))]
            }
            Recovery::Idle => match self.deed() {
                Some(deed) => vec![Step::then(deed)],
                None => vec![],
            },
        }
    }

    /// What would be done, were it not for the reason that it waits for; or who has to do it.
    fn deed(&self) -> Option<String> {
        let recovery = &self.policy().recovery;
        let attempt = self.state().attempts + 1;
        match (self.state().held.as_ref().map(|hold| hold.reason), self.phase()) {
            (Some(Reason::Observe), _) if recovery.mode == Mode::Observe => {
                let strategy = recovery.strategy.rung(attempt).as_str();
                Some(format!("it would {strategy}, attempt {attempt}, but observe mode only says so"))
            }
            (Some(Reason::Manual | Reason::Disabled), _) | (None, Phase::Failed) => {
                Some("a person has to bring it back".to_owned())
            }
            _ => None,
        }
    }

    fn check_steps(&self) -> Vec<Step> {
        if self.is_checking() {
            return vec![Step::then("the check that runs now ends")];
        }
        if self.is_queued() {
            return vec![Step::then("a check, once one of the others has ended")];
        }
        self.state().next_check.map(|at| Step::at(at, "a check")).into_iter().collect()
    }

    fn waiting_for(&self, depends: &impl Fn(&str) -> Option<String>) -> Option<String> {
        let hold = self.state().held.as_ref()?;
        let on = hold.on.join(", ");
        Some(match hold.reason {
            Reason::Disabled => "recovery is disabled".to_owned(),
            Reason::Manual => "nothing here can bring it back: a person does it".to_owned(),
            Reason::Paused => match &self.state().paused {
                Some(pause) => format!("paused by {}", pause.by),
                None => "paused".to_owned(),
            },
            Reason::Maintenance => "a maintenance window is open".to_owned(),
            Reason::Dependency => {
                let of = |name: &String| depends(name).map_or_else(|| name.clone(), |how| format!("{name} is {how}"));
                format!("dependency {}", hold.on.iter().map(of).collect::<Vec<_>>().join(", "))
            }
            Reason::Observe => "observe mode".to_owned(),
            Reason::Storm => format!("the monitor suspects itself, since {on} do not answer either"),
            Reason::Engine => format!("the engine {on} cannot be reached"),
            Reason::Concurrency => format!("as many recoveries run as may: {on}"),
            Reason::State => "the state directory cannot be written, and it has had its one attempt since".to_owned(),
        })
    }
}

fn named(attempt: Attempt, of: u32) -> String {
    match attempt {
        Attempt::Counted(number) => format!("attempt {number} of {of}"),
        Attempt::Operator => "the restart that an operator wanted".to_owned(),
        Attempt::Foreign => "the start by somebody else".to_owned(),
    }
}
