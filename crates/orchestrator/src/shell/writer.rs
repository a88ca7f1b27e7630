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

    /// The event, and the line that it is.
    ///
    /// # Panics
    /// Never: an event always serialises.
    pub fn write(&mut self, happened: &Happened, fleet: &Fleet, clock: &Clock) -> (Event, String) {
        self.seq += 1;
        let own_trace = happened.server.and_then(|id| self.trace_ids.get(id.0).cloned().flatten());
        let event = Event {
            kind: timed(happened, clock),
            trace_id: own_trace.unwrap_or_else(|| self.trace_id.clone()),
            timestamp: clock.wall_of(happened.at),
            repo: REPO.to_owned(),
            source: self.known.source.clone(),
            epoch: self.known.epoch.clone(),
            seq: self.seq,
            server_name: happened.server.map(|id| fleet.servers()[id.0].policy().name.clone()),
            phase: happened.phase,
            incident_id: happened.incident.map(|number| incident_id(&self.known, number)),
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
