//! A validator's error as a violation: what was found, and what is allowed.

use jsonschema::JsonType;
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use super::Violation;
use crate::time::rfc3339;

/// How much is shown of what was found, in characters.
const SHOWN: usize = 80;

pub(super) fn violation(error: &ValidationError<'_>) -> Violation {
    let path = error.instance_path().to_string();
    if let Kind::Required { property: Value::String(name) } = error.kind() {
        let allowed = required(name).map_or_else(|| "something (required)".to_owned(), |what| format!("{what} (required)"));
        return Violation { path: format!("{path}/{name}"), found: "nothing".to_owned(), allowed };
    }
    Violation { path, found: shown(&error.instance().to_string()), allowed: allowed(error) }
}

fn allowed(error: &ValidationError<'_>) -> String {
    match error.kind() {
        Kind::Type { kind: TypeKind::Single(kind) } => with_article(*kind).to_owned(),
        Kind::Enum { options } => one_of(options),
        Kind::Format { format } if format == "date-time" => rfc3339::ALLOWED.to_owned(),
        Kind::Minimum { limit } => format!("at least {limit}"),
        // The schema has no other keywords; should it get one, the library's own words will do.
        _ => error.to_string(),
    }
}

/// What the required fields are (contract, section 1).
fn required(name: &str) -> Option<&'static str> {
    match name {
        "status" => Some(r#""ok", "degraded" or "down""#),
        "timestamp" => Some(rfc3339::ALLOWED),
        "uptime_seconds" => Some("an integer of at least 0"),
        _ => None,
    }
}

fn with_article(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "an array",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "an integer",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "a string",
    }
}

/// `"ok", "degraded" or "down"`.
fn one_of(options: &Value) -> String {
    let words: Vec<_> = options.as_array().into_iter().flatten().map(ToString::to_string).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

fn shown(found: &str) -> String {
    match found.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} ...", &found[..end]),
        None => found.to_owned(),
    }
}
