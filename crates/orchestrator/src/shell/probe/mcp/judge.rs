//! What an answer means: the table of the contract (section 1.1), for MCP.

use health_spec::registry::Depth;
use health_spec::verdict::{Answer, Outcome, Reason, Verdict, classify};
use hyper::header::WWW_AUTHENTICATE;
use serde_json::Value;

use super::known::Known;
use super::reply::{Answered, Reply};
use super::{Call, McpTarget};
use crate::shell::probe::Question;
use crate::shell::probe::http::patience;
use crate::shell::text::looked_at;

/// A server without such a method is alive.
pub(super) const METHOD_NOT_FOUND: i64 = -32_601;

/// A server that is alive and speaks another version.
const UNSUPPORTED_VERSION: i64 = -32_022;

/// Whether there is nothing to be gained by asking otherwise: it wants credentials, or to be left alone, or is broken.
pub(super) fn says_no(reply: &Reply) -> bool {
    wants_credentials(reply) || matches!(reply.status, 300..=399 | 429 | 500..)
}

fn wants_credentials(reply: &Reply) -> bool {
    reply.status == 401 || (reply.status == 403 && reply.headers.contains_key(WWW_AUTHENTICATE))
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// How deep the check wants to look.
    pub(super) depth: Depth,
    /// The tool that was called, if one was.
    pub(super) call: Option<&'a Call>,
}

impl McpTarget {
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked { depth: self.depth, call: self.call.as_ref() }
    }

    /// The same before anything was called.
    pub(super) fn without_call(&self) -> Asked<'_> {
        Asked { call: None, ..self.asked() }
    }
}

const TOO_LARGE: &str =
    "the answer is larger than what is read of it: 1 MiB of a list or a tool's result, 64 KiB of anything else; `depth: discover` asks for neither";

pub(super) fn judge(reply: &Reply, asked: Asked<'_>, known: &Known, question: &Question<'_>) -> Verdict {
    let code = reply.status;
    if wants_credentials(reply) {
        let message = format!("alive, but answers {code}: it wants credentials");
        return Verdict::new(Outcome::Degraded, Some(Reason::NeedsAuth), Some(message));
    }
    if code == 429 {
        let message = "alive, but overloaded (429)".to_owned();
        let retry_after = patience(&reply.headers, (question.clock)());
        return Verdict { retry_after, ..Verdict::new(Outcome::Degraded, Some(Reason::Overloaded), Some(message)) };
    }
    if reply.is_cut && reply.answer.is_none() {
        return Verdict::failed(Reason::BodyTooLarge, TOO_LARGE);
    }
    match &reply.answer {
        Some(answer) if reply.is_success() || matches!(code, 400 | 404) => answered(reply, answer, asked, question),
        _ if !reply.is_success() => not_answered(reply, known),
        _ if known.was_well => Verdict::failed(Reason::InvalidBody, "it does not answer in MCP"),
        _ => not_conformant("it does not answer in MCP".to_owned()),
    }
}

fn not_answered(reply: &Reply, known: &Known) -> Verdict {
    let code = reply.status;
    if matches!(code, 404 | 405 | 501) && !known.was_well {
        return not_conformant(format!("it answers {code}: it does not speak MCP there"));
    }
    let said = reply.answer.as_ref().and_then(|answer| Some(looked_at(&answer.error.as_ref()?.message)));
    let said = said.filter(|said| !said.is_empty()).map(|said| format!(": {said}")).unwrap_or_default();
    Verdict::failed(Reason::HttpStatus, format!("it answers {code}{said}"))
}

fn answered(reply: &Reply, answer: &Answered, asked: Asked<'_>, question: &Question<'_>) -> Verdict {
    if let Some(error) = &answer.error {
        match (error.code, asked.depth) {
            (UNSUPPORTED_VERSION, Depth::Discover) | (METHOD_NOT_FOUND, Depth::Discover | Depth::List) => {
                return Verdict::new(Outcome::Ok, None, None);
            }
            (UNSUPPORTED_VERSION, depth) => return another_version(depth),
            (METHOD_NOT_FOUND, Depth::Call) if asked.call.is_none() => {
                return not_conformant("it opens no session, so the tool was not called".to_owned());
            }
            _ => {}
        }
        let said = looked_at(&error.message);
        if !reply.is_success() {
            return Verdict::failed(Reason::HttpStatus, format!("it answers {}: {said}", reply.status));
        }
        return Verdict::failed(Reason::McpError, format!("it answers with error {}: {said}", error.code));
    }
    match asked.call {
        None => Verdict::new(Outcome::Ok, None, None),
        Some(call) => result_of(call, answer, question),
    }
}

/// What a tool said.
pub(super) fn result_of(call: &Call, answer: &Answered, question: &Question<'_>) -> Verdict {
    let text = answer.result.as_ref().map_or("null", |result| result.get());
    let result: Value = serde_json::from_str(text).unwrap_or_default();
    let (said, structured) = (said(&result), result.get("structuredContent"));
    if result.get("isError") == Some(&Value::Bool(true)) {
        return Verdict::failed(Reason::McpError, format!("{} fails: {}", call.tool, shortened(&said)));
    }
    if call.is_health_check() && call.expect.is_none() {
        return health(structured, &said, question);
    }
    let is_expected = match &call.expect {
        None => true,
        Some(Value::String(part)) => said.contains(part.as_str()),
        Some(whole) => structured == Some(whole) || serde_json::from_str::<Value>(&said).is_ok_and(|value| value == *whole),
    };
    if is_expected {
        Verdict::new(Outcome::Ok, None, None)
    } else {
        Verdict::failed(Reason::Unexpected, format!("{} says {}", call.tool, shortened(&said)))
    }
}

/// The result of a tool `health_check`, as RFC 0001's guide shows it.
fn health(structured: Option<&Value>, said: &str, question: &Question<'_>) -> Verdict {
    let body = structured.filter(|value| value.get("status").is_some()).map_or_else(|| said.to_owned(), Value::to_string);
    let answer = Answer {
        http_status: 200,
        content_type: Some("application/json"),
        challenged: false,
        date: None,
        retry_after: None,
        body: body.as_bytes(),
    };
    classify(&answer, None, question.history, (question.clock)())
}

/// Its texts, joined.
fn said(result: &Value) -> String {
    let parts = result.get("content").and_then(Value::as_array).into_iter().flatten();
    parts.filter_map(|part| part.get("text")?.as_str()).collect::<Vec<_>>().join("\n")
}

/// It is alive, and what was wanted of it was not done.
fn another_version(depth: Depth) -> Verdict {
    let what = if depth == Depth::Call { "the tool was not called" } else { "its tools were not listed" };
    not_conformant(format!("it speaks another version: {what}"))
}

/// As much as is looked at of what it says, in quotes.
fn shortened(text: &str) -> String {
    format!("{:?}", looked_at(text))
}

fn not_conformant(message: String) -> Verdict {
    Verdict::new(Outcome::Degraded, Some(Reason::NotConformant), Some(message))
}

/// Of a server of the oldest kind.
pub(super) fn only_liveness(is_open: bool, depth: Depth) -> Verdict {
    if !is_open {
        return Verdict::failed(Reason::InvalidBody, "it no longer opens its stream");
    }
    if depth == Depth::Discover {
        return Verdict::new(Outcome::Ok, None, None);
    }
    let message = "it speaks the old HTTP+SSE transport, of which only liveness is seen: use depth discover";
    not_conformant(message.to_owned())
}
