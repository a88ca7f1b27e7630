//! Messages of the plain stream profile (contract, section 6.1): flat objects that always have `event_type`,
//! `server`, `status`, `timestamp` and `cursor`.
//!
//! A message is encoded once, for every client. The cursor comes last, so that a client that resumed from
//! somewhere else can be given its own without encoding the rest again.

use std::sync::Arc;

use bytes::Bytes;
use health_spec::status::Observed;
use health_spec::{Event, EventKind, ServerView};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::cursor::{self, Places};

/// What stands behind the cursor.
const END: &[u8] = b"\"}";

/// One message, as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    bytes: Bytes,
    cursor_at: usize,
}

/// An event, ready to be sent, with what filters ask about.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// What is sent.
    pub(crate) text: Text,
    /// The event's `event_type`.
    pub(crate) event_type: Box<str>,
    /// The server's source and name.
    pub(crate) server: (Arc<str>, Box<str>),
    /// The server's status afterwards.
    pub(crate) status: Observed,
}

/// The fields that every message has, in front.
#[derive(Serialize)]
struct Head<'a> {
    event_type: &'a str,
    server: Option<&'a str>,
    status: Option<Observed>,
    timestamp: String,
}

impl Text {
    fn new(head: &Head<'_>, mut rest: Map<String, Value>, cursor: &str) -> Self {
        for taken in ["event_type", "server", "status", "timestamp", "cursor"] {
            rest.remove(taken);
        }
        let mut text = json!(head).to_string();
        text.pop();
        let rest = Value::Object(rest).to_string();
        if rest.len() > 2 {
            text.push(',');
            text.push_str(&rest[1..rest.len() - 1]);
        }
        text.push_str(r#","cursor":""#);
        let cursor_at = text.len();
        text.push_str(cursor);
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(END);
        Self { bytes: bytes.into(), cursor_at }
    }

    /// The same message with another cursor.
    pub(crate) fn with_cursor(&self, places: &Places) -> Self {
        let mut bytes = self.bytes[..self.cursor_at].to_vec();
        bytes.extend_from_slice(cursor::encode(places).as_bytes());
        bytes.extend_from_slice(END);
        Self { bytes: bytes.into(), cursor_at: self.cursor_at }
    }

    /// The JSON object. It has no line breaks.
    pub(crate) fn json(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The cursor within it.
    pub(crate) fn cursor(&self) -> &[u8] {
        &self.bytes[self.cursor_at..self.bytes.len() - END.len()]
    }
}

/// An event about the server that goes by `label`, with its status afterwards. `fields` is all of the event.
pub(crate) fn event(event: &Event, mut fields: Map<String, Value>, label: &str, status: Observed, places: &Places) -> Message {
    let event_type = match (&event.kind, fields.get("event_type")) {
        (EventKind::Unknown, Some(Value::String(sent))) => sent.clone(),
        (kind, _) => kind.name().to_owned(),
    };
    if let EventKind::HealthCheckCompleted { status, .. } = event.kind {
        fields.insert("verdict".into(), json!(status));
    }
    let timestamp = format!("{:.3}", event.timestamp);
    let head = Head { event_type: &event_type, server: Some(label), status: Some(status), timestamp };
    Message {
        text: Text::new(&head, fields, &cursor::encode(places)),
        event_type: event_type.into(),
        server: (event.source.as_str().into(), event.server_name.as_deref().unwrap_or_default().into()),
        status,
    }
}

/// The present state of the server that goes by `label`.
pub(crate) fn current(view: &ServerView, label: &str, places: &Places) -> Text {
    let timestamp = format!("{:.3}", view.as_of);
    let head = Head { event_type: "current", server: Some(label), status: Some(view.status), timestamp };
    let fields = [
        ("server_name", json!(view.name)),
        ("source", json!(view.source)),
        ("group", json!(view.group)),
        ("phase", json!(view.phase)),
        ("reason", json!(view.reason)),
        ("since", json!(format!("{:.3}", view.since))),
        ("requires_manual", json!(view.requires_manual)),
        ("incident_id", json!(view.incident_id)),
        ("stale", json!(view.stale)),
    ];
    Text::new(&head, fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect(), &cursor::encode(places))
}

/// Events of `source` that cannot be given any more; numbers are left out when they mean nothing any more.
pub(crate) fn gap(source: &str, missing: Option<(u64, u64)>, at: Timestamp, places: &Places) -> Text {
    let head = Head { event_type: "gap", server: None, status: None, timestamp: format!("{at:.3}") };
    let mut fields = Map::from_iter([("source".to_owned(), json!(source))]);
    if let Some((from, to)) = missing {
        fields.insert("from".into(), json!(from));
        fields.insert("to".into(), json!(to));
    }
    Text::new(&head, fields, &cursor::encode(places))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::cursor::Place;
    use crate::machine::sample;

    fn read(text: &Text) -> Value {
        serde_json::from_slice(&text.json()).expect("JSON")
    }

    fn places(seq: u64) -> Vec<Option<Place>> {
        vec![Some(Place { source: "s".into(), epoch: "e".into(), seq })]
    }

    #[test]
    fn every_message_has_the_five_fields_and_its_cursor() {
        let happened = sample::event(7, "a");
        let Value::Object(fields) = json!(happened) else { panic!("an object") };
        let message = event(&happened, fields, "s/a", Observed::Degraded, &places(7));
        let texts = [
            message.text.clone(),
            current(&sample::server("a", Observed::Ok), "a", &places(7)),
            gap("s", Some((1, 6)), happened.timestamp, &places(7)),
        ];
        for text in texts {
            let json = read(&text);
            for field in ["event_type", "server", "status", "timestamp", "cursor"] {
                assert!(json.get(field).is_some(), "{field} in {json}");
            }
            assert_eq!(json["cursor"], "1.s.e.7");
            assert_eq!(text.cursor(), b"1.s.e.7");
        }
        let json = read(&message.text);
        assert_eq!((&json["server"], &json["server_name"], &json["status"]), (&json!("s/a"), &json!("a"), &json!("degraded")));
    }

    #[test]
    fn a_client_can_be_given_its_own_cursor() {
        let text = current(&sample::server("a", Observed::Ok), "a", &places(7)).with_cursor(&places(12));
        assert_eq!(read(&text)["cursor"], "1.s.e.12");
        assert_eq!(text.cursor(), b"1.s.e.12");
    }

    #[test]
    fn an_event_of_a_later_version_keeps_its_type_and_fields() {
        let line = r#"{"event_type":"server_teleported","to":"mars","trace_id":"t","timestamp":"2026-01-02T03:04:05Z","repo":"r","source":"s","epoch":"e","seq":1,"server_name":"a"}"#;
        let happened: Event = serde_json::from_str(line).expect("an event");
        let message = event(&happened, serde_json::from_str(line).expect("fields"), "a", Observed::Ok, &places(1));
        assert_eq!(&*message.event_type, "server_teleported");
        assert_eq!(read(&message.text)["event_type"], "server_teleported");
        assert_eq!(read(&message.text)["to"], "mars");
    }

    #[test]
    fn the_finding_of_a_check_stands_beside_the_present_status() {
        let mut happened = sample::event(1, "a");
        happened.kind = sample::check(health_spec::Status::Down);
        let Value::Object(fields) = json!(happened) else { panic!("an object") };
        let json = read(&event(&happened, fields, "a", Observed::Ok, &places(1)).text);
        assert_eq!((&json["status"], &json["verdict"]), (&json!("ok"), &json!("down")));
    }
}
