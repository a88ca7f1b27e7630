//! How a monitor reads an answer: the verdict table of the contract (section 1.1) as one pure function, [`classify`].
//!
//! Asks nobody and counts nothing: what several verdicts mean together is for a monitor to decide.

mod classify;
mod evidence;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use classify::{DRAINING_FOR, STALE_AFTER, classify};
pub use evidence::{Phases, Probed};

use crate::dialect::{Dialect, Reading};
use crate::registry::ProbeKind;

/// An HTTP answer, as far as a verdict needs it.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// The status code.
    pub http_status: u16,
    /// The `Content-Type` header.
    pub content_type: Option<&'a str>,
    /// Whether a `WWW-Authenticate` header was there.
    pub challenged: bool,
    /// The `Date` header.
    pub date: Option<Timestamp>,
    /// `Retry-After`, as a duration from now.
    pub retry_after: Option<Duration>,
    /// At most [`MAX_BODY_BYTES`](crate::MAX_BODY_BYTES) and one of the body; a longer slice means that it was too large.
    pub body: &'a [u8],
}

/// What earlier answers of the same server have taught.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// The last dialect it was read well in; `None` when it has never been read well.
    pub spoke: Option<Dialect>,
    /// Since when it has been draining.
    pub draining_since: Option<Timestamp>,
    /// The last timestamp it sent, and when that arrived.
    pub last_timestamp: Option<(Timestamp, Timestamp)>,
    /// It has spoken MCP well at some time.
    pub was_well: bool,
    /// The same for every probe but the first of kind `http`, by its kind and its place among those of its kind: what one probe reads well
    /// says nothing about the address that another one asks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, History>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it means for the server.
    pub outcome: Outcome,
    /// Why, unless all is fine.
    pub reason: Option<Reason>,
    /// For people: what was found, in one sentence.
    pub message: Option<String>,
    /// What the body said, when it could be read.
    pub reading: Option<Reading>,
    /// The answer's clock is off (contract: a warning, not a failure).
    pub clock_skew: bool,
    /// How long the server asked to be left alone.
    pub retry_after: Option<Duration>,
    /// What became of the MCP session that the monitor keeps, when it keeps one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// What each probe found. Shown, never decided upon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probed: Vec<Probed>,
}

/// What became of a session that the monitor keeps with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Session {
    /// It is there.
    Kept,
    /// The server no longer knew it: it has restarted.
    Lost,
}

/// What a check means for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Serving.
    Ok,
    /// Serving but impaired, or alive in some way that is not ours to judge.
    Degraded,
    /// The check failed.
    Failed,
}

/// Why a check did not find the server `ok`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It says so itself.
    Reported,
    /// It is shutting down.
    Draining,
    /// Alive, wants credentials.
    NeedsAuth,
    /// Alive, overloaded.
    Overloaded,
    /// It never had such an endpoint.
    NotConformant,
    /// Its HTTP status says failure.
    HttpStatus,
    /// Nothing listens.
    ConnectRefused,
    /// The connection broke.
    ConnectionReset,
    /// The name does not resolve.
    Dns,
    /// No secure connection.
    Tls,
    /// No whole answer before the deadline.
    Timeout,
    /// More than 64 KiB.
    BodyTooLarge,
    /// Not JSON, or not HTTP.
    InvalidBody,
    /// JSON in no known form.
    Schema,
    /// An answer from the past.
    Stale,
    /// It answers, and what it answers is an MCP error.
    McpError,
    /// A tool's result is not the expected one.
    Unexpected,
    /// Its container or process does not run.
    NotRunning,
}

impl Reason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Draining => "draining",
            Self::NeedsAuth => "needs_auth",
            Self::Overloaded => "overloaded",
            Self::NotConformant => "not_conformant",
            Self::HttpStatus => "http_status",
            Self::ConnectRefused => "connect_refused",
            Self::ConnectionReset => "connection_reset",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::InvalidBody => "invalid_body",
            Self::Schema => "schema",
            Self::Stale => "stale",
            Self::McpError => "mcp_error",
            Self::Unexpected => "unexpected",
            Self::NotRunning => "not_running",
        }
    }
}

impl Verdict {
    /// A check that failed before there was an answer.
    pub fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Outcome::Failed, Some(reason), Some(message.into()))
    }

    /// A verdict without a body.
    pub fn new(outcome: Outcome, reason: Option<Reason>, message: Option<String>) -> Self {
        Self { outcome, reason, message, reading: None, clock_skew: false, retry_after: None, session: None, probed: Vec::new() }
    }
}

/// Of a probe that has never answered.
static UNKNOWN: History =
    History { spoke: None, draining_since: None, last_timestamp: None, was_well: false, others: BTreeMap::new() };

impl History {
    /// What is known from the `nth` probe of this kind, counted from 0.
    pub fn of(&self, kind: ProbeKind, nth: usize) -> &Self {
        key(kind, nth).map_or(self, |key| self.others.get(&key).unwrap_or(&UNKNOWN))
    }

    /// Remembers what `verdict`, reached at `now`, says about the server.
    pub fn learn(&mut self, verdict: &Verdict, now: Timestamp) {
        self.learn_who_is_well(verdict);
        if let (Some(reading), [] | [_]) = (&verdict.reading, &*verdict.probed) {
            let own = verdict.probed.first().map_or(ProbeKind::Http, |only| only.kind);
            return self.of_mut(own, 0).learn_from(Some(verdict.outcome), reading, now);
        }
        for (place, probed) in verdict.probed.iter().enumerate() {
            let nth = verdict.probed[..place].iter().filter(|earlier| earlier.kind == probed.kind).count();
            if let Some(reading) = &probed.reading {
                self.of_mut(probed.kind, nth).learn_from(probed.outcome, reading, now);
            }
        }
    }

    /// Most MCP answers have nothing that could be read as health: that they were good is all that they teach.
    fn learn_who_is_well(&mut self, verdict: &Verdict) {
        let spoken = verdict.probed.iter().filter(|probed| probed.kind == ProbeKind::Mcp);
        for (nth, _) in spoken.enumerate().filter(|(_, probed)| probed.outcome == Some(Outcome::Ok)) {
            self.of_mut(ProbeKind::Mcp, nth).was_well = true;
        }
    }

    fn of_mut(&mut self, kind: ProbeKind, nth: usize) -> &mut Self {
        match key(kind, nth) {
            Some(key) => self.others.entry(key).or_default(),
            None => self,
        }
    }

    fn learn_from(&mut self, outcome: Option<Outcome>, reading: &Reading, now: Timestamp) {
        if outcome != Some(Outcome::Failed) {
            self.spoke = Some(reading.dialect);
        }
        self.draining_since = reading.draining.then(|| self.draining_since.unwrap_or(now));
        if let Some(timestamp) = reading.timestamp {
            self.last_timestamp = Some((timestamp, now));
        }
    }
}

/// `None`: the first probe of kind `http`, which most servers have alone.
fn key(kind: ProbeKind, nth: usize) -> Option<String> {
    match (kind, nth) {
        (ProbeKind::Http, 0) => None,
        (kind, 0) => Some(kind.as_str().to_owned()),
        (kind, nth) => Some(format!("{} {}", kind.as_str(), nth + 1)),
    }
}

#[cfg(test)]
mod tests;
