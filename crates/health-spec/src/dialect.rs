//! The forms of health answer that real servers speak (contract, section 1.1), and how each is read.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::response::Component;
use crate::{HealthResponse, Status};

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
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The form that was recognised.
    pub dialect: Dialect,
    /// The server's own word on itself.
    pub status: Status,
    /// When the answer was made, if it says so.
    pub timestamp: Option<jiff::Timestamp>,
    /// Seconds since the process started, if it says so.
    pub uptime_seconds: Option<u64>,
    /// The server's version.
    pub version: Option<String>,
    /// Why the status is not `ok`.
    pub error: Option<String>,
    /// Component statuses.
    pub checks: Vec<(String, Status)>,
    /// `metadata.draining`.
    pub draining: bool,
}

impl Reading {
    /// A plain answer says nothing but that it came.
    pub fn plain() -> Self {
        Self {
            dialect: Dialect::Plain,
            status: Status::Ok,
            timestamp: None,
            uptime_seconds: None,
            version: None,
            error: None,
            checks: Vec::new(),
            draining: false,
        }
    }
}

/// Reads a JSON body in whichever dialect it is written; `None` when it is in none of them.
pub fn read(body: &[u8]) -> Option<Reading> {
    if let Ok(response) = HealthResponse::parse(body) {
        return Some(from_v1(response));
    }
    let value: Value = serde_json::from_slice(body).ok()?;
    let object = value.as_object()?;
    let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
    let (dialect, status) = status_word(object.get("status")?.as_str()?, object.contains_key("timestamp"))?;
    let uptime = ["uptime_seconds", "uptime"].iter().find_map(|key| object.get(*key)?.as_f64());
    Some(Reading {
        dialect,
        status,
        timestamp: object.get("timestamp").and_then(Value::as_str).and_then(|at| at.parse().ok()),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates, and uptime is shown in whole seconds"
        )]
        uptime_seconds: uptime.map(|seconds| seconds as u64),
        version: text("version"),
        error: text("error").or_else(|| text("output")),
        checks: object.get("checks").map(components).unwrap_or_default(),
        draining: value.pointer("/metadata/draining") == Some(&Value::Bool(true)),
    })
}

fn from_v1(response: HealthResponse) -> Reading {
    let draining = response.is_draining();
    let checks = response.checks.into_iter().flatten();
    Reading {
        dialect: Dialect::V1,
        status: response.status,
        timestamp: Some(response.timestamp),
        uptime_seconds: Some(response.uptime_seconds),
        version: response.version,
        error: response.error,
        checks: checks
            .filter_map(|(name, component)| match component {
                Component::Status(status) => Some((name, status)),
                Component::Other(_) => None,
            })
            .collect(),
        draining,
    }
}

/// The dialect that a status word belongs to. A v1.0 word in a body that claims to be v1.0 (it has a
/// `timestamp`) but did not parse is no other dialect: it is a broken v1.0.
fn status_word(word: &str, claims_v1: bool) -> Option<(Dialect, Status)> {
    Some(match word.to_ascii_lowercase().as_str() {
        "healthy" => (Dialect::Words, Status::Ok),
        "unhealthy" => (Dialect::Words, Status::Down),
        "pass" | "up" => (Dialect::Ietf, Status::Ok),
        "warn" => (Dialect::Ietf, Status::Degraded),
        "fail" | "error" => (Dialect::Ietf, Status::Down),
        "degraded" if claims_v1 => (Dialect::Words, Status::Degraded),
        _ if claims_v1 => return None,
        "ok" => (Dialect::Draft, Status::Ok),
        "degraded" => (Dialect::Draft, Status::Degraded),
        "down" => (Dialect::Draft, Status::Down),
        _ => return None,
    })
}

/// Component statuses of any dialect: a word, an object with `status`, or IETF's list of such objects.
fn components(checks: &Value) -> Vec<(String, Status)> {
    let word = |value: &Value| {
        let value = value.get(0).unwrap_or(value);
        let word = value.get("status").unwrap_or(value).as_str()?;
        status_word(word, false).map(|(_, status)| status)
    };
    checks.as_object().into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), word(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(body: &str) -> Option<(Dialect, Status)> {
        read(body.as_bytes()).map(|reading| (reading.dialect, reading.status))
    }

    #[test]
    fn each_dialect_is_recognised() {
        let v1 = r#"{"status":"ok","timestamp":"2026-01-02T03:04:05Z","uptime_seconds":1}"#;
        assert_eq!(reading(v1), Some((Dialect::V1, Status::Ok)));
        assert_eq!(reading(r#"{"status":"ok","uptime":3.5}"#), Some((Dialect::Draft, Status::Ok)));
        assert_eq!(reading(r#"{"status":"healthy","service":"mcp-server"}"#), Some((Dialect::Words, Status::Ok)));
        assert_eq!(reading(r#"{"status":"unhealthy"}"#), Some((Dialect::Words, Status::Down)));
        assert_eq!(reading(r#"{"status":"warn"}"#), Some((Dialect::Ietf, Status::Degraded)));
    }

    #[test]
    fn a_broken_v1_answer_is_no_other_dialect() {
        assert_eq!(reading(r#"{"status":"ok","timestamp":"yesterday","uptime_seconds":1}"#), None);
        assert_eq!(reading(r#"{"status":"fine"}"#), None);
        assert_eq!(reading("[]"), None);
    }

    #[test]
    fn components_of_other_dialects_are_kept() {
        let body = r#"{"status":"pass","checks":{"db:time":[{"status":"warn"}],"cache":{"status":"up"}}}"#;
        let checks = read(body.as_bytes()).map(|reading| reading.checks);
        assert_eq!(checks, Some(vec![("cache".into(), Status::Ok), ("db:time".into(), Status::Degraded)]));
    }
}
