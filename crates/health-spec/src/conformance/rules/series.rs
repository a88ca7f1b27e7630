//! Rules about many answers: what they hold, how they move, how long they take.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Judged, LONGEST_ANSWER, Not, SLOW_ANSWER, UNREADABLE, held};
use crate::conformance::evidence::{Evidence, Exchange};
use crate::conformance::secret;
use crate::verdict::STALE_AFTER;
use crate::{HealthResponse, MAX_BODY_BYTES, Status, time};

/// How many violations are shown; all are counted.
const SHOWN: usize = 5;

pub(super) fn schema(evidence: &Evidence) -> Judged {
    readable(evidence)?;
    let bodies: Vec<_> = evidence.gets().filter_map(Exchange::received).collect();
    let Some(violations) = bodies.iter().find_map(|received| received.response().err()) else {
        return Ok(format!("{} of {} bodies are valid", bodies.len(), bodies.len()));
    };
    let broken = bodies.iter().filter(|received| received.response().is_err()).count();
    let shown: Vec<_> = violations.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = violations.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    Err(Not::Held(format!("{broken} of {} bodies are not valid: {}{more}", bodies.len(), shown.join("; "))))
}

pub(super) fn http_status(evidence: &Evidence) -> Judged {
    let answers = valid(evidence)?;
    let wrong = answers.iter().find_map(|(exchange, response)| {
        let expected = if response.status == Status::Down || response.is_draining() { 503 } else { 200 };
        let code = exchange.received()?.http_status;
        let draining = if response.is_draining() { ", draining" } else { "" };
        (code != expected).then(|| format!("{code} for {}{draining}; expected {expected}", response.status.as_str()))
    });
    let (exchange, response) = &answers[0];
    held(wrong.is_none(), wrong.unwrap_or_else(|| format!("{} for {}", exchange.shown(), response.status.as_str())))
}

pub(super) fn size(evidence: &Evidence) -> Judged {
    readable(evidence)?;
    let largest = evidence.gets().filter_map(Exchange::received).map(|received| received.body.len()).max().unwrap_or(0);
    let more = if largest > MAX_BODY_BYTES { "more than " } else { "" };
    held(largest <= MAX_BODY_BYTES, format!("{more}{} bytes", largest.min(MAX_BODY_BYTES)))
}

pub(super) fn fresh_timestamp(evidence: &Evidence) -> Judged {
    let answers = valid(evidence)?;
    let ages = answers.iter().map(|(exchange, response)| date(exchange).duration_since(response.timestamp));
    let worst = ages.max_by_key(|age| age.abs()).unwrap_or_default();
    let limit = SignedDuration::try_from(STALE_AFTER).unwrap_or(SignedDuration::MAX);
    let seconds = worst.as_millis().abs();
    let side = if worst.is_negative() { "in the future" } else { "old" };
    held(worst.abs() <= limit, format!("at most {}.{:03} s {side}", seconds / 1000, seconds % 1000))
}

pub(super) fn timestamp_advances(evidence: &Evidence) -> Judged {
    let stamps: Vec<_> = in_order(evidence)?.iter().map(|(_, response)| response.timestamp).collect();
    let (first, last) = (stamps[0], stamps[stamps.len() - 1]);
    if let Some(pair) = stamps.windows(2).find(|pair| pair[1] < pair[0]) {
        return Err(Not::Held(format!("{} was followed by {}", pair[0], pair[1])));
    }
    held(last > first, format!("{} answers, from {first} to {last}", stamps.len()))
}

