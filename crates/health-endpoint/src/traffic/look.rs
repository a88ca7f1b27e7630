//! Reads what an answer's frames tell about a call, in passing: nothing is kept, delayed or changed.
//!
//! A message that is split over frames, or larger than the limit, tells nothing.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use memchr::memmem::Finder;
use serde::Deserialize;

use super::window::Outcome;

/// Larger frames are not looked at: what they cost could be noticed.
const LARGEST_FRAME: usize = 64 * 1024;
/// Where `"result":{` must begin: behind `jsonrpc` and an `id`.
const HEAD: usize = 256;

static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""error""#));
static IS_ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""isError""#));
static RESULT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""result":{"#));

/// How the results begin that are no work: `ping`, `initialize`, and the lists.
const SMALL_TALK: [&[u8]; 6] =
    [b"}", br#""protocolVersion":"#, br#""tools":["#, br#""resources":["#, br#""resourceTemplates":["#, br#""prompts":["#];

/// Internal error, and what implementations may use for their own (JSON-RPC 2.0, section 5.1; MCP reserves -32020 to -32099).
const INTERNAL_ERROR: i64 = -32603;
const SERVER_ERRORS: RangeInclusive<i64> = -32019..=-32000;
/// Resource not found: in that range, and the client's.
const NOT_FOUND: i64 = -32002;

/// How an answer carries JSON-RPC messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// The body is one message.
    Json,
    /// Server-sent events, one message each.
    Events,
}

impl Format {
    /// None for an answer that carries no messages.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let media_type = headers.get(CONTENT_TYPE)?.as_bytes();
        [(&b"application/json"[..], Self::Json), (b"text/event-stream", Self::Events)]
            .into_iter()
            .find_map(|(prefix, format)| media_type.starts_with(prefix).then_some(format))
    }

    /// What this frame tells: a failure, that this is no sample, or nothing.
    pub(super) fn look(self, frame: &[u8]) -> Option<Outcome> {
        if frame.len() > LARGEST_FRAME {
            return None;
        }
        if ERROR.find(frame).is_none() && !claims_error(frame) {
            return is_small_talk(frame).then_some(Outcome::Neutral);
        }
        match self {
            Self::Json => read(frame),
            Self::Events => frame.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:")).find_map(read),
        }
    }
}

/// Most answers say `"isError":false`.
fn claims_error(frame: &[u8]) -> bool {
    let Some(at) = IS_ERROR.find(frame) else { return false };
    let value = frame[at + IS_ERROR.needle().len()..].trim_ascii_start();
    !value.strip_prefix(b":").is_some_and(|value| value.trim_ascii_start().starts_with(b"false"))
}

fn is_small_talk(frame: &[u8]) -> bool {
    let head = &frame[..frame.len().min(HEAD)];
    let Some(at) = RESULT.find(head) else { return false };
    let result = &frame[at + RESULT.needle().len()..];
    SMALL_TALK.iter().any(|beginning| result.starts_with(beginning))
}

/// The parts of a JSON-RPC answer that tell who failed; all others are skipped over.
#[derive(Deserialize)]
struct Answer {
    error: Option<RpcError>,
    result: Option<ToolResult>,
}

#[derive(Deserialize)]
struct RpcError {
    code: i64,
}

#[derive(Deserialize)]
struct ToolResult {
    #[serde(rename = "isError", default)]
    is_error: bool,
}

fn read(message: &[u8]) -> Option<Outcome> {
    let answer: Answer = serde_json::from_slice(message).ok()?;
    match answer {
        Answer { error: Some(RpcError { code }), .. } if is_servers_fault(code) => Some(Outcome::Failed),
        Answer { error: Some(_), .. } => Some(Outcome::Neutral),
        Answer { result: Some(ToolResult { is_error: true }), .. } => Some(Outcome::Failed),
        _ => None,
    }
}

fn is_servers_fault(code: i64) -> bool {
    code == INTERNAL_ERROR || SERVER_ERRORS.contains(&code) && code != NOT_FOUND
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rpc_error(code: i64) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"m"}}}}"#)
    }

    fn result(result: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)
    }

    fn cases() -> Vec<(String, Option<Outcome>)> {
        use Outcome::{Failed, Neutral};
        let mut cases = vec![
            (result(r#"{"content":[{"type":"text","text":"ok"}],"isError":false}"#), None),
            (result(r#"{"content":[{"type":"text","text":"{\"error\":{\"code\":-32603}}"}]}"#), None),
            (result(r#"{"content":[],"isError":true}"#), Some(Failed)),
            (result(r#"{"structuredContent":{"isError":false},"isError": true}"#), None),
            (result(r#"{"content":[{"error":"nested"}],"isError":true}"#), Some(Failed)),
            (result(r#"{"structuredContent":{"error":"nested"}}"#), None),
            (result("{}"), Some(Neutral)),
            (result(r#"{"protocolVersion":"2025-11-25","capabilities":{}}"#), Some(Neutral)),
            (result(r#"{"tools":[{"name":"a"}]}"#), Some(Neutral)),
            (result(r#"{"contents":[]}"#), None),
            (r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#.to_owned(), None),
            (r#"{"jsonrpc":"2.0","id":1,"error":"#.to_owned(), None),
        ];
        for code in [-32603, -32000, -32001, -32019] {
            cases.push((rpc_error(code), Some(Failed)));
        }
        for code in [-32700, -32600, -32601, -32602, -32002, -32020, -32021, -32022, -32042, -32099, -1, 1] {
            cases.push((rpc_error(code), Some(Neutral)));
        }
        cases
    }

    #[test]
    fn a_failure_is_the_servers_and_nothing_else() {
        for (message, expected) in cases() {
            assert_eq!(Format::Json.look(message.as_bytes()), expected, "{message}");
        }
    }

    #[test]
    fn events_are_read_line_by_line() {
        for (message, expected) in cases() {
            let frame = format!("id: 7\nevent: message\ndata: {message}\n\n");
            assert_eq!(Format::Events.look(frame.as_bytes()), expected, "{frame}");
        }
    }

    #[test]
    fn the_first_event_may_be_a_notification() {
        let frame = format!("data: {{\"method\":\"notifications/message\"}}\n\ndata: {}\n\n", rpc_error(-32603));
        assert_eq!(Format::Events.look(frame.as_bytes()), Some(Outcome::Failed));
    }

    #[test]
    fn large_frames_pass_unread() {
        let message = format!("{}{}", rpc_error(-32603), " ".repeat(LARGEST_FRAME));
        assert_eq!(Format::Json.look(message.as_bytes()), None);
    }

    #[test]
    fn the_media_type_decides_how_it_is_read() {
        let cases = [
            ("application/json", Some(Format::Json)),
            ("application/json; charset=utf-8", Some(Format::Json)),
            ("text/event-stream", Some(Format::Events)),
            ("text/plain", None),
        ];
        for (media_type, expected) in cases {
            assert_eq!(Format::of(&HeaderMap::from_iter([(CONTENT_TYPE, media_type.parse().unwrap())])), expected);
        }
        assert_eq!(Format::of(&HeaderMap::new()), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(frame in prop::collection::vec(any::<u8>(), 0..200), tail in "(\"error\"|\"isError\"|\"result\":\\{|data:|[ :{}\n])*") {
            let frame = [frame, tail.into_bytes()].concat();
            let _ = (Format::Json.look(&frame), Format::Events.look(&frame));
        }
    }
}
