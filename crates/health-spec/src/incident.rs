//! Incidents (contract, section 5): from `server_down` until the server is well again, stopped on purpose or no longer registered.
//!
//! Durations are whole milliseconds, timestamps RFC 3339 in UTC with milliseconds; what nobody knows is `null` or left out. An
//! incident is a fold of the events that carry its id; [`Evidence`] is what a restart would have destroyed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod evidence;

pub use evidence::{
    Answer, Capture, Change, Death, EngineLoad, Evidence, HostLoad, Image, LogLine, Logs, Moment, Noticed, Pressure, RuntimeState,
};

/// The most that the evidence of one incident takes, as JSON.
pub const MAX_EVIDENCE_BYTES: usize = 64 * 1024;

/// One incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Incident {
    /// Names it; the `incident_id` of its events.
    pub id: String,
    /// The server.
    pub server_name: String,
    /// When `server_down` was said.
    #[serde(with = "crate::time::millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub opened_at: Timestamp,
    /// When it ended.
    #[serde(with = "crate::time::millis_option")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Timestamp>"))]
    pub closed_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Outcome,
    /// Attempts or budget were used up: a person was needed.
    pub exhausted: bool,
    /// As `server_down` said: `3_consecutive_failures`, `container_died`, ...
    pub reason: String,
    /// Who noticed first.
    pub detected_by: DetectedBy,
    /// From the start of the first failed check, or from the engine's word, until `server_down`.
    pub detection_ms: u64,
    /// From `server_down` until it was well again.
    pub recovery_ms: Option<u64>,
    /// What was tried, in order.
    pub attempts: Vec<Attempt>,
    /// What a restart would have destroyed. Left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// How an incident ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It has not.
    #[default]
    Open,
    /// An action of ours brought the server back.
    Successful,
    /// It came back by itself.
    Recovered,
    /// Somebody stopped it on purpose.
    Stopped,
    /// It is no longer registered.
    Deregistered,
}

/// Who noticed first that a server was down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DetectedBy {
    /// Checks.
    #[default]
    Probe,
    /// What runs it: a container engine, the service manager.
    Engine,
    /// The supervisor of our own child processes.
    Process,
}

/// One attempt to bring the server back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attempt {
    /// Which; 0 for an operator's restart.
    pub attempt: u32,
    /// What was done.
    pub strategy: String,
    /// When.
    #[serde(with = "crate::time::millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub started_at: Timestamp,
    /// When it was known how it went.
    #[serde(with = "crate::time::millis_option")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Timestamp>"))]
    pub ended_at: Option<Timestamp>,
    /// How it went.
    pub result: AttemptResult,
    /// Why it failed; secrets are masked.
    pub error: Option<String>,
}

/// How an attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttemptResult {
    /// It runs, or is being verified.
    Running,
    /// The server came back.
    Successful,
    /// The action erred, or the server did not come back in time.
    Failed,
    /// Something came before that was known: another restart, a stop, or the server is no longer registered.
    Interrupted,
}

/// A page of incidents, `GET /incidents`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IncidentPage {
    /// Newest first, without their evidence.
    pub incidents: Vec<Incident>,
    /// What to ask for next, as `before`; `null`: there are no older ones.
    pub next: Option<String>,
}

impl Outcome {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Successful => "successful",
            Self::Recovered => "recovered",
            Self::Stopped => "stopped",
            Self::Deregistered => "deregistered",
        }
    }
}

impl DetectedBy {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Engine => "engine",
            Self::Process => "process",
        }
    }
}

impl AttemptResult {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Successful => "successful",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_wire() {
        let word = |value: serde_json::Value| value.as_str().map(str::to_owned).unwrap_or_default();
        for outcome in [Outcome::Open, Outcome::Successful, Outcome::Recovered, Outcome::Stopped, Outcome::Deregistered] {
            assert_eq!(word(serde_json::json!(outcome)), outcome.as_str());
        }
        for by in [DetectedBy::Probe, DetectedBy::Engine, DetectedBy::Process] {
            assert_eq!(word(serde_json::json!(by)), by.as_str());
        }
        for result in [AttemptResult::Running, AttemptResult::Successful, AttemptResult::Failed, AttemptResult::Interrupted] {
            assert_eq!(word(serde_json::json!(result)), result.as_str());
        }
    }
}
