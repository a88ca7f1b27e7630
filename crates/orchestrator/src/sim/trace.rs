//! The timeline of a simulation: one line an event, then a summary (contract, section 3.3).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use health_spec::Phase;
use health_spec::event::EventKind;
use health_spec::status::Observed;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::machine::server::Server;
use crate::machine::{Effect, Fleet, Happened, Mono, ServerId};

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When.
    pub at: Mono,
    /// Which server.
    pub server: String,
    /// What.
    pub kind: EventKind,
}

/// What became of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// At the end.
    pub status: Observed,
    /// At the end.
    pub phase: Phase,
    /// How many checks started.
    pub checks: u64,
    /// The attempt counter at the end.
    pub attempts: u32,
}

/// What a server was, from when on.
pub type States = Vec<(Mono, Phase, Observed)>;

/// Everything that happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// In order.
    pub lines: Vec<Line>,
    /// By server.
    pub summary: BTreeMap<String, Summary>,
    /// The servers, in the file's order, each with what it was from when on.
    pub states: Vec<(String, States)>,
    /// The end of the horizon.
    pub end: Mono,
}

/// The fields that a timeline shows.
const SHOWN: [&str; 11] =
    ["event_type", "status", "previous_status", "reason", "attempt", "attempts", "strategy", "error", "exit_code", "on", "would"];

/// Events that a timeline leaves out.
fn is_shown(kind: &EventKind) -> bool {
    !matches!(
        kind,
        EventKind::HealthCheckCompleted { .. }
            | EventKind::ServerRegistered
            | EventKind::MonitorStarted { .. }
            | EventKind::ActionRequested { .. }
    )
}

impl Line {
    fn new(happened: &Happened, server: String) -> Self {
        Self { at: happened.at, server, kind: happened.kind.clone() }
    }

    /// As one JSON object; `at` in seconds.
    pub fn json(&self) -> Value {
        let mut line = Map::new();
        line.insert("at".to_owned(), seconds(self.at));
        line.insert("server_name".to_owned(), self.server.clone().into());
        if let Ok(Value::Object(fields)) = serde_json::to_value(&self.kind) {
            line.extend(fields.into_iter().filter(|(name, _)| SHOWN.contains(&name.as_str())));
        }
        Value::Object(line)
    }

    /// For people.
    pub fn text(&self) -> String {
        let json = self.json();
        let fields = json.as_object().into_iter().flatten();
        let rest: Vec<_> = fields
            .filter(|(name, _)| !["at", "server_name", "event_type"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect();
        // Whole milliseconds are enough for people.
        let at = format!("{} s", Duration::from_millis(u64::try_from(self.at.0.as_millis()).unwrap_or(u64::MAX)).as_secs_f64());
        format!("{at:>10}  {:<20} {:<22} {}", self.server, self.kind.name(), rest.join(" ")).trim_end().to_owned()
    }
}

impl Trace {
    pub(super) fn new(end: Mono, names: impl Iterator<Item = String>) -> Self {
        Self { end, states: names.map(|name| (name, Vec::new())).collect(), ..Self::default() }
    }

    /// Takes what a step has said.
    pub(super) fn learn(&mut self, now: Mono, effects: &[Effect], fleet: &Fleet) {
        for effect in effects {
            let Effect::Publish(happened) = effect else { continue };
            let name = happened.server.map(|id| fleet.servers()[id.0].policy().name.clone());
            if is_shown(&happened.kind) {
                self.lines.push(Line::new(happened, name.unwrap_or_default()));
            }
        }
        for (server, (_, states)) in fleet.servers().iter().zip(&mut self.states) {
            let (phase, status) = (server.phase(), server.state().status);
            if states.last().is_none_or(|(_, last, seen)| (*last, *seen) != (phase, status)) {
                states.push((now, phase, status));
            }
        }
    }

    pub(super) fn sum_up(&mut self, servers: &[Server], checks: impl Fn(ServerId) -> u64) {
        for (index, server) in servers.iter().enumerate() {
            let state = server.state();
            let (status, phase, attempts) = (state.status, state.phase, state.attempts);
            let summary = Summary { status, phase, checks: checks(ServerId(index)), attempts };
            self.summary.insert(server.policy().name.clone(), summary);
        }
    }

    /// One JSON object a line, the summary last.
    pub fn json_lines(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", line.json());
        }
        let _ = writeln!(text, "{}", json!({ "summary": self.summary }));
        text
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let _ = writeln!(text, "{}", line.text());
        }
        text.push('\n');
        for (name, end) in &self.summary {
            let (phase, checks, attempts) = (end.phase, end.checks, end.attempts);
            let _ = writeln!(text, "{name:<20} {:<9} phase {phase:<11} {checks} checks, {attempts} attempts", end.status);
        }
        text
    }
}

fn seconds(at: Mono) -> Value {
    if at.0.subsec_nanos() == 0 { at.0.as_secs().into() } else { at.0.as_secs_f64().into() }
}
