//! The gateway's answer for all servers together (contract, section 6), and the rule that makes one status of many.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::status::Observed;
use crate::{Phase, ServerView};

/// `GET /health/ecosystem`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ecosystem {
    /// All servers together; see [`aggregate`].
    pub status: Observed,
    /// When this was true.
    #[serde(with = "crate::time::millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub timestamp: Timestamp,
    /// How many are what.
    pub servers: Counts,
    /// Every server.
    pub details: Vec<ServerView>,
    /// Every orchestrator.
    pub sources: Vec<SourceView>,
}

/// How many servers are what; the parts sum to `total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Counts {
    /// All of them.
    pub total: usize,
    /// Status `ok`.
    pub healthy: usize,
    /// Status `degraded`.
    pub degraded: usize,
    /// Status `down`, unless stopped.
    pub down: usize,
    /// Phase `stopped`.
    pub stopped: usize,
    /// No verdict yet.
    pub unknown: usize,
}

/// One orchestrator, as the gateway sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SourceView {
    /// Its instance name; its address until it has said one.
    pub name: String,
    /// Its address; `null` in the same process.
    pub url: Option<String>,
    /// `connected`, `connecting` or `lost`.
    pub status: SourceStatus,
    /// The life of its log.
    pub epoch: Option<String>,
    /// The last event that has arrived.
    pub seq: Option<u64>,
    /// When it was last heard.
    #[serde(with = "crate::time::millis_option")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Timestamp>"))]
    pub as_of: Option<Timestamp>,
    /// Whether its servers show what was last known.
    pub stale: bool,
    /// Why it has rejected a changed configuration; the one before is in force.
    #[serde(default)]
    pub config_error: Option<String>,
}

/// The gateway's connection to an orchestrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SourceStatus {
    /// Not yet.
    Connecting,
    /// Live.
    Connected,
    /// Cannot be reached.
    Lost,
}

impl Counts {
    /// Counts servers by status and phase.
    pub fn of(servers: impl IntoIterator<Item = (Observed, Phase)>) -> Self {
        let mut counts = Self::default();
        for (status, phase) in servers {
            counts.total += 1;
            *match (status, phase) {
                (_, Phase::Stopped) => &mut counts.stopped,
                (Observed::Ok, _) => &mut counts.healthy,
                (Observed::Degraded, _) => &mut counts.degraded,
                (Observed::Down, _) => &mut counts.down,
                (Observed::Unknown, _) => &mut counts.unknown,
            } += 1;
        }
        counts
    }
}

/// One status of many (contract, section 6). Stopped servers do not count.
pub fn aggregate(counts: Counts) -> Observed {
    let known = counts.healthy + counts.degraded + counts.down;
    if known == 0 {
        return if counts.unknown == 0 { Observed::Ok } else { Observed::Unknown };
    }
    if counts.down == known && counts.unknown == 0 {
        return Observed::Down;
    }
    if counts.down > 0 || counts.degraded * 2 > known {
        return Observed::Degraded;
    }
    Observed::Ok
}
