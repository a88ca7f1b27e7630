//! The forms of health answer that real servers speak (contract, section 1.1), and how each is read.
//!
//! Reading needs no more memory than a small multiple of [`MAX_BODY_BYTES`], and no deeper a stack than
//! `serde_json`'s own limit. What an answer means for a server is decided by [`verdict`](crate::verdict).

mod loose;
mod loss;

use serde::{Deserialize, Serialize};

pub use loss::{Loss, LossKind, MAX_LOSSES};

use crate::response::{Component, ParseError};
use crate::{HealthResponse, MAX_BODY_BYTES, Status};

/// A form of health answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// health-check v1.0.
    #[serde(rename = "1.0")]
    V1,
    /// The proposal's draft: `status`, `uptime`, `last_check`, `error`.
    Draft,
    /// `healthy`, `degraded`, `unhealthy` as the status words.
    Words,
    /// IETF `application/health+json`: `pass`, `warn`, `fail` and their aliases.
    Ietf,
    /// A 2xx that is not JSON.
    Plain,
}

/// What a monitor takes from an answer, whatever its dialect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The form that was recognised.
    pub dialect: Dialect,
    /// The server's own word on itself.
    pub status: Status,
    /// When the answer was made, if it says so.
    pub timestamp: Option<jiff::Timestamp>,
    /// Seconds since the process started, if it says so.
    pub uptime_seconds: Option<u64>,
    /// When the component checks last ran, if it says so.
    pub last_check: Option<jiff::Timestamp>,
    /// The server's version.
    pub version: Option<String>,
    /// Why the status is not `ok`.
    pub error: Option<String>,
    /// Component statuses.
    pub checks: Vec<(String, Status)>,
    /// `metadata.draining`.
    pub draining: bool,
    /// What a v1.0 answer would have said and this one does not, and what it said in vain. At most [`MAX_LOSSES`].
    pub lost: Vec<Loss>,
}

/// Why a body could not be read in any dialect, or not in the one that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// More than a monitor reads; not looked at.
    #[error("the body is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    /// Not JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// JSON, but no health answer.
    #[error("the body is JSON, but no health answer: {0}")]
    NotHealth(String),
    /// A health answer of another dialect than the pinned one.
    #[error("the body is in the dialect {}, and {} is wanted", .found.as_str(), .wanted.as_str())]
    OtherDialect {
        /// The pinned one.
        wanted: Dialect,
        /// The one it is in.
        found: Dialect,
    },
}

impl Dialect {
    /// The word on the wire, and for `health_spec_version`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "1.0",
            Self::Draft => "draft",
            Self::Words => "words",
            Self::Ietf => "ietf",
            Self::Plain => "plain",
        }
    }
}

impl Reading {
    /// A plain answer says nothing but that it came.
    pub fn plain() -> Self {
        Self::new(Dialect::Plain, Status::Ok)
    }

    fn new(dialect: Dialect, status: Status) -> Self {
        Self {
            dialect,
            status,
            timestamp: None,
            uptime_seconds: None,
            last_check: None,
            version: None,
            error: None,
            checks: Vec::new(),
            draining: false,
            lost: Vec::new(),
        }
    }
}

/// Reads a JSON body in whichever dialect it is written. [`Dialect::Plain`] is never found here: it is not JSON.
pub fn read(body: &[u8]) -> Result<Reading, ReadError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(ReadError::TooLarge);
    }
    let body = std::str::from_utf8(body).map_err(|error| ReadError::NotJson(error.to_string()))?;
    match HealthResponse::from_text(body) {
        Ok(response) => Ok(from_v1(response)),
        Err(not_v1) => loose::read(body, &not_v1),
    }
}

/// Reads a body in one dialect only: the one that the registry pins (`health_spec_version`).
pub fn read_as(wanted: Dialect, body: &[u8]) -> Result<Reading, ReadError> {
    if wanted == Dialect::Plain {
        return Ok(Reading::plain());
    }
    let reading = read(body)?;
    if reading.dialect == wanted { Ok(reading) } else { Err(ReadError::OtherDialect { wanted, found: reading.dialect }) }
}

fn from_v1(response: HealthResponse) -> Reading {
    let draining = response.is_draining();
    let mut reading = Reading {
        timestamp: Some(response.timestamp),
        uptime_seconds: Some(response.uptime_seconds),
        last_check: response.last_check,
        version: response.version,
        error: response.error,
        draining,
        ..Reading::new(Dialect::V1, response.status)
    };
    for (name, component) in response.checks.into_iter().flatten() {
        match component {
            Component::Status(status) => reading.checks.push((name, status)),
            Component::Other(_) => loss::note(&mut reading.lost, &["checks", &name], LossKind::Unreadable),
        }
    }
    reading
}

/// Why it is no v1.0 answer, in one sentence.
fn sentence(not_v1: &ParseError) -> String {
    match not_v1 {
        ParseError::Json(error) => error.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
