//! The orchestrator's events as a reader outside sees them (contract, sections 4 and 5).
//!
//! Read loosely on purpose: unknown types and fields are ignored, as the contract asks of every reader.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::api::Client;

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Its number within the source's log.
    pub(crate) seq: u64,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// `event_type`.
    pub(crate) kind: String,
    /// The server concerned; empty when there is none.
    pub(crate) server: String,
    body: Value,
}

impl Event {
    /// `None` when a field is missing that every event has.
    pub(crate) fn read(body: Value) -> Option<Self> {
        let text = |key: &str| Some(body.get(key)?.as_str()?.to_owned());
        let seq = body.get("seq")?.as_u64()?;
        let at = text("timestamp")?.parse().ok()?;
        let kind = text("event_type")?;
        let server = text("server_name").unwrap_or_default();
        Some(Self { seq, at, kind, server, body })
    }

    /// A string field, empty when it is not there.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.body.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A whole number.
    pub(crate) fn number(&self, key: &str) -> Option<i64> {
        self.body.get(key)?.as_i64()
    }

    /// A flag, false when it is not there.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.body.get(key).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A field of milliseconds.
    pub(crate) fn duration(&self, key: &str) -> Option<Duration> {
        Some(Duration::from_millis(self.body.get(key)?.as_u64()?))
    }
}

/// Follows the log page by page.
pub(crate) struct Log {
    client: Client,
    url: String,
    since: u64,
}

impl Log {
    /// From the beginning; `api` is the orchestrator's address with its scheme.
    pub(crate) fn new(api: &str) -> Self {
        Self { client: Client::new(Duration::from_secs(5)), url: format!("{api}/events"), since: 0 }
    }

    /// What has happened since the last call.
    pub(crate) fn read(&mut self) -> Result<Vec<Event>, String> {
        const PAGE: usize = 500;
        let mut all = Vec::new();
        loop {
            let page = self.page(PAGE)?;
            let is_last = page.len() < PAGE;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    fn page(&mut self, limit: usize) -> Result<Vec<Event>, String> {
        let mut page = self.client.json(&format!("{}?since={}&limit={limit}", self.url, self.since))?;
        let Some(Value::Array(events)) = page.get_mut("events").map(Value::take) else {
            return Err(format!("{}: no `events` in the page", self.url));
        };
        let events = events.into_iter().map(|body| Event::read(body).ok_or("an event without seq, timestamp or type"));
        let events = events.collect::<Result<Vec<_>, _>>()?;
        if let Some(early) = events.iter().find(|event| event.seq <= self.since) {
            return Err(format!("event {} came again after {}", early.seq, self.since));
        }
        self.since = events.last().map_or(self.since, |event| event.seq);
        Ok(events)
    }
}
