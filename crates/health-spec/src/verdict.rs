//! How a monitor reads an answer: the verdict table of the contract (section 1.1) as one pure function.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dialect::{self, Dialect, Reading};
use crate::{MAX_BODY_BYTES, Status};

/// How old a timestamp may be before the answer counts as stale (contract, section 1.1).
const STALE_AFTER: Duration = Duration::from_secs(60);

/// How long a draining server is given before the rest of its answer counts (contract, section 1.1).
const DRAINING_FOR: Duration = Duration::from_secs(60);

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
    /// At most [`MAX_BODY_BYTES`] and one of the body; a longer slice means that it was too large.
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
}

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
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
}

/// What a check means for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        Self { outcome, reason, message, reading: None, clock_skew: false, retry_after: None }
    }
}

impl History {
    /// Remembers what `verdict`, reached at `now`, says about the server.
    pub fn learn(&mut self, verdict: &Verdict, now: Timestamp) {
        let Some(reading) = &verdict.reading else { return };
        if verdict.outcome != Outcome::Failed {
            self.spoke = Some(reading.dialect);
        }
        self.draining_since = reading.draining.then(|| self.draining_since.unwrap_or(now));
        if let Some(timestamp) = reading.timestamp {
            self.last_timestamp = Some((timestamp, now));
        }
    }
}

/// Reads `answer`, received at `now`, from a server with this `history`. Same arguments, same verdict.
pub fn classify(answer: &Answer<'_>, history: &History, now: Timestamp) -> Verdict {
    let body = read_body(answer, history);
    let (reading, broken) = match body {
        Ok(reading) => (reading, None),
        Err(broken) => (None, Some(broken)),
    };
    let mut verdict = judge(answer, reading.as_ref(), broken, history, now);
    verdict.reading = reading;
    verdict
}

/// `Ok(None)`: no answer that says anything; `Err`: the body is broken.
fn read_body(answer: &Answer<'_>, history: &History) -> Result<Option<Reading>, (Reason, String)> {
    if answer.body.len() > MAX_BODY_BYTES {
        return Err((Reason::BodyTooLarge, format!("the body is larger than {MAX_BODY_BYTES} bytes")));
    }
    if let Some(reading) = dialect::read(answer.body) {
        return Ok(Some(reading));
    }
    let json_type = answer.content_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
    if !json_type && matches!(history.spoke, None | Some(Dialect::Plain)) {
        return Ok((200..300).contains(&answer.http_status).then(Reading::plain));
    }
    match serde_json::from_slice::<serde::de::IgnoredAny>(answer.body) {
        Err(error) => Err((Reason::InvalidBody, format!("the body is not JSON: {error}"))),
        Ok(_) => Err((Reason::Schema, "the body is JSON, but no health answer".to_owned())),
    }
}

fn judge(
    answer: &Answer<'_>,
    reading: Option<&Reading>,
    broken: Option<(Reason, String)>,
    history: &History,
    now: Timestamp,
) -> Verdict {
    let code = answer.http_status;
    let said = reading.and_then(|reading| reading.error.clone());
    if reading.is_some_and(|reading| reading.draining) && !drained_too_long(history, now) {
        return Verdict::new(Outcome::Degraded, Some(Reason::Draining), Some("it is shutting down".into()));
    }
    if code == 401 || (code == 403 && answer.challenged) {
        let message = format!("alive, but answers {code}: it wants credentials");
        return Verdict::new(Outcome::Degraded, Some(Reason::NeedsAuth), Some(message));
    }
    if code == 429 {
        let mut verdict = Verdict::new(Outcome::Degraded, Some(Reason::Overloaded), Some("alive, but overloaded (429)".into()));
        verdict.retry_after = answer.retry_after;
        return verdict;
    }
    let never_read = history.spoke.is_none();
    if !(200..300).contains(&code) {
        let no_endpoint = matches!(code, 404 | 405 | 501) && never_read && reading.is_none();
        return if no_endpoint {
            not_conformant(format!("it answers {code}: it has no health endpoint there"))
        } else {
            Verdict::failed(Reason::HttpStatus, said.unwrap_or_else(|| format!("it answers {code}")))
        };
    }
    match (reading, broken) {
        (_, Some((reason @ (Reason::InvalidBody | Reason::Schema), message))) if never_read => {
            not_conformant(format!("{message} ({})", reason.as_str()))
        }
        (_, Some((reason, message))) => Verdict::failed(reason, message),
        (None, None) => Verdict::new(Outcome::Ok, None, None),
        (Some(reading), None) => judge_reading(answer, reading, history, now),
    }
}

