//! Errors of both HTTP APIs: RFC 9457 `application/problem+json` with a stable `code`.

use serde::{Deserialize, Serialize};

/// The media type of [`Problem`].
pub const CONTENT_TYPE: &str = "application/problem+json";

/// An error body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// The HTTP status code.
    pub status: u16,
    /// Stable and machine-readable, such as `unknown_server`.
    pub code: String,
    /// The same for every occurrence of this `code`.
    pub title: String,
    /// What happened this time, and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Problem {
    /// A problem without detail.
    pub fn new(status: u16, code: &str, title: &str) -> Self {
        Self { status, code: code.to_owned(), title: title.to_owned(), detail: None }
    }

    /// Adds what happened this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}
