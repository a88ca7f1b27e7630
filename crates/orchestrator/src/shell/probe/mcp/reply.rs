//! What comes back: a JSON-RPC answer, alone or in a stream of server-sent events.

use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::message::ID;
use crate::shell::probe::http::text;
use crate::shell::probe::line::Raw;

/// An answer of the server.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// The answer to the request, if the body holds one.
    pub(super) answer: Option<Answered>,
    /// More came than is read.
    pub(super) is_cut: bool,
}

/// A JSON-RPC answer.
#[derive(Debug, Deserialize)]
pub(super) struct Answered {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    pub(super) result: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) error: Option<RpcError>,
}

/// Its error.
#[derive(Debug, Deserialize)]
pub(super) struct RpcError {
    #[serde(default)]
    pub(super) code: i64,
    #[serde(default)]
    pub(super) message: String,
}

impl Reply {
    pub(super) fn of(raw: Raw, most: usize) -> Self {
        let answer = if is_stream(&raw.headers) { in_stream(&raw.body) } else { alone(&raw.body, ID) };
        Self { status: raw.status, headers: raw.headers, answer, is_cut: raw.body.len() > most }
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn error_code(&self) -> Option<i64> {
        self.answer.as_ref()?.error.as_ref().map(|error| error.code)
    }

    pub(super) fn has_result(&self) -> bool {
        self.is_success() && self.answer.as_ref().is_some_and(|answer| answer.result.is_some())
    }
}

impl Answered {
    /// One that is meant: an error may come without an id when the server could not read the request.
    fn is_ours(&self, id: u64) -> bool {
        let is_answer = self.result.is_some() || self.error.is_some();
        is_answer
            && (self.id.as_u64() == Some(id)
                || self.id.as_str() == Some(&*id.to_string())
                || (self.id.is_null() && self.error.is_some()))
    }
}

/// One message, or a batch of them.
pub(super) fn alone(body: &[u8], id: u64) -> Option<Answered> {
    // A list would pass for one message whose fields it names in order.
    if body.trim_ascii_start().starts_with(b"[") {
        return serde_json::from_slice::<Vec<Answered>>(body).ok()?.into_iter().find(|answer| answer.is_ours(id));
    }
    serde_json::from_slice::<Answered>(body).ok().filter(|answer| answer.is_ours(id))
}

fn is_stream(headers: &HeaderMap) -> bool {
    text(headers, &CONTENT_TYPE).is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/event-stream"))
}

/// The answer among the events; what primes the stream, and notifications, are passed over.
fn in_stream(body: &[u8]) -> Option<Answered> {
    let mut listener = Listener::default();
    listener.find(body)
}

/// Reads a stream as it grows, each event once.
#[derive(Debug, Default)]
pub(super) struct Listener {
    read: usize,
}

impl Listener {
    /// Whether the answer has come.
    pub(super) fn is_answered(&mut self, headers: &HeaderMap, body: &[u8]) -> bool {
        is_stream(headers) && self.find(body).is_some()
    }

    /// `body` is all that has come so far. An event ends with an empty line, or with the body.
    fn find(&mut self, body: &[u8]) -> Option<Answered> {
        while let Some(length) = event_end(&body[self.read..]) {
            let event = &body[self.read..self.read + length];
            self.read += length;
            if let Some(answer) = alone(&data(event), ID) {
                return Some(answer);
            }
        }
        alone(&data(&body[self.read..]), ID)
    }
}

/// Where the first event ends, its empty line included.
fn event_end(text: &[u8]) -> Option<usize> {
    let mut line = 0;
    for (at, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        let content = &text[line..at];
        if content.is_empty() || content == b"\r" {
            return Some(at + 1);
        }
        line = at + 1;
    }
    None
}

/// Its data lines, joined.
fn data(event: &[u8]) -> Vec<u8> {
    let lines = event.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let values = lines.filter_map(|line| line.strip_prefix(b"data:")).map(|value| value.strip_prefix(b" ").unwrap_or(value));
    values.collect::<Vec<_>>().join(&b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "id: 0\nretry: 3000\ndata:\n\n: keep\n\nevent: message\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\r\n\r\n\
                          data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\"result\":{}}\n\n";

    #[test]
    fn the_answer_is_found_among_the_events() {
        assert!(in_stream(STREAM.as_bytes()).is_some_and(|answer| answer.result.is_some()));
        let before = &STREAM[..STREAM.len() - 12];
        assert!(in_stream(before.as_bytes()).is_none());
    }

    #[test]
    fn a_stream_is_read_as_it_grows() {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, "text/event-stream; charset=utf-8".parse().expect("a value"))]);
        let mut listener = Listener::default();
        let first = (1..=STREAM.len()).find(|length| listener.is_answered(&headers, &STREAM.as_bytes()[..*length]));
        assert!(first.is_some_and(|length| length >= STREAM.len() - 2), "{first:?}");
    }

    #[test]
    fn only_our_own_answer_counts() {
        let ours = |text: &str| alone(text.as_bytes(), ID).is_some();
        assert!(ours(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#));
        assert!(ours(r#"[{"jsonrpc":"2.0","id":7,"result":{}},{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"x"}}]"#));
        assert!(!ours(r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"x"}}"#));
        assert!(ours(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"x"}}"#));
        assert!(!ours(r#"{"jsonrpc":"2.0","id":2,"result":{}}"#));
        assert!(!ours(r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#));
        assert!(!ours("ok") && !ours("") && !ours("[]"));
    }
}
