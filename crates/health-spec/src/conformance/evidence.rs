//! What was asked and what came back. Plain data, nothing judged.

use std::time::Duration;

use jiff::Timestamp;

use crate::HealthResponse;
use crate::validate::{Violation, validate_body};
use crate::verdict::Reason;

/// Everything that was seen of a server.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// What was looked at.
    pub url: String,
    /// How long the looking took.
    pub took: Duration,
    /// The first request, without a wish for a media type.
    pub plain: Exchange,
    /// The same again, one after the other; empty when the first one had no answer.
    pub series: Vec<Exchange>,
    /// The same again, all at once.
    pub concurrent: Vec<Exchange>,
    /// `HEAD`.
    pub head: Option<Exchange>,
    /// With `Accept: application/health+json`.
    pub negotiated: Option<Exchange>,
    /// The same for `/`; `None` too when `/` is what was looked at.
    pub root: Option<Exchange>,
    /// `POST`.
    pub post: Option<Exchange>,
    /// With a query string that nobody knows.
    pub query: Option<Exchange>,
    /// Without the token, when one was given.
    pub anonymous: Option<Exchange>,
}

/// One request and what came of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// As one would say it: `GET /health`.
    pub request: String,
    /// When it was asked, on our clock.
    pub asked_at: Timestamp,
    /// From the request to the last byte.
    pub took: Duration,
    /// The answer, or why there was none.
    pub outcome: Result<Received, Failure>,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// The status code.
    pub http_status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// At most one byte more than a monitor reads.
    pub body: Vec<u8>,
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In the verdict table's words.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

impl Evidence {
    /// Every `GET` of the health answer itself.
    pub(super) fn gets(&self) -> impl Iterator<Item = &Exchange> {
        let one = std::iter::once(&self.plain);
        one.chain(&self.series).chain(&self.concurrent).chain(&self.negotiated).chain(&self.query)
    }

    /// Whether there is something to judge beyond the first request.
    pub(super) fn is_readable(&self) -> bool {
        self.plain.received().is_some_and(|received| matches!(received.http_status, 200 | 503))
    }
}

impl Exchange {
    /// The answer, if there was one.
    pub fn received(&self) -> Option<&Received> {
        self.outcome.as_ref().ok()
    }

    /// The body as a v1.0 response, if it is one.
    pub(super) fn response(&self) -> Option<HealthResponse> {
        self.received()?.response().ok()
    }

    /// For people: `200` or `timeout: no answer within 10 s`.
    pub(super) fn shown(&self) -> String {
        match &self.outcome {
            Ok(received) => received.http_status.to_string(),
            Err(failure) => format!("no answer ({}: {})", failure.reason.as_str(), failure.message),
        }
    }
}

impl Received {
    /// A header's value; the first one of that name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The media type, in lower case and without parameters.
    pub(super) fn media_type(&self) -> Option<String> {
        let value = self.header("content-type")?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// Whether it is declared in no other encoding.
    pub(super) fn is_utf8(&self) -> bool {
        let parameters = self.header("content-type").into_iter().flat_map(|value| value.split(';').skip(1));
        let charset = parameters.filter_map(|parameter| parameter.trim().split_once('='));
        charset
            .into_iter()
            .all(|(name, value)| !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8"))
    }

    pub(super) fn response(&self) -> Result<HealthResponse, Vec<Violation>> {
        validate_body(&self.body)
    }
}
