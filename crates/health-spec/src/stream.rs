//! What a client of the gateway's stream hears and says (contract, section 6.1).
//!
//! The plain profile has flat objects only: [`Message`]. The profile `mcp-health.v1` has frames: [`Frame`] from the
//! gateway, [`Request`] from the client. A cursor is opaque: it is given back as `?since=`, never looked into.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::status::Observed;
use crate::{Event, ServerView};

/// The WebSocket subprotocol of [`Frame`].
pub const SUBPROTOCOL: &str = "mcp-health.v1";

/// The value of `event_type` for a server's present state, which begins every plain stream.
pub const CURRENT: &str = "current";

/// The value of `event_type` for events that cannot be given any more.
pub const GAP: &str = "gap";

/// A message of the plain profile: a server's present state, an event that concerns a server, or a gap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Message {
    /// [`CURRENT`], [`GAP`], or an event's type.
    pub event_type: String,
    /// The server's id: its name, or `source/name` where two sources have the same name. `null` for a gap.
    pub server: Option<String>,
    /// The server's present status. `null` for a gap.
    pub status: Option<Observed>,
    /// When it happened; when this was true.
    #[serde(with = "crate::time::millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub timestamp: Timestamp,
    /// Where the stream goes on after this message.
    pub cursor: String,
    /// The event's other fields (contract, section 4).
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What the gateway sends in the profile `mcp-health.v1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Frame {
    /// The first frame.
    Hello {
        /// Names this stream in logs.
        stream: String,
        /// The distance between heartbeats, in milliseconds.
        heartbeat_ms: u64,
        /// What a client has to keep to.
        limits: Limits,
    },
    /// The present state of the servers; several of these may follow one another.
    Snapshot {
        /// Where the stream goes on after the last part.
        cursor: String,
        /// These servers, and those of the other parts.
        servers: Vec<ServerView>,
        /// Whether this is the last part.
        last: bool,
    },
    /// Something happened.
    Event {
        /// Where the stream goes on after this.
        cursor: String,
        /// What.
        event: Box<Event>,
        /// The server afterwards, when it concerns one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<Box<ServerView>>,
    },
    /// Nothing happened, and the stream lives.
    Heartbeat {
        /// Where the stream goes on.
        cursor: String,
        /// The gateway's clock.
        #[serde(with = "crate::time::millis")]
        #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
        server_time: Timestamp,
    },
    /// Events that cannot be given any more; a fresh snapshot follows.
    Gap {
        /// The cursor after which they are missing.
        from: String,
        /// The cursor up to which they are missing.
        to: String,
    },
    /// A frame of a later version.
    #[serde(other)]
    Unknown,
}

/// What a client has to keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Limits {
    /// The largest frame that a client may send, in bytes.
    pub max_frame_bytes: u64,
    /// How long a client may make no progress before it is closed, in milliseconds.
    pub stall_ms: u64,
}

/// What a client sends in the profile `mcp-health.v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Show only this from now on; a fresh snapshot follows.
    Subscribe {
        /// An empty filter shows all.
        #[serde(default)]
        filter: Filter,
    },
}

/// What to show; an empty list shows all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Ids of servers.
    pub server: Vec<String>,
    /// Types of events; without any, all but `health_check_completed`.
    pub types: Vec<String>,
    /// Present statuses of servers.
    pub status: Vec<Observed>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_message_keeps_the_fields_of_its_event() {
        let text = r#"{"event_type":"recovery_started","server":"a","status":"down","timestamp":"2026-01-02T03:04:05.000Z","attempt":1,"cursor":"1.s.e.7"}"#;
        let message: Message = serde_json::from_str(text).expect("a message");
        assert_eq!(message.rest["attempt"], 1);
        let written = serde_json::to_value(&message).expect("JSON");
        assert_eq!(written, serde_json::from_str::<Value>(text).expect("JSON"));
    }

    #[test]
    fn a_frame_of_a_later_version_is_unknown_not_an_error() {
        let read = |text| serde_json::from_str::<Frame>(text).expect(text);
        assert_eq!(read(r#"{"type":"weather"}"#), Frame::Unknown);
        assert!(matches!(read(r#"{"type":"gap","from":"a","to":"b"}"#), Frame::Gap { .. }));
        let subscribe: Request = serde_json::from_str(r#"{"type":"subscribe","filter":{"server":["a"]}}"#).expect("a request");
        let Request::Subscribe { filter } = subscribe;
        assert_eq!((filter.server, filter.types), (vec!["a".to_owned()], vec![]));
    }
}