fn judge_reading(answer: &Answer<'_>, reading: &Reading, history: &History, now: Timestamp) -> Verdict {
    let age = reading.timestamp.map(|at| answer.date.unwrap_or(now).duration_since(at));
    let limit = jiff::SignedDuration::try_from(STALE_AFTER).unwrap_or(jiff::SignedDuration::MAX);
    let old = age.is_some_and(|age| age > limit);
    if old && !advances(reading, history, now) {
        let message = format!("its timestamp is {} s old", age.map_or(0, |age| age.as_secs()));
        return Verdict::failed(Reason::Stale, message);
    }
    let mut verdict = match reading.status {
        Status::Ok => Verdict::new(Outcome::Ok, None, None),
        Status::Degraded => Verdict::new(Outcome::Degraded, Some(Reason::Reported), reading.error.clone()),
        Status::Down => Verdict::failed(Reason::Reported, reading.error.clone().unwrap_or_else(|| "it reports down".into())),
    };
    verdict.clock_skew = old || age.is_some_and(|age| age < -limit);
    verdict
}

/// An old timestamp that moves on from answer to answer is a clock that is off, not a frozen answer.
/// The first old timestamp gets the benefit of the doubt: there is nothing yet to compare it with.
fn advances(reading: &Reading, history: &History, now: Timestamp) -> bool {
    let (Some(timestamp), Some((last, seen))) = (reading.timestamp, history.last_timestamp) else {
        return true;
    };
    // Half the elapsed time: answers are delayed now and then, a frozen one does not move at all.
    timestamp > last && timestamp.duration_since(last) * 2 >= now.duration_since(seen)
}

fn drained_too_long(history: &History, now: Timestamp) -> bool {
    let Some(since) = history.draining_since else { return false };
    now.duration_since(since).unsigned_abs() >= DRAINING_FOR
}

