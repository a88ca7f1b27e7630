//! Servers and events for unit tests.

use health_spec::status::Observed;
use health_spec::{Event, EventKind, Phase, ServerView, Snapshot, Status};
use jiff::Timestamp;

use crate::source::Frame;

pub(crate) fn at() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().expect("a timestamp")
}

pub(crate) fn server(name: &str, status: Observed) -> ServerView {
    ServerView {
        name: name.into(),
        source: "s".into(),
        status,
        phase: Phase::Healthy,
        since: at(),
        as_of: at(),
        ..ServerView::default()
    }
}

pub(crate) fn event(seq: u64, server: &str) -> Event {
    Event {
        kind: EventKind::ServerResumed,
        trace_id: "t".into(),
        timestamp: at(),
        repo: health_spec::event::REPO.into(),
        source: "s".into(),
        epoch: "e".into(),
        seq,
        server_name: Some(server.into()),
        phase: None,
        incident_id: None,
        otel_trace_id: None,
        otel_span_id: None,
    }
}

pub(crate) fn check(status: Status) -> EventKind {
    EventKind::HealthCheckCompleted { status, response_time_ms: 3, checks: std::collections::BTreeMap::default(), failure: None }
}

/// A snapshot of source `s`, epoch `e`.
pub(crate) fn snapshot(seq: u64, servers: &[&str]) -> Frame {
    let servers = servers.iter().map(|name| server(name, Observed::Ok)).collect();
    Frame::Snapshot(Box::new(Snapshot {
        source: "s".into(),
        epoch: "e".into(),
        seq,
        timestamp: at(),
        config_error: None,
        servers,
    }))
}

/// An event of source `s`, epoch `e`, after which the server has this status.
pub(crate) fn said(seq: u64, name: &str, status: Observed) -> Frame {
    Frame::Event { event: Box::new(event(seq, name)), view: Some(Box::new(server(name, status))) }
}

/// The source cannot be reached.
pub(crate) fn lost() -> Frame {
    Frame::Lost { reason: "connection refused".into() }
}
