//! Sections about the whole fleet: maintenance, what is kept for how long, where to listen.

use serde::{Deserialize, Serialize};

#[cfg(feature = "schema")]
use super::defaults;
use super::{HealthCheck, Recovery, Seconds};
use crate::Dialect;
use crate::registry::{Probe, Runtime};

/// A time in which recovery is held on purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// When it starts: minute, hour, day of the month, month, day of the week, such as `0 3 * * 0`; `@daily` and the like.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub cron: String,
    /// How long it lasts.
    pub duration: Seconds,
    /// In which time zone `cron` is meant, such as `Europe/Berlin`. Default `UTC`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::TIME_ZONE)))]
    pub time_zone: Option<String>,
    /// Whom it concerns. Default: every server.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub servers: Option<Vec<String>>,
}

/// What is kept for how long.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// The event log that `GET /events` reads.
    pub events: RetainedEvents,
    /// Rolled-up uptime, for `GET /slo` and the views.
    pub uptime: RetainedUptime,
}

/// An event goes when it is older than `days` and `count` newer ones are there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RetainedEvents {
    /// This many of the newest are kept, however old. Default 100000.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::RETAINED_EVENTS), range(min = 1_000, max = 100_000_000)))]
    pub count: Option<u32>,
    /// Those of the last so many days are kept, however many. Default 7.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::RETAINED_EVENT_DAYS), range(min = 1, max = 3_650)))]
    pub days: Option<u32>,
}

/// Uptime is kept as sums, so it may be kept for longer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RetainedUptime {
    /// How many days; at least 31, the longest window of `GET /slo` and the day that is running. Default 400.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::RETAINED_UPTIME_DAYS), range(min = 31, max = 3_650)))]
    pub days: Option<u32>,
}

/// Where the daemons listen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// The orchestrator's API. Default `127.0.0.1:8090`.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::LISTEN)))]
    pub orchestrator: Option<String>,
    /// The gateway runs in the orchestrator's process and listens here, as with `--gateway=ADDR`. Default: it does not run.
    pub gateway: Option<String>,
}

/// What one server of the registry is to have beside what its entry says: for registries that others write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Overlay {
    /// Shown, and used to filter.
    pub group: Option<String>,
    /// Names the workflow in every event about this server.
    pub trace_id: Option<String>,
    /// Where the server speaks MCP.
    pub endpoint: Option<String>,
    /// Where it answers `GET /health`.
    pub health_url: Option<String>,
    /// The port it listens on, when `health_url` is not given.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: Option<u16>,
    /// The form of health answer that it promises.
    pub health_spec_version: Option<Dialect>,
    /// How it is checked; replaces the entry's.
    pub probes: Option<Vec<Probe>>,
    /// How it can be restarted; replaces the entry's.
    pub runtime: Option<Runtime>,
    /// Names of servers that must be healthy before this one is recovered; replaces the entry's.
    pub depends_on: Option<Vec<String>>,
    /// Goes over the entry's, key by key.
    pub health_check: HealthCheck,
    /// Goes over the entry's, key by key.
    pub recovery: Recovery,
}
