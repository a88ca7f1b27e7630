//! Strict validation against the published v1.0 schema, with every error and its place.

use std::sync::LazyLock;

use serde_json::Value;

/// The published schema, `schemas/health-check-v1.0.json`.
pub const SCHEMA: &str = include_str!("../schemas/health-check-v1.0.json");

#[expect(clippy::expect_used, reason = "the schema is part of the crate, and a test compiles it")]
static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the embedded schema is JSON");
    jsonschema::options().should_validate_formats(true).build(&schema).expect("the embedded schema compiles")
});

/// One thing that is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where, as a JSON pointer; empty for the whole body.
    pub path: String,
    /// What was found and what is allowed.
    pub message: String,
}

/// Everything that is wrong with `body` as a v1.0 health response; empty when it is valid.
pub fn validate(body: &Value) -> Vec<Violation> {
    VALIDATOR
        .iter_errors(body)
        .map(|error| Violation { path: error.instance_path().to_string(), message: error.to_string() })
        .collect()
}
