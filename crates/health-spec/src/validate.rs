//! Strict validation against the published v1.0 schema, with every violation and its place.
//!
//! Says what is wrong, never what an answer means: that is the [`verdict`](crate::verdict)'s work.

mod explain;

use std::fmt::{self, Display};
use std::sync::LazyLock;

use serde::Serialize;
use serde_json::Value;

use crate::response::{HealthResponse, ParseError};

/// The published schema, `schemas/health-check-v1.0.json`.
pub const SCHEMA: &str = include_str!("../schemas/health-check-v1.0.json");

#[expect(clippy::expect_used, reason = "the schema is part of the crate, and a test compiles it")]
static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the embedded schema is JSON");
    jsonschema::options().should_validate_formats(true).build(&schema).expect("the embedded schema compiles")
});

/// One thing that is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Where, as a JSON pointer; empty for the whole body.
    pub path: String,
    /// What is there, as JSON, or in words.
    pub found: String,
    /// What may be there.
    pub allowed: String,
}

impl Violation {
    fn whole(found: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { path: String::new(), found: found.into(), allowed: allowed.into() }
    }
}

impl Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { "the body" } else { &self.path };
        write!(f, "{place}: found {}, allowed is {}", self.found, self.allowed)
    }
}

/// Everything that is wrong with `body` as a v1.0 health response, in the order of its fields; empty when it is valid.
pub fn validate(body: &Value) -> Vec<Violation> {
    let mut violations: Vec<_> = VALIDATOR.iter_errors(body).map(|error| explain::violation(&error)).collect();
    violations.sort_by(|one, other| one.path.cmp(&other.path));
    violations
}

/// Reads a body strictly as v1.0, or says everything that is wrong with it.
///
/// A valid body costs no more than [`HealthResponse::parse`]: type and schema accept the same, which the tests hold.
pub fn validate_body(body: &[u8]) -> Result<HealthResponse, Vec<Violation>> {
    HealthResponse::parse(body).map_err(|error| explain_body(body, &error))
}

fn explain_body(body: &[u8], error: &ParseError) -> Vec<Violation> {
    if let ParseError::TooLarge(_) = error {
        let most = crate::MAX_BODY_BYTES;
        return vec![Violation::whole(format!("more than {most} bytes"), format!("at most {most} bytes"))];
    }
    let violations = match serde_json::from_slice(body) {
        Ok(value) => validate(&value),
        Err(error) => {
            return vec![Violation::whole(no_json(body, &error), "a JSON object in UTF-8, nested at most 127 levels deep")];
        }
    };
    // Only the reader sees a field that comes twice, and text that is no UTF-8 in a field that it ignores.
    if violations.is_empty() { vec![Violation::whole(chain(error), "each field once, in UTF-8")] } else { violations }
}

/// What it is instead, where that is plain.
fn no_json(body: &[u8], error: &serde_json::Error) -> String {
    match body {
        [] => "nothing".to_owned(),
        [0xef, 0xbb, 0xbf, ..] => "a byte order mark before the JSON".to_owned(),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "text in UTF-16".to_owned(),
        [0x1f, 0x8b, ..] => "compressed data (gzip)".to_owned(),
        _ => format!("no JSON ({error})"),
    }
}

/// `outer: inner`.
fn chain(error: &ParseError) -> String {
    match error {
        ParseError::Json(cause) => cause.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(body: &str) -> Vec<String> {
        let violations = validate_body(body.as_bytes()).expect_err(body);
        violations.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_violation_says_where_what_and_what_would_be_right() {
        let body = r#"{"status": "healthy", "timestamp": "2026-01-02 03:04", "uptime_seconds": -1.5, "version": null,
            "checks": {"database": {"status": "ok"}, "Other": 1, "cache": "fine"}, "metadata": []}"#;
        let expected = [
            r#"/checks/cache: found "fine", allowed is "ok", "degraded" or "down""#,
            r#"/checks/database: found {"status":"ok"}, allowed is "ok", "degraded" or "down""#,
            "/metadata: found [], allowed is an object",
            r#"/status: found "healthy", allowed is "ok", "degraded" or "down""#,
            r#"/timestamp: found "2026-01-02 03:04", allowed is an RFC 3339 date and time with an offset, such as "2026-01-02T03:04:05Z""#,
            "/uptime_seconds: found -1.5, allowed is an integer",
            "/uptime_seconds: found -1.5, allowed is at least 0",
            "/version: found null, allowed is a string",
        ];
        assert_eq!(violations(body), expected);
    }

    #[test]
    fn what_is_missing_is_named_with_what_it_would_be() {
        let expected = [
            r#"/status: found nothing, allowed is "ok", "degraded" or "down" (required)"#,
            r#"/timestamp: found nothing, allowed is an RFC 3339 date and time with an offset, such as "2026-01-02T03:04:05Z" (required)"#,
            "/uptime_seconds: found nothing, allowed is an integer of at least 0 (required)",
        ];
        assert_eq!(violations("{}"), expected);
    }

    #[test]
    fn a_body_that_is_no_object_is_one_violation() {
        assert_eq!(violations("[1]"), ["the body: found [1], allowed is an object"]);
        assert!(violations("{")[0].starts_with("the body: found no JSON (EOF"));
        assert_eq!(violations(&" ".repeat(65_537)), ["the body: found more than 65536 bytes, allowed is at most 65536 bytes"]);
        assert!(violations("\u{feff}{}")[0].starts_with("the body: found a byte order mark"));
        let twice = r#"{"status":"ok","timestamp":"2026-01-02T03:04:05Z","uptime_seconds":1,"status":"down"}"#;
        assert!(violations(twice)[0].starts_with("the body: found duplicate field `status`"));
    }

    #[test]
    fn what_was_found_is_shown_in_short() {
        let long = format!(r#"{{"status":"{}","timestamp":"2026-01-02T03:04:05Z","uptime_seconds":1}}"#, "ü".repeat(5000));
        assert!(violations(&long)[0].chars().count() < 200);
    }
}
