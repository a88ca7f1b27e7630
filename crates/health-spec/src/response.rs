//! The health response v1.0 (contract, section 1): what `GET /health` answers.
//!
//! The type accepts what the published schema accepts; [`HealthResponse::parse`] is the strict reader. Other forms
//! are read by [`dialect`](crate::dialect).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{MAX_BODY_BYTES, Status};

/// The body of `GET /health`, version 1.0. Unknown fields always pass.
///
/// Every field is there since version 1.0; its source is section 1 of the contract, published as
/// `docs/spec/health-check-v1.0.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthResponse {
    /// `ok`: all fine. `degraded`: serving but impaired; a monitor warns and never restarts. `down`: cannot serve; a monitor recovers. Since 1.0.
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::status"))]
    pub status: Status,
    /// When this response was made: RFC 3339 with an offset. One that is more than 60 s old counts as frozen. Since 1.0.
    #[serde(with = "crate::time::rfc3339")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub timestamp: Timestamp,
    /// Whole seconds since the server process started. Going backwards between two checks means that it restarted. Since 1.0.
    #[serde(deserialize_with = "integer")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::uptime"))]
    pub uptime_seconds: u64,
    /// When the component checks last really ran, RFC 3339 with an offset; they are cached. Since 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::time::rfc3339::deserialize_present")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub last_check: Option<Timestamp>,
    /// The server's version, in its own scheme. Since 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub version: Option<String>,
    /// Component statuses by name. Names of lower-case letters and underscores are held to the three statuses, other names pass. Since 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::components"))]
    pub checks: Option<BTreeMap<String, Component>>,
    /// For people: why `status` is not `ok`. It is public: no secrets. Since 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub error: Option<String>,
    /// Anything else; `draining: true` while shutting down. Since 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[cfg_attr(feature = "schema", schemars(with = "Map<String, Value>"))]
    pub metadata: Option<Map<String, Value>>,
}

/// A component's entry in `checks`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Component {
    /// One of the three statuses.
    Status(Status),
    /// Whatever a name outside the pattern holds.
    Other(Value),
}

/// Why a body is not a v1.0 health response.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// More than a monitor reads.
    #[error("the body has {0} bytes, more than {MAX_BODY_BYTES}")]
    TooLarge(usize),
    /// Not JSON, or a required field is missing or of the wrong type.
    #[error("not a v1.0 health response")]
    Json(#[from] serde_json::Error),
    /// JSON perhaps, but no object.
    #[error("not a JSON object")]
    NotAnObject,
    /// JSON is UTF-8.
    #[error("not UTF-8")]
    Utf8(#[from] std::str::Utf8Error),
    /// A component whose name is in the pattern holds something else than a status.
    #[error("checks.{name} is {found}, expected ok, degraded or down")]
    Component {
        /// The component's name.
        name: String,
        /// What it held, as JSON.
        found: Value,
    },
}

impl HealthResponse {
    /// A minimal response.
    pub fn new(status: Status, timestamp: Timestamp, uptime_seconds: u64) -> Self {
        Self { status, timestamp, uptime_seconds, last_check: None, version: None, checks: None, error: None, metadata: None }
    }

    /// Reads a body of at most [`MAX_BODY_BYTES`] strictly as v1.0. It accepts what the published schema accepts,
    /// except that no field of the contract may come twice.
    pub fn parse(body: &[u8]) -> Result<Self, ParseError> {
        if body.len() > MAX_BODY_BYTES {
            return Err(ParseError::TooLarge(body.len()));
        }
        Self::from_text(std::str::from_utf8(body)?)
    }

    /// [`Self::parse`], for a text that is known to be short enough.
    pub(crate) fn from_text(body: &str) -> Result<Self, ParseError> {
        // A derived reader takes a list for an object.
        if !body.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
            return Err(ParseError::NotAnObject);
        }
        let response: Self = serde_json::from_str(body)?;
        for (name, component) in response.checks.iter().flatten() {
            if let Component::Other(found) = component
                && is_component_name(name)
            {
                return Err(ParseError::Component { name: name.clone(), found: found.clone() });
            }
        }
        Ok(response)
    }

    /// Whether the server says that it is shutting down.
    pub fn is_draining(&self) -> bool {
        self.metadata.as_ref().is_some_and(|metadata| metadata.get("draining") == Some(&Value::Bool(true)))
    }
}

/// Component names that are held to the three statuses: `^[a-z_]+$`.
pub fn is_component_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

impl From<Value> for Component {
    fn from(value: Value) -> Self {
        match value.as_str().and_then(Status::from_word) {
            Some(status) => Self::Status(status),
            None => Self::Other(value),
        }
    }
}

impl<'de> Deserialize<'de> for Component {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}

/// An optional field may be absent; when it is there, `null` is not its value.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// JSON Schema's `integer`: `10` and `10.0` alike; beyond `u64` it saturates.
fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    if let Some(integer) = number.as_u64() {
        return Ok(integer);
    }
    match number.as_f64() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be whole and not negative; `as` saturates"
        )]
        Some(float) if float >= 0.0 && float.fract() == 0.0 => Ok(float as u64),
        _ => Err(serde::de::Error::custom(format_args!("{number} is not an integer of at least 0"))),
    }
}
