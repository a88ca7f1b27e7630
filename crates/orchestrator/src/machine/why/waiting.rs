//! What a held recovery is waiting for, since when, and until when.

use health_spec::Phase;

use super::Account;
use crate::machine::EngineId;
use crate::machine::hold::Reason;
use crate::machine::memory::{Pause, Recovery};
use crate::machine::storm::Forecast;

impl Account<'_> {
    pub(super) fn waiting_for(&self) -> Option<String> {
        let Some(hold) = self.server.state().held.as_ref() else { return self.end() };
        Some(match hold.reason {
            Reason::Disabled => "recovery is disabled".to_owned(),
            Reason::Manual => "nothing here can bring it back: a person does it".to_owned(),
            Reason::Paused => match &self.server.state().paused {
                Some(pause) => self.pause(pause),
                None => "paused".to_owned(),
            },
            Reason::Maintenance => match self.server.maintenance() {
                Some(until) => format!("a maintenance window is open until {}", self.when(until)),
                None => "a maintenance window is open".to_owned(),
            },
            Reason::Dependency => {
                let of = |name: &String| self.dependency(name);
                format!("dependency {}", hold.on.iter().map(of).collect::<Vec<_>>().join(", "))
            }
            Reason::Observe => "observe mode".to_owned(),
            Reason::Storm => self.storm(&hold.on),
            Reason::Engine => self.engine(&hold.on),
            Reason::Concurrency => format!("as many recoveries run as may: {}", hold.on.join(", ")),
            Reason::State => {
                let since = self.fleet.unwritten_since().map_or_else(String::new, |at| format!(" since {}", self.when(at)));
                format!("the state directory cannot be written{since}, and it has had its one attempt")
            }
        })
    }

    /// Whoever may be being stopped is left alone.
    fn end(&self) -> Option<String> {
        let (state, policy) = (self.server.state(), self.server.policy());
        let until = self.server.ends_by()?;
        let waits = match state.recovery {
            Recovery::Waiting { due, .. } | Recovery::Verifying { until: due, .. } => due == until,
            Recovery::Idle | Recovery::Acting { .. } => {
                state.phase == Phase::Suspect && state.failures >= policy.failure_threshold
            }
        };
        let sent = state.signal.as_ref().map_or_else(String::new, |signal| self.when(signal.at));
        let until = self.when(until);
        waits.then(|| format!("it was sent a signal at {sent} that may end it, as a stop does: how that ends, or {until}"))
    }

    /// `paused by anna until 13:00:00 UTC (a new disk)`.
    pub(super) fn pause(&self, pause: &Pause) -> String {
        let until = match pause.until {
            Some(until) => format!("until {}", self.when(until)),
            None => "until it is resumed".to_owned(),
        };
        let reason = pause.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
        format!("paused by {} {until}{reason}", pause.by)
    }

    /// `postgres is down since 12:01:07 UTC`.
    fn dependency(&self, name: &str) -> String {
        let mut known = self.fleet.servers().iter().filter(|server| !server.is_retired());
        let Some(other) = known.find(|server| server.policy().name == name) else { return name.to_owned() };
        let since = self.when(other.state().since);
        let status = other.state().status;
        match other.phase() {
            Phase::Failed => format!("{name} is down since {since} and given up: it needs a person"),
            Phase::Stopped => format!("{name} is stopped since {since}"),
            Phase::Suspect => format!("{name} is suspect: its last check failed"),
            Phase::Starting => format!("{name} is starting"),
            Phase::Healthy | Phase::Recovering | Phase::Down => format!("{name} is {status} since {since}"),
        }
    }

    fn engine(&self, on: &[String]) -> String {
        let engine = self.server.policy().engine.as_ref();
        let since = engine.and_then(|engine| self.fleet.engine_lost_since(engine.id));
        let since = since.map_or_else(String::new, |at| format!(" since {}", self.when(at)));
        if engine.is_some_and(|engine| engine.id == EngineId::PROCESSES) {
            return format!("the orchestrator cannot see this machine's processes{since}");
        }
        format!("the engine {} cannot be reached{since}", on.join(", "))
    }

    fn storm(&self, on: &[String]) -> String {
        let Some(Forecast { since, witnesses, failing, is_resumed, .. }) = self.fleet.storm().forecast() else {
            // Not how many: their number changes with each that goes on, and nobody is to be told again for that.
            return format!("a storm is over, and what it held goes on in turn, {} at a time", self.fleet.limits().recoveries);
        };
        if is_resumed {
            let (since, witnesses) = (self.when(since), self.names(witnesses.iter().copied()));
            return format!(
                "the monitor suspects itself, as it did before it was started again, since {since}: {witnesses} are asked"
            );
        }
        let failing = if failing.is_empty() { on.join(", ") } else { self.names(failing.iter().copied()) };
        format!(
            "the monitor suspects itself since {}: of the witnesses {} these do not answer either: {failing}",
            self.when(since),
            self.names(witnesses.iter().copied()),
        )
    }
}
