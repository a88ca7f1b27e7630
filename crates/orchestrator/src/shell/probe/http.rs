//! One HTTP check: a fresh connection, one `GET`, one deadline over all of it.
//!
//! Never follows a redirect, never reuses a connection, never reads more than it must. What an answer means is read
//! by [`health_spec::verdict`].

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use health_spec::time::http_date;
use health_spec::verdict::{Answer, History, Outcome, Reason, Verdict, classify};
use health_spec::{Dialect, MAX_BODY_BYTES};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, DATE, HOST, HeaderName, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::dial::{Fault, dial, impairment};
use super::{Checked, HttpTarget, Impaired};
use crate::shell::evidence::Glimpse;

/// The health contract's own form first, then any JSON, then whatever there is.
const ACCEPTED: &str = "application/health+json, application/json;q=0.9, */*;q=0.1";

/// Who asks.
const AGENT: &str = concat!("mcp-health/", env!("CARGO_PKG_VERSION"));

/// The most that is read of an answer's headers: as much as of its body.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// A deadline that no clock can hold is this far away instead: a year.
const FOREVER: Duration = Duration::from_secs(365 * 86_400);

/// An answer as it came, its body cut one byte after the limit.
#[derive(Debug)]
struct Raw {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Checks `target` once, within `timeout`. `clock` says when the answer arrived.
///
/// Dropping the future closes the connection.
pub async fn check(
    target: &HttpTarget,
    timeout: Duration,
    history: &History,
    clock: impl Fn() -> Timestamp,
) -> Result<Checked, Impaired> {
    let started = Instant::now();
    let outcome = exchange(target, Deadline::new(started, timeout)).await;
    let glimpse = outcome.as_ref().ok().map(|raw| Glimpse::of(raw.status, &raw.body));
    let verdict = match outcome {
        Ok(raw) => judge(&raw, target.dialect(), history, clock()),
        Err(Fault::Server(reason @ Reason::InvalidBody, message)) if history.spoke.is_none() => {
            let message = format!("{message} ({})", reason.as_str());
            Verdict::new(Outcome::Degraded, Some(Reason::NotConformant), Some(message))
        }
        Err(Fault::Server(reason, message)) => Verdict::failed(reason, message),
        Err(Fault::Ours(impaired)) => return Err(impaired),
    };
    Ok(Checked { verdict, response_time: started.elapsed(), glimpse })
}

/// One for all stages; each says what was missing when it passed.
#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    timeout: Duration,
}

impl Deadline {
    fn new(started: Instant, timeout: Duration) -> Self {
        Self { at: started.checked_add(timeout).unwrap_or(started + FOREVER), timeout }
    }

    async fn hold<T>(self, missing: &str, stage: impl Future<Output = T>) -> Result<T, Fault> {
        timeout_at(self.at, stage).await.map_err(|_| {
            let seconds = self.timeout.as_secs_f64();
            Fault::Server(Reason::Timeout, format!("{missing} within {seconds} s"))
        })
    }
}

async fn exchange(target: &HttpTarget, deadline: Deadline) -> Result<Raw, Fault> {
    let stream = deadline.hold("no connection", dial(target)).await??;
    let (sender, connection) = handshake(stream).await?;
    let mut connection = pin!(connection);
    let mut answer = pin!(ask(sender, target, deadline));
    let ended = tokio::select! {
        answer = &mut answer => return answer,
        ended = &mut connection => ended,
    };
    // The connection is over, the answer may still be on its way from its buffer.
    match (answer.await, ended) {
        (Err(Fault::Server(Reason::ConnectionReset, _)), Err(cause)) => Err(fault(&cause)),
        (answer, _) => answer,
    }
}

type Sender = http1::SendRequest<Empty<Bytes>>;
type Connection = http1::Connection<TokioIo<TcpStream>, Empty<Bytes>>;

async fn handshake(stream: TcpStream) -> Result<(Sender, Connection), Fault> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEADER_BYTES);
    builder.handshake(TokioIo::new(stream)).await.map_err(|error| fault(&error))
}

async fn ask(mut sender: Sender, target: &HttpTarget, deadline: Deadline) -> Result<Raw, Fault> {
    let asked = sender.send_request(request(target)?);
    let response = deadline.hold("no answer", asked).await?.map_err(|error| fault(&error))?;
    let (head, body) = response.into_parts();
    let body = deadline.hold("no whole answer", read(Response::new(body))).await??;
    Ok(Raw { status: head.status.as_u16(), headers: head.headers, body })
}

fn request(target: &HttpTarget) -> Result<Request<Empty<Bytes>>, Fault> {
    Request::get(target.path())
        .header(HOST, target.authority())
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, ACCEPTED)
        .header(CONNECTION, "close")
        .body(Empty::new())
        .map_err(|error| Fault::Server(Reason::InvalidBody, format!("no request can be made: {error}")))
}

/// Reads the body, and stops once it is known to be too large.
async fn read(response: Response<hyper::body::Incoming>) -> Result<Vec<u8>, Fault> {
    let mut incoming = response.into_body();
    let mut body = Vec::new();
    while body.len() <= MAX_BODY_BYTES {
        let Some(frame) = incoming.frame().await else { break };
        if let Ok(piece) = frame.map_err(|error| fault(&error))?.into_data() {
            let room = (MAX_BODY_BYTES + 1).saturating_sub(body.len());
            body.extend_from_slice(&piece[..piece.len().min(room)]);
        }
    }
    Ok(body)
}

/// What an error in the middle of the exchange says about the server.
fn fault(error: &hyper::Error) -> Fault {
    let cause = io_cause(error);
    if let Some(code) = cause.and_then(io::Error::raw_os_error)
        && let Ok(impaired) = impairment(io::Error::from_raw_os_error(code))
    {
        return Fault::Ours(impaired);
    }
    if error.is_parse_too_large() {
        return Fault::Server(Reason::InvalidBody, "its headers are too large".to_owned());
    }
    let not_http = error.is_parse() || cause.is_some_and(|cause| is_nonsense(cause.kind()));
    if not_http {
        return Fault::Server(Reason::InvalidBody, format!("it does not speak HTTP: {}", deepest(error)));
    }
    Fault::Server(Reason::ConnectionReset, "the connection closed before a whole answer".to_owned())
}

/// What hyper makes of broken chunks.
fn is_nonsense(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}

fn io_cause(error: &hyper::Error) -> Option<&io::Error> {
    std::error::Error::source(error).and_then(|source| source.downcast_ref())
}

fn deepest(error: &hyper::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn judge(raw: &Raw, pinned: Option<Dialect>, history: &History, now: Timestamp) -> Verdict {
    let answer = Answer {
        http_status: raw.status,
        content_type: text(&raw.headers, &CONTENT_TYPE),
        challenged: raw.headers.contains_key(WWW_AUTHENTICATE),
        date: text(&raw.headers, &DATE).and_then(http_date),
        retry_after: text(&raw.headers, &RETRY_AFTER).and_then(|value| retry_after(value, now)),
        body: &raw.body,
    };
    classify(&answer, pinned, history, now)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Seconds, or a date; one in the past asks for no patience.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = http_date(value)?.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests;
