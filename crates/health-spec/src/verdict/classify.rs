//! The verdict table, row by row.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Answer, History, Outcome, Reason, Verdict};
use crate::dialect::{self, Dialect, ReadError, Reading};
use crate::{MAX_BODY_BYTES, Status};

/// How old a timestamp may be before the answer counts as stale (contract, section 1.1).
pub const STALE_AFTER: Duration = Duration::from_secs(60);

/// How long a draining server is given before the rest of its answer counts (contract, section 1.1).
pub const DRAINING_FOR: Duration = Duration::from_secs(60);

/// Reads `answer`, received at `now`, from a server with this `history`; only in the dialect that is `pinned`, if one is.
/// Same arguments, same verdict.
pub fn classify(answer: &Answer<'_>, pinned: Option<Dialect>, history: &History, now: Timestamp) -> Verdict {
    let body = read_body(answer, pinned, history);
    let (reading, broken) = match body {
        Ok(reading) => (reading, None),
        Err(broken) => (None, Some(broken)),
    };
    let mut verdict = judge(answer, reading.as_ref(), broken, history, now);
    verdict.reading = reading;
    verdict
}

/// `Ok(None)`: no answer that says anything; `Err`: the body is broken.
fn read_body(answer: &Answer<'_>, pinned: Option<Dialect>, history: &History) -> Result<Option<Reading>, (Reason, String)> {
    if answer.body.len() > MAX_BODY_BYTES {
        return Err((Reason::BodyTooLarge, ReadError::TooLarge.to_string()));
    }
    let plain = || (200..300).contains(&answer.http_status).then(Reading::plain);
    let read = match pinned {
        Some(Dialect::Plain) => return Ok(plain()),
        Some(pinned) => dialect::read_as(pinned, answer.body),
        None => dialect::read(answer.body),
    };
    let json_type = answer.content_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
    let speaks_json = json_type || pinned.is_some() || !matches!(history.spoke, None | Some(Dialect::Plain));
    match read {
        Ok(reading) => Ok(Some(reading)),
        Err(_) if !speaks_json => Ok(plain()),
        Err(error @ ReadError::TooLarge) => Err((Reason::BodyTooLarge, error.to_string())),
        Err(error @ ReadError::NotJson(_)) => Err((Reason::InvalidBody, error.to_string())),
        Err(error) => Err((Reason::Schema, error.to_string())),
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
    let limit = SignedDuration::try_from(STALE_AFTER).unwrap_or(SignedDuration::MAX);
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
