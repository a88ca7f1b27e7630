//! Events (contract, section 4): one JSON object a line in the log, the same object on every stream.
//!
//! Durations are whole milliseconds, timestamps RFC 3339 in UTC with milliseconds. All of it is there since the first
//! version; later versions add event types and fields, which a reader of this one ignores.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::status::Observed;
use crate::{Phase, Status};

/// The value of `repo`: the role in the ecosystem.
pub const REPO: &str = "mcp-orchestration";

/// One event. Readers ignore event types and fields that they do not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
    /// Names a workflow: the server's `trace_id` in the registry, else `CHORA_TRACE_ID`, else one made at start.
    pub trace_id: String,
    /// When it happened.
    #[serde(with = "crate::time::millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub timestamp: Timestamp,
    /// Always [`REPO`].
    pub repo: String,
    /// The orchestrator's instance name.
    pub source: String,
    /// Names one life of the source's log.
    pub epoch: String,
    /// One more per event of one source and epoch; never reused, survives restarts.
    pub seq: u64,
    /// The server concerned, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// What the monitor is doing about the server, after this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The incident that this belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident_id: Option<String>,
    /// The trace of the sampled span that was active: 32 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otel_trace_id: Option<String>,
    /// That span: 16 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otel_span_id: Option<String>,
}

