//! Rules about one answer: route, method, headers.

use super::{Judged, Not, UNREADABLE, held, made};
use crate::conformance::evidence::{Evidence, Exchange, Received};

const JSON: &str = "application/json";
const HEALTH_JSON: &str = "application/health+json";

pub(super) fn route(evidence: &Evidence) -> Judged {
    let answers = |exchange: &&Exchange| exchange.received().is_none_or(|it| !matches!(it.http_status, 200 | 503));
    let wrong = evidence.gets().find(answers);
    let hint = if wrong.is_some_and(|exchange| exchange.received().is_some_and(|it| it.http_status == 401)) {
        "; --token-file gives a token"
    } else {
        ""
    };
    held(wrong.is_none(), format!("{}{hint}", seen(wrong.unwrap_or(&evidence.plain))))
}

pub(super) fn no_redirect(evidence: &Evidence) -> Judged {
    let received = answered(&evidence.plain)?;
    let target = received.header("location").map_or_else(String::new, |to| format!(" to {to}"));
    let redirected = (300..400).contains(&received.http_status);
    held(!redirected, format!("{} answered {}{}", evidence.plain.request, received.http_status, target))
}

pub(super) fn no_authentication(evidence: &Evidence) -> Judged {
    let exchange = evidence.anonymous.as_ref().unwrap_or(&evidence.plain);
    let received = answered(exchange)?;
    held(!matches!(received.http_status, 401 | 403), format!("{} without credentials", seen(exchange)))
}

pub(super) fn content_type(evidence: &Evidence) -> Judged {
    let received = readable(evidence)?;
    held(received.media_type().as_deref() == Some(JSON) && received.is_utf8(), media(received))
}

pub(super) fn negotiation(evidence: &Evidence) -> Judged {
    let received = answered(made(evidence.negotiated.as_ref())?)?;
    held(received.media_type().as_deref() == Some(HEALTH_JSON), media(received))
}

pub(super) fn root(evidence: &Evidence) -> Judged {
    let get = readable(evidence)?;
    let root = evidence.root.as_ref().ok_or(Not::Judged("the address that was looked at is / itself"))?;
    let same = root.received().is_some_and(|received| received.http_status == get.http_status);
    let valid = says_the_same(root, get);
    held(same && valid, format!("{}{}", seen(root), if valid { "" } else { ", without the same status in a valid body" }))
}

pub(super) fn head(evidence: &Evidence) -> Judged {
    let get = readable(evidence)?;
    let exchange = made(evidence.head.as_ref())?;
    let Some(received) = exchange.received() else { return Err(Not::Held(seen(exchange))) };
    let same = received.http_status == get.http_status && received.media_type() == get.media_type();
    held(same, format!("{}, {}", seen(exchange), media(received)))
}

pub(super) fn other_methods(evidence: &Evidence) -> Judged {
    let exchange = made(evidence.post.as_ref())?;
    let Some(received) = exchange.received() else { return Err(Not::Held(seen(exchange))) };
    let allow = received.header("allow");
    let names_get = allow.is_some_and(|allow| allow.split(',').any(|method| method.trim() == "GET"));
    let allowed = allow.map_or_else(|| "no Allow".to_owned(), |allow| format!("Allow: {allow}"));
    held(received.http_status == 405 && names_get, format!("{}, {allowed}", seen(exchange)))
}

pub(super) fn unknown_query(evidence: &Evidence) -> Judged {
    let get = readable(evidence)?;
    let exchange = made(evidence.query.as_ref())?;
    let same = exchange.received().is_some_and(|received| received.http_status == get.http_status);
    // What is invalid anyhow is another rule's.
    let valid = says_the_same(exchange, get) || get.response().is_err();
    held(same && valid, format!("{}{}", seen(exchange), if valid { "" } else { ", without the same status in a valid body" }))
}

pub(super) fn no_store(evidence: &Evidence) -> Judged {
    let value = readable(evidence)?.header("cache-control");
    let directives = value.unwrap_or_default().split(',').map(str::trim);
    let stored = !directives.into_iter().any(|directive| directive.eq_ignore_ascii_case("no-store"));
    held(!stored, value.map_or_else(|| "no Cache-Control".to_owned(), |value| format!("Cache-Control: {value}")))
}

fn readable(evidence: &Evidence) -> Result<&Received, Not> {
    evidence.plain.received().filter(|_| evidence.is_readable()).ok_or(UNREADABLE)
}

fn says_the_same(exchange: &Exchange, get: &Received) -> bool {
    let status = |response: crate::HealthResponse| response.status;
    exchange.response().map(status).is_some_and(|status| get.response().is_ok_and(|first| first.status == status))
}

fn answered(exchange: &Exchange) -> Result<&Received, Not> {
    exchange.received().ok_or(UNREADABLE)
}

fn media(received: &Received) -> String {
    received.header("content-type").map_or_else(|| "no Content-Type".to_owned(), |value| format!("Content-Type: {value}"))
}

/// `GET /health: 200`.
fn seen(exchange: &Exchange) -> String {
    format!("{}: {}", exchange.request, exchange.shown())
}
