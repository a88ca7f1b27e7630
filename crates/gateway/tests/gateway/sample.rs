//! Servers, events and frames.

use gateway::source::Frame;
use health_spec::status::Observed;
use health_spec::{Event, EventKind, Phase, ServerView, Snapshot};
use jiff::Timestamp;

pub(crate) fn at() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().expect("a timestamp")
}

pub(crate) fn server(name: &str, status: Observed) -> ServerView {
    ServerView {
        name: name.into(),
        source: "local".into(),
        status,
        phase: Phase::Healthy,
        since: at(),
        as_of: at(),
        ..ServerView::default()
    }
}

pub(crate) fn event(seq: u64, server: &str, status: Observed) -> Event {
    Event {
        kind: EventKind::StatusChanged { previous_status: Observed::Unknown, status, reason: "check".into() },
        trace_id: "t".into(),
        timestamp: at(),
        repo: health_spec::event::REPO.into(),
        source: "local".into(),
        epoch: "e".into(),
        seq,
        server_name: Some(server.into()),
        phase: None,
        incident_id: None,
        otel_trace_id: None,
        otel_span_id: None,
    }
}

pub(crate) fn snapshot(seq: u64, servers: Vec<ServerView>) -> Snapshot {
    Snapshot { source: "local".into(), epoch: "e".into(), seq, timestamp: at(), config_error: None, servers }
}

pub(crate) fn known(seq: u64, servers: Vec<ServerView>) -> Frame {
    Frame::Snapshot(Box::new(snapshot(seq, servers)))
}

pub(crate) fn said(seq: u64, name: &str, status: Observed) -> Frame {
    Frame::Event { event: Box::new(event(seq, name, status)), view: Some(Box::new(server(name, status))) }
}