fn not_conformant(message: String) -> Verdict {
    Verdict::new(Outcome::Degraded, Some(Reason::NotConformant), Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().expect("a timestamp")
    }

    fn history() -> History {
        History { spoke: Some(Dialect::V1), ..History::default() }
    }

    fn body(status: &str, extra: &str) -> String {
        format!(r#"{{"status":"{status}","timestamp":"2026-01-02T03:04:00Z","uptime_seconds":1{extra}}}"#)
    }

    fn answer(http_status: u16, body: &str) -> Answer<'_> {
        let content_type = Some("application/json");
        Answer { http_status, content_type, challenged: false, date: None, retry_after: None, body: body.as_bytes() }
    }

    fn verdict(http_status: u16, body: &str, history: &History) -> (Outcome, Option<Reason>) {
        let verdict = classify(&answer(http_status, body), history, now());
        (verdict.outcome, verdict.reason)
    }

    #[test]
    fn the_table_line_by_line() {
        use Outcome::{Degraded, Failed, Ok};
        let known = &history();
        let cases = [
            (200, body("ok", ""), (Ok, None)),
            (200, body("degraded", ""), (Degraded, Some(Reason::Reported))),
            (200, body("down", ""), (Failed, Some(Reason::Reported))),
            (503, body("down", ""), (Failed, Some(Reason::HttpStatus))),
            (503, body("ok", r#","metadata":{"draining":true}"#), (Degraded, Some(Reason::Draining))),
            (401, String::new(), (Degraded, Some(Reason::NeedsAuth))),
            (403, String::new(), (Failed, Some(Reason::HttpStatus))),
            (429, String::new(), (Degraded, Some(Reason::Overloaded))),
            (302, String::new(), (Failed, Some(Reason::HttpStatus))),
            (404, String::new(), (Failed, Some(Reason::HttpStatus))),
            (200, "{".into(), (Failed, Some(Reason::InvalidBody))),
            (200, "{}".into(), (Failed, Some(Reason::Schema))),
            (200, " ".repeat(MAX_BODY_BYTES + 1), (Failed, Some(Reason::BodyTooLarge))),
        ];
        for (code, body, expected) in cases {
            assert_eq!(verdict(code, &body, known), expected, "{code} {}", body.get(..40).unwrap_or(&body));
        }
    }

    #[test]
    fn a_server_that_was_never_read_well_is_not_conformant() {
        let expected = (Outcome::Degraded, Some(Reason::NotConformant));
        for (code, body) in [(404, ""), (405, ""), (501, ""), (200, "{"), (200, "{}")] {
            assert_eq!(verdict(code, body, &History::default()), expected, "{code} {body}");
        }
    }

    #[test]
    fn a_plain_answer_is_fine_until_another_dialect_was_spoken() {
        let plain = Answer { content_type: Some("text/plain"), ..answer(200, "OK") };
        assert_eq!(classify(&plain, &History::default(), now()).outcome, Outcome::Ok);
        assert_eq!(classify(&plain, &history(), now()).reason, Some(Reason::InvalidBody));
    }

    #[test]
    fn a_plain_server_has_been_read_well_and_one_that_was_never_found_has_not() {
        let plain = |code| Answer { content_type: Some("text/plain"), ..answer(code, "OK") };
        let mut history = History::default();
        for (code, expected) in [(404, Outcome::Degraded), (404, Outcome::Degraded), (200, Outcome::Ok), (404, Outcome::Failed)] {
            let verdict = classify(&plain(code), &history, now());
            assert_eq!(verdict.outcome, expected, "{code}");
            history.learn(&verdict, now());
        }
        assert_eq!(history.spoke, Some(Dialect::Plain));
    }

    #[test]
    fn a_challenge_makes_403_alive() {
        let challenged = Answer { challenged: true, ..answer(403, "") };
        assert_eq!(classify(&challenged, &history(), now()).reason, Some(Reason::NeedsAuth));
    }

    #[test]
    fn draining_is_forgiven_for_a_minute() {
        let since = "2026-01-02T03:03:05Z".parse().expect("a timestamp");
        let history = History { draining_since: Some(since), ..history() };
        let body = body("down", r#","metadata":{"draining":true}"#);
        assert_eq!(verdict(503, &body, &history), (Outcome::Failed, Some(Reason::HttpStatus)));
    }

    #[test]
    fn a_frozen_timestamp_is_stale_and_one_that_advances_is_skew() {
        let old = |at: &str| format!(r#"{{"status":"ok","timestamp":"{at}","uptime_seconds":1}}"#);
        let seen = "2026-01-02T03:03:35Z".parse().expect("a timestamp");
        let last = "2026-01-02T01:00:00Z".parse().expect("a timestamp");
        let history = History { last_timestamp: Some((last, seen)), ..history() };
        let frozen = old("2026-01-02T01:00:00Z");
        assert_eq!(verdict(200, &frozen, &history), (Outcome::Failed, Some(Reason::Stale)));
        let advanced = old("2026-01-02T01:00:30Z");
        let verdict = classify(&answer(200, &advanced), &history, now());
        assert_eq!((verdict.outcome, verdict.clock_skew), (Outcome::Ok, true));
    }

    #[test]
    fn a_future_timestamp_is_skew() {
        let body = r#"{"status":"ok","timestamp":"2026-01-02T05:00:00Z","uptime_seconds":1}"#;
        let verdict = classify(&answer(200, body), &history(), now());
        assert_eq!((verdict.outcome, verdict.clock_skew), (Outcome::Ok, true));
    }
}