pub(super) fn uptime_grows(evidence: &Evidence) -> Judged {
    let answers = in_order(evidence)?;
    let uptimes: Vec<_> = answers.iter().map(|(_, response)| response.uptime_seconds).collect();
    if let Some(pair) = uptimes.windows(2).find(|pair| pair[1] < pair[0]) {
        return Err(Not::Held(format!("{} s was followed by {} s", pair[0], pair[1])));
    }
    let (first, last) = (&answers[0].0, &answers[answers.len() - 1].0);
    let passed = last.asked_at.duration_since(first.asked_at);
    let passed = Duration::try_from(passed).unwrap_or_default();
    // Whole seconds: of 2.3 s that pass at least 1 shows, and at most 4, as answers take their time.
    let grown = uptimes[uptimes.len() - 1] - uptimes[0];
    let plausible = (passed.as_secs().saturating_sub(1)..=passed.as_secs() + 2 + last.took.as_secs()).contains(&grown);
    held(plausible, format!("from {} s, by {grown} s in {:.1} s", uptimes[0], passed.as_secs_f64()))
}

pub(super) fn answer_time(evidence: &Evidence) -> Judged {
    readable(evidence)?;
    let slowest = evidence.gets().max_by_key(|exchange| exchange.took).ok_or(UNREADABLE)?;
    let lost = evidence.gets().find(|exchange| exchange.received().is_none());
    let shown = lost.map_or_else(|| format!("at most {}", milliseconds(slowest.took)), Exchange::shown);
    held(lost.is_none() && slowest.took <= LONGEST_ANSWER, shown)
}

pub(super) fn answer_time_spread(evidence: &Evidence) -> Judged {
    readable(evidence)?;
    let mut times: Vec<_> = evidence.series.iter().map(|exchange| exchange.took).collect();
    times.sort_unstable();
    let slowest = *times.last().ok_or(UNREADABLE)?;
    let median = milliseconds(times[times.len() / 2]);
    held(slowest <= SLOW_ANSWER, format!("{} answers, median {median}, slowest {}", times.len(), milliseconds(slowest)))
}

pub(super) fn concurrent_requests(evidence: &Evidence) -> Judged {
    readable(evidence)?;
    let all = evidence.concurrent.len();
    let good = |exchange: &&Exchange| exchange.response().is_some() && exchange.took <= LONGEST_ANSWER;
    let answered = evidence.concurrent.iter().filter(good).count();
    let failure = evidence.concurrent.iter().find(|exchange| !good(exchange));
    let why = failure.map_or_else(String::new, |exchange| format!("; one of the others: {}", exchange.shown()));
    held(all > 0 && answered == all, format!("{answered} of {all} requests at the same time were answered validly{why}"))
}

pub(super) fn no_secrets(evidence: &Evidence) -> Judged {
    readable(evidence)?;
    let bodies = evidence.gets().filter_map(Exchange::received).map(|received| String::from_utf8_lossy(&received.body));
    let found = bodies.into_iter().find_map(|body| secret::find(&body));
    match found {
        Some((kind, at)) => Err(Not::Held(format!("what looks like {kind}, at byte {at} of the body"))),
        None => Ok("nothing that looks like one".to_owned()),
    }
}

fn readable(evidence: &Evidence) -> Result<(), Not> {
    if evidence.is_readable() { Ok(()) } else { Err(UNREADABLE) }
}

/// Every valid answer to `GET`; at least one.
fn valid(evidence: &Evidence) -> Result<Vec<(&Exchange, HealthResponse)>, Not> {
    readable(evidence)?;
    at_least(1, evidence.gets())
}

/// Every valid answer of those that were asked for one after the other; at least two.
fn in_order(evidence: &Evidence) -> Result<Vec<(&Exchange, HealthResponse)>, Not> {
    readable(evidence)?;
    at_least(2, std::iter::once(&evidence.plain).chain(&evidence.series))
}

fn at_least<'a>(least: usize, exchanges: impl Iterator<Item = &'a Exchange>) -> Result<Vec<(&'a Exchange, HealthResponse)>, Not> {
    let answers: Vec<_> = exchanges.filter_map(|exchange| Some((exchange, exchange.response()?))).collect();
    if answers.len() >= least { Ok(answers) } else { Err(Not::Judged("too few bodies are valid (HC-04)")) }
}

/// The answer's own clock, else ours.
fn date(exchange: &Exchange) -> Timestamp {
    let header = exchange.received().and_then(|received| received.header("date"));
    header.and_then(time::http_date).unwrap_or(exchange.asked_at)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
