//! What everyone sees of a server (contract, section 5), the same everywhere.
//!
//! Timestamps are RFC 3339 in UTC with milliseconds; what nobody knows is `null`. All of it is there since the first
//! version, unless a field says otherwise.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::status::Observed;
use crate::verdict::Probed;
use crate::{Dialect, Phase, Status};

mod words;

/// One server, as of `as_of`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServerView {
    /// Unique within its source.
    pub name: String,
    /// The orchestrator that watches it.
    pub source: String,
    /// As the registry groups it.
    pub group: Option<String>,
    /// What the world sees.
    pub status: Observed,
    /// What the monitor is doing.
    pub phase: Phase,
    /// Why the status is what it is; the word of the last `status_changed`.
    pub reason: Option<String>,
    /// Since when it has this status.
    #[serde(with = "crate::time::millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub since: Timestamp,
    /// An operator holds its recovery.
    pub paused: Option<Paused>,
    /// Recovery may not run.
    pub held: Option<Held>,
    /// Attempts or budget are used up: a person is needed.
    pub requires_manual: bool,
    /// The last verdict.
    pub last_check: Option<LastCheck>,
    /// Answers in a row.
    pub streak: Streak,
    /// The recovery that is planned or running.
    pub recovery: Option<Recovery>,
    /// Restarts so far.
    pub restarts: Restarts,
    /// The open incident.
    pub incident_id: Option<String>,
    /// For how much of the time it served.
    #[serde(default)]
    pub uptime: Uptime,
    /// A maintenance window is open, until then: its recovery is held, and it does not count for the ecosystem.
    #[serde(default, with = "crate::time::millis_option")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Timestamp>"))]
    pub maintenance_until: Option<Timestamp>,
    /// What the monitor believes, why, and what it will do next.
    #[serde(default)]
    pub why: Why,
    /// Its source cannot be reached; this is what was last known.
    pub stale: bool,
    /// When this was true.
    #[serde(with = "crate::time::millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub as_of: Timestamp,
}

/// An operator's pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Paused {
    /// Until when; `null` until it is resumed.
    #[serde(with = "crate::time::millis_option")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Timestamp>"))]
    pub until: Option<Timestamp>,
    /// Who paused it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// Why recovery may not run (contract, rule 9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Held {
    /// The rule's word.
    pub reason: String,
    /// Names of what it waits for.
    pub on: Vec<String>,
}

/// The last check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LastCheck {
    /// When it started.
    #[serde(with = "crate::time::millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub at: Timestamp,
    /// What it found; `down` for a failure.
    pub verdict: Status,
    /// A word of the verdict table.
    pub reason: Option<String>,
    /// For people.
    pub message: Option<String>,
    /// How long it took.
    pub response_time_ms: u64,
    /// The form of the answer.
    pub dialect: Option<Dialect>,
    /// Component statuses.
    pub checks: BTreeMap<String, Status>,
    /// The server's version.
    pub version: Option<String>,
    /// Seconds since the server process started.
    pub uptime_seconds: Option<u64>,
    /// What each probe found, and how long each of its phases took.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Probed>,
}

/// Answers in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Streak {
    /// Failures in a row.
    pub failures: u32,
    /// Good answers in a row, while they are being counted.
    pub successes: u32,
}

/// The recovery that is planned or running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Recovery {
    /// Which attempt; 0 for an operator's restart.
    pub attempt: u32,
    /// How many there are.
    pub of: u32,
    /// When it starts, while its delay runs.
    #[serde(with = "crate::time::millis_option")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Timestamp>"))]
    pub next_at: Option<Timestamp>,
    /// Whether its action runs or is being verified.
    pub running: bool,
}

/// Restarts so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Restarts {
    /// By this monitor.
    pub ours: u64,
    /// By the engine or by somebody else.
    pub engine: u64,
}

/// What the monitor believes of a server, on what evidence, what it will do next, and what it is waiting for. In words, for people;
/// `GET /servers/{name}/why` answers with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Why {
    /// Such as `down: 3_consecutive_failures`.
    pub believes: String,
    /// What that rests on.
    pub evidence: Vec<String>,
    /// What it will do, the soonest first; what waits for something to end comes last.
    pub next: Vec<Planned>,
    /// What its recovery is waiting for, while that is held.
    pub waiting_for: Option<String>,
}

/// Something that the monitor will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Planned {
    /// What.
    pub what: String,
    /// When; `null`: once something has ended.
    #[serde(with = "crate::time::millis_option")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Timestamp>"))]
    pub at: Option<Timestamp>,
}

/// The share of a time, counted back from now, in which the server was `ok` or `degraded`: 0 to 1; `null` where nothing
/// was measured. Time in which it was stopped on purpose does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Uptime {
    /// Of the last 24 hours.
    #[serde(rename = "24h")]
    pub day: Option<f64>,
    /// Of the last 7 days.
    #[serde(rename = "7d")]
    pub week: Option<f64>,
    /// Of the last 30 days.
    #[serde(rename = "30d")]
    pub month: Option<f64>,
}

/// Every server of one source: what `/events?since=seq` continues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Snapshot {
    /// The orchestrator's instance name.
    pub source: String,
    /// Names one life of the source's log.
    pub epoch: String,
    /// The last event that this includes.
    pub seq: u64,
    /// When this was true.
    #[serde(with = "crate::time::millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub timestamp: Timestamp,
    /// Why a changed configuration was rejected; the one before is in force.
    #[serde(default)]
    pub config_error: Option<String>,
    /// In registry order.
    pub servers: Vec<ServerView>,
}

/// A page of the event log, `GET /events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventPage {
    /// The orchestrator's instance name.
    pub source: String,
    /// Names one life of the source's log.
    pub epoch: String,
    /// Ascending.
    pub events: Vec<crate::Event>,
    /// What to ask for next, as `since`.
    pub next: u64,
    /// The oldest `seq` that is still kept.
    pub oldest: u64,
    /// So many newer events are not on disk: they wait in memory until it takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
}
