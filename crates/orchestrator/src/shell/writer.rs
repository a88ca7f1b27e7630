//! Gives what happened its number, its names and its wall time: from the machine's [`Happened`] to an [`Event`].

use health_spec::event::REPO;
use health_spec::{Event, EventKind};

use super::clock::Clock;
use super::view::{Known, incident_id};
use crate::machine::{Fleet, Happened};

/// Numbers events without gaps.
#[derive(Debug)]
pub struct Writer {
    known: Known,
    seq: u64,
    /// The workflow of events whose server names none.
    trace_id: String,
    /// By server, as the registry says.
    trace_ids: Vec<Option<String>>,
}

impl Writer {
    /// Goes on after event `seq`.
    pub fn new(known: Known, seq: u64, trace_id: String, trace_ids: Vec<Option<String>>) -> Self {
        Self { known, seq, trace_id, trace_ids }
    }

    /// The registry has changed: the workflows of its servers, by place in the fleet.
    pub fn set_trace_ids(&mut self, trace_ids: Vec<Option<String>>) {
        self.trace_ids = trace_ids;
    }

    /// A server that an earlier run knew is no longer registered.
    pub fn write_gone(&mut self, name: &str, incident: Option<u64>, clock: &Clock) -> (Event, String) {
        let kind = EventKind::ServerDeregistered;
        let happened = Happened { at: clock.now(), server: None, kind, moment: None, phase: None, incident };
        self.put(&happened, Some(name.to_owned()), None, clock)
    }

    /// The event, and the line that it is.
    pub fn write(&mut self, happened: &Happened, fleet: &Fleet, clock: &Clock) -> (Event, String) {
        let own_trace = happened.server.and_then(|id| self.trace_ids.get(id.0).cloned().flatten());
        let name = happened.server.map(|id| fleet.servers()[id.0].policy().name.clone());
        self.put(happened, name, own_trace, clock)
    }

    fn put(
        &mut self,
        happened: &Happened,
        server_name: Option<String>,
        own_trace: Option<String>,
        clock: &Clock,
    ) -> (Event, String) {
        self.seq += 1;
        let event = Event {
            kind: timed(happened, clock),
            trace_id: own_trace.unwrap_or_else(|| self.trace_id.clone()),
            timestamp: clock.wall_of(happened.at),
            repo: REPO.to_owned(),
            source: self.known.source.clone(),
            epoch: self.known.epoch.clone(),
            seq: self.seq,
            server_name,
            phase: happened.phase,
            incident_id: happened.incident.map(|number| incident_id(&self.known, number)),
            otel_trace_id: None,
            otel_span_id: None,
        };
        #[expect(clippy::expect_used, reason = "events hold strings, numbers and maps with string keys only")]
        let json = serde_json::to_string(&event).expect("an event is JSON");
        (event, json)
    }
}

/// Fills in the timestamp that the machine knows only as a moment.
fn timed(happened: &Happened, clock: &Clock) -> EventKind {
    let moment = happened.moment.map(|at| clock.wall_of(at));
    let mut kind = happened.kind.clone();
    match &mut kind {
        EventKind::ServerDown { first_failure_at, .. } => *first_failure_at = moment,
        EventKind::ServerPaused { until } => *until = moment,
        _ => {}
    }
    kind
}