/// What happened, with the fields that go with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "event_type", rename_all = "snake_case")]
pub enum EventKind {
    /// A check ended.
    HealthCheckCompleted {
        /// What the check found: `ok`, `degraded`, or `down` for a failure.
        status: Status,
        /// How long the answer took.
        response_time_ms: u64,
        /// Component statuses, when the answer had some.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        checks: BTreeMap<String, Status>,
        /// Why it is not `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
    /// The published status changed.
    StatusChanged {
        /// Before.
        previous_status: Observed,
        /// Now.
        status: Observed,
        /// `server_down`'s reason, `stopped`, or `check`.
        reason: String,
    },
    /// It is down.
    ServerDown {
        /// `3_consecutive_failures`, `container_died`, ...
        reason: String,
        /// When the first failed check started.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::time::millis_option")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<Timestamp>"))]
        first_failure_at: Option<Timestamp>,
        /// From the start of the first failed check, or from the engine's word.
        detection_ms: u64,
    },
    /// An action starts.
    RecoveryStarted {
        /// Which attempt; 0 for an operator's restart, which is not counted.
        attempt: u32,
        /// What is done.
        strategy: String,
        /// Why.
        reason: String,
        /// How long it was waited for.
        delay_ms: u64,
    },
    /// It came back after an action of ours.
    RecoverySuccessful {
        /// Attempts so far.
        attempts: u32,
        /// Always true.
        recovery_successful: bool,
        /// From `server_down`.
        recovery_ms: u64,
    },
    /// The action erred, or the server did not come back in time.
    RecoveryFailed {
        /// Which attempt.
        attempt: u32,
        /// `action`, `verify_timeout` or `container_died`, with the cause behind a colon.
        error: String,
        /// Always false.
        recovery_successful: bool,
    },
    /// An attempt ends without a verdict: an operator's restart takes the place of what was being verified, or somebody has started the
    /// server before anything was done to it.
    RecoverySuperseded {
        /// Which attempt; 0 for an operator's restart.
        attempt: u32,
        /// `superseded`, or `started`.
        reason: String,
    },
    /// No attempt is left.
    RecoveryExhausted {
        /// Attempts so far.
        attempts: u32,
        /// `attempts` or `budget`.
        reason: String,
        /// Always true.
        requires_manual: bool,
    },
    /// Recovery may not run.
    RecoveryHeld {
        /// Contract, rule 9.
        reason: String,
        /// Names of what it waits for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        on: Vec<String>,
        /// What would be done (observe mode).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        would: Option<Would>,
    },
    /// The reason of a hold is gone.
    RecoveryReleased {
        /// The reason that is gone.
        reason: String,
    },
    /// It came back without an action of ours.
    ServerRecovered {
        /// For how long it was down.
        recovery_ms: u64,
    },
    /// Somebody stopped it on purpose.
    ServerStopped {
        /// `operator`, `paused` (frozen with its engine) or `exit_zero`.
        reason: String,
    },
    /// It runs again after a stop.
    ServerStarted {
        /// `outside`: somebody started it, as by `docker start`. `engine`: the engine restarted it on its own. `check`: it was found to be well.
        reason: String,
    },
    /// It restarted without an action of ours.
    ServerRestarted {
        /// `uptime`: it went backwards. `session`: the MCP session was gone. `engine`: the engine restarted it on its own.
        reason: String,
    },
    /// A container or process ended.
    ContainerDied {
        /// Its exit code, when there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit_code: Option<i64>,
        /// The signal that ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// Whether the kernel killed it for memory.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        oom_killed: bool,
        /// Whether it left a core dump.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        core_dumped: bool,
        /// Why it could not even start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Somebody asked for an action.
    ActionRequested {
        /// `restart`, `check`, ...
        action: String,
        /// Who asked.
        actor: String,
    },
    /// It is watched from now on.
    ServerRegistered,
    /// Something about how it is watched has changed.
    ServerUpdated {
        /// `registry`: its entry. `next_start`: what it is started with has changed in the configuration, and is in force from its next
        /// start on. `maintenance_began`, `maintenance_ended`: a window of its.
        reason: String,
    },
    /// It is no longer watched.
    ServerDeregistered,
    /// An operator holds its recovery.
    ServerPaused {
        /// Until when.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::time::millis_option")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<Timestamp>"))]
        until: Option<Timestamp>,
    },
    /// Its recovery is no longer held by an operator.
    ServerResumed,
    /// The orchestrator runs.
    MonitorStarted {
        /// Its version.
        version: String,
    },
    /// A changed configuration is in force.
    ConfigReloaded {
        /// Sections that have changed, and take effect when the orchestrator is started again.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        needs_restart: Vec<String>,
    },
    /// A changed configuration is wrong; the one before stays in force.
    ConfigRejected {
        /// What is wrong.
        error: String,
    },
    /// The orchestrator ended as asked.
    MonitorStopped,
    /// The monitor itself could not look; never held against a server.
    MonitorImpaired {
        /// What failed.
        reason: String,
        /// The cause.
        error: String,
    },
    /// The server's clock is off.
    ClockSkew,
    /// An event type of a later version.
    #[serde(other)]
    Unknown,
}

/// Why a check did not find the server `ok`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failure {
    /// A word of the verdict table.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// What observe mode would have done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Would {
    /// The action.
    pub strategy: String,
    /// Which attempt.
    pub attempt: u32,
}

/// Every `event_type`, in the order of the contract's table.
pub const EVENT_TYPES: [&str; 27] = [
    "health_check_completed",
    "status_changed",
    "server_down",
    "recovery_started",
    "recovery_successful",
    "recovery_failed",
    "recovery_superseded",
    "recovery_exhausted",
    "recovery_held",
    "recovery_released",
    "server_recovered",
    "server_stopped",
    "server_started",
    "server_restarted",
    "container_died",
    "action_requested",
    "server_registered",
    "server_updated",
    "server_deregistered",
    "server_paused",
    "server_resumed",
    "config_reloaded",
    "config_rejected",
    "monitor_started",
    "monitor_stopped",
    "monitor_impaired",
    "clock_skew",
];

impl EventKind {
    /// The value of `event_type`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::HealthCheckCompleted { .. } => "health_check_completed",
            Self::StatusChanged { .. } => "status_changed",
            Self::ServerDown { .. } => "server_down",
            Self::RecoveryStarted { .. } => "recovery_started",
            Self::RecoverySuccessful { .. } => "recovery_successful",
            Self::RecoveryFailed { .. } => "recovery_failed",
            Self::RecoverySuperseded { .. } => "recovery_superseded",
            Self::RecoveryExhausted { .. } => "recovery_exhausted",
            Self::RecoveryHeld { .. } => "recovery_held",
            Self::RecoveryReleased { .. } => "recovery_released",
            Self::ServerRecovered { .. } => "server_recovered",
            Self::ServerStopped { .. } => "server_stopped",
            Self::ServerStarted { .. } => "server_started",
            Self::ServerRestarted { .. } => "server_restarted",
            Self::ContainerDied { .. } => "container_died",
            Self::ActionRequested { .. } => "action_requested",
            Self::ServerRegistered => "server_registered",
            Self::ServerUpdated { .. } => "server_updated",
            Self::ServerDeregistered => "server_deregistered",
            Self::ServerPaused { .. } => "server_paused",
            Self::ServerResumed => "server_resumed",
            Self::MonitorStarted { .. } => "monitor_started",
            Self::ConfigReloaded { .. } => "config_reloaded",
            Self::ConfigRejected { .. } => "config_rejected",
            Self::MonitorStopped => "monitor_stopped",
            Self::MonitorImpaired { .. } => "monitor_impaired",
            Self::ClockSkew => "clock_skew",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_object_and_reads_back() {
        let event = Event {
            kind: EventKind::RecoverySuccessful { attempts: 1, recovery_successful: true, recovery_ms: 4000 },
            trace_id: "t".into(),
            timestamp: "2026-01-02T03:04:05Z".parse().expect("a timestamp"),
            repo: REPO.into(),
            source: "local".into(),
            epoch: "e".into(),
            seq: 7,
            server_name: Some("a".into()),
            phase: Some(Phase::Healthy),
            incident_id: None,
            otel_trace_id: None,
            otel_span_id: None,
        };
        let json = serde_json::to_value(&event).expect("serialises");
        assert_eq!(json["event_type"], "recovery_successful");
        assert_eq!(json["timestamp"], "2026-01-02T03:04:05.000Z");
        assert_eq!(json["attempts"], 1);
        assert_eq!(serde_json::from_value::<Event>(json).expect("reads back"), event);
    }

    /// The schema lists what serde reads and writes.
    #[cfg(feature = "schema")]
    #[test]
    fn the_list_of_event_types_is_the_one_of_the_type() {
        let schema = schemars::schema_for!(EventKind).to_value();
        let variants = schema["oneOf"].as_array().expect("variants");
        let names = variants.iter().filter_map(|variant| variant["properties"]["event_type"]["const"].as_str());
        let mut found: Vec<_> = names.filter(|name| *name != "unknown").collect();
        let mut listed = EVENT_TYPES.to_vec();
        found.sort_unstable();
        listed.sort_unstable();
        assert_eq!(found, listed);
    }

    #[test]
    fn an_event_type_of_a_later_version_is_unknown_not_an_error() {
        let line = r#"{"event_type":"server_teleported","to":"mars","trace_id":"t","timestamp":"2026-01-02T03:04:05Z","repo":"r","source":"s","epoch":"e","seq":1}"#;
        let event: Event = serde_json::from_str(line).expect("reads");
        assert_eq!(event.kind, EventKind::Unknown);
    }
}
