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
    // The last event may end with the body.
    listener.find(body).or_else(|| alone(&data(&body[listener.event..]), ID))
}

/// Reads a stream as it grows, each byte once: a server may send them one by one.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// Where the event begins that has not ended yet.
    event: usize,
    /// Where its last line does.
    line: usize,
    /// How far there is no other line break.
    read: usize,
}

impl Listener {
    /// Whether the answer has come.
    pub(super) fn is_answered(&mut self, headers: &HeaderMap, body: &[u8]) -> bool {
        is_stream(headers) && self.find(body).is_some()
    }

    /// `body` is all that has come so far.
    fn find(&mut self, body: &[u8]) -> Option<Answered> {
        while let Some(event) = self.next_event(body) {
            if let Some(answer) = alone(&data(event), ID) {
                return Some(answer);
            }
        }
        None
    }

    /// An event ends with an empty line.
    fn next_event<'a>(&mut self, body: &'a [u8]) -> Option<&'a [u8]> {
        while let Some(length) = body[self.read..].iter().position(|byte| *byte == b'\n') {
            let end = self.read + length;
            let content = &body[self.line..end];
            (self.line, self.read) = (end + 1, end + 1);
            if content.is_empty() || content == b"\r" {
                let begin = std::mem::replace(&mut self.event, self.line);
                return Some(&body[begin..end]);
            }
        }
        self.read = body.len();
        None
    }
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
        assert_eq!(first, Some(STREAM.len()));
    }

    /// Each byte was looked at again for every byte after it: minutes of work.
    #[test]
    fn a_long_event_that_comes_byte_by_byte_is_read_once() {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, "text/event-stream".parse().expect("a value"))]);
        let long = format!("data: {{\"id\":1,\"result\":\"{}\"}}", "x".repeat(512 * 1024));
        let mut listener = Listener::default();
        assert!(!(1..=long.len()).any(|length| listener.is_answered(&headers, &long.as_bytes()[..length])));
        assert!(in_stream(long.as_bytes()).is_some(), "its end is the body's");
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
