//! Service levels, `GET /slo` (contract, section 5): the proposal's five success metrics over a window that ends now.

use serde::{Deserialize, Serialize};

/// What was promised, and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Slo {
    /// How far back it looks.
    pub window: Window,
    /// The five, always in this order: uptime, recovered within 120 s, detection, manual restarts, adoption.
    pub metrics: Vec<Metric>,
    /// By server.
    pub servers: Vec<ServerLevel>,
}

/// How far back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Window {
    /// 24 hours.
    #[serde(rename = "24h")]
    Day,
    /// 7 days.
    #[default]
    #[serde(rename = "7d")]
    Week,
    /// 30 days.
    #[serde(rename = "30d")]
    Month,
}

/// One metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Metric {
    /// Which.
    pub id: MetricId,
    /// What it is measured in.
    pub unit: Unit,
    /// What was promised.
    pub target: f64,
    /// What was measured; `null`: nothing there was to measure.
    pub measured: Option<f64>,
    /// Whether that is as good as promised; `null` as above.
    pub met: Option<bool>,
    /// How many servers, incidents or restarts that rests on.
    pub samples: u64,
}

/// The proposal's success metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum MetricId {
    /// The mean share of time in which servers served: at least 99.5 %.
    #[serde(rename = "uptime")]
    Uptime,
    /// The share of incidents after which the server was well within 120 s, by an action of ours or by itself: at least 90 %.
    /// Incidents that ended otherwise do not count; one that is open counts once it is older than that.
    #[serde(rename = "recovered_120s")]
    Recovered,
    /// From the first failed check, or the engine's word, to `server_down`; 95 of 100 incidents were faster: at most 30 s.
    #[serde(rename = "detection")]
    Detection,
    /// Restarts that operators asked for, a week: none.
    #[serde(rename = "manual_restarts")]
    ManualRestarts,
    /// The share of servers that answer with a health response: all.
    #[serde(rename = "adoption")]
    Adoption,
}

/// What a metric is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Percent.
    Percent,
    /// Seconds.
    Seconds,
    /// So many a week.
    PerWeek,
}

/// One server's part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServerLevel {
    /// Its name.
    pub name: String,
    /// The share of the window in which it served, in percent.
    pub uptime: Option<f64>,
    /// Incidents that opened in the window.
    pub incidents: u64,
    /// Restarts that operators asked for.
    pub manual_restarts: u64,
    /// Whether it answers with a health response; `null`: it has not been checked yet, or is not asked over HTTP.
    pub adopted: Option<bool>,
}

impl Window {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// How many hours that is.
    pub fn hours(self) -> u32 {
        match self {
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
        }
    }
}

impl MetricId {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uptime => "uptime",
            Self::Recovered => "recovered_120s",
            Self::Detection => "detection",
            Self::ManualRestarts => "manual_restarts",
            Self::Adoption => "adoption",
        }
    }
}
