//! One HTTP check: a fresh connection, one `GET`, one deadline over all of it.
//!
//! Never follows a redirect, never reuses a connection, never reads more than it must. What an answer means is read
//! by [`health_spec::verdict`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use health_spec::time::http_date;
use health_spec::verdict::{Answer, History, Outcome, Phases, Reason, Verdict, classify};
use health_spec::{Dialect, MAX_BODY_BYTES};
use http_body_util::Full;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, DATE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Request};
use jiff::Timestamp;

use super::address::Address;
use super::deadline::Deadline;
use super::headers::{self, Headers};
use super::line::{Line, Raw, all_of};
use super::tls::Secured;
use super::{Fault, Impaired, Question};
use crate::shell::probe::Glimpse;

/// The health contract's own form first, then any JSON, then whatever there is.
const ACCEPTED: HeaderValue = HeaderValue::from_static("application/health+json, application/json;q=0.9, */*;q=0.1");

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Where an HTTP check goes, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpTarget {
    /// Where to.
    pub address: Address,
    /// How the connection is secured, if it is.
    pub secured: Option<Arc<Secured>>,
    /// What goes along; `None`: nothing special.
    pub headers: Option<Arc<Headers>>,
    /// The only form of answer that is read; `None`: any of them.
    pub dialect: Option<Dialect>,
}

impl HttpTarget {
    /// A plain one.
    pub fn new(address: Address) -> Self {
        Self { address, secured: None, headers: None, dialect: None }
    }

    /// A request's URI and headers.
    pub(super) async fn request(
        &self,
        body: Bytes,
        question: &Question<'_>,
        deadline: Deadline,
    ) -> Result<Request<Full<Bytes>>, Fault> {
        let mut request = Request::new(Full::new(body));
        *request.uri_mut() = self.address.path().clone().into();
        let (authority, wanted) = (self.address.authority(), self.headers.as_deref());
        *request.headers_mut() = headers::of_request(authority, wanted, &question.trace, deadline).await?;
        Ok(request)
    }
}

/// Checks once. Dropping the future closes the connection.
pub(super) async fn check(
    target: &HttpTarget,
    question: &Question<'_>,
    deadline: Deadline,
    phases: &mut Phases,
    glimpse: &mut Option<Glimpse>,
) -> Result<Verdict, Impaired> {
    match exchange(target, question, deadline, phases).await {
        Ok(raw) => {
            *glimpse = Some(Glimpse::of(raw.status, &raw.body));
            Ok(judge(&raw, target.dialect, question.history, (question.clock)()))
        }
        Err(fault) => verdict_of(fault, question.history.spoke.is_none()),
    }
}

/// What a fault means for the server, if it is the server's. Restarting one that was never read well would not teach it to speak HTTP.
pub(super) fn verdict_of(fault: Fault, is_new: bool) -> Result<Verdict, Impaired> {
    match fault {
        Fault::Server(reason @ Reason::InvalidBody, message) if is_new => {
            let message = format!("{message} ({})", reason.as_str());
            Ok(Verdict::new(Outcome::Degraded, Some(Reason::NotConformant), Some(message)))
        }
        Fault::Server(reason, message) => Ok(Verdict::failed(reason, message)),
        Fault::Ours(impaired) => Err(impaired),
    }
}

async fn exchange(target: &HttpTarget, question: &Question<'_>, deadline: Deadline, phases: &mut Phases) -> Result<Raw, Fault> {
    let mut request = target.request(Bytes::new(), question, deadline).await?;
    let headers = request.headers_mut();
    headers.entry(ACCEPT).or_insert(ACCEPTED);
    headers.insert(CONNECTION, CLOSE);
    let mut line = Line::open(target, question.resolver, deadline, phases).await?;
    line.ask(request, &mut all_of(MAX_BODY_BYTES), deadline, phases).await
}

fn judge(raw: &Raw, pinned: Option<Dialect>, history: &History, now: Timestamp) -> Verdict {
    let answer = Answer {
        http_status: raw.status,
        content_type: text(&raw.headers, &CONTENT_TYPE),
        challenged: raw.headers.contains_key(WWW_AUTHENTICATE),
        date: text(&raw.headers, &DATE).and_then(http_date),
        retry_after: patience(&raw.headers, now),
        body: &raw.body,
    };
    classify(&answer, pinned, history, now)
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// For how long a server wants to be left alone.
pub(super) fn patience(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    text(headers, &RETRY_AFTER).and_then(|value| retry_after(value, now))
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
