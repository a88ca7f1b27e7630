//! What has been counted since the start, for `GET /metrics`: one fold from [`Event`] to numbers.
//!
//! What is so now, such as the state of each server, is not counted but read when somebody asks (`text`). Labels are words of
//! ours, and the server's name; a server that is deregistered takes its numbers with it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use health_spec::{Event, EventKind};

mod text;

pub use text::Format;

/// How long recoveries take, in seconds: the upper ends of the histogram. 120 s is what the ecosystem promises (contract, section 5).
const BUCKETS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0];

/// The numbers.
#[derive(Debug, Default)]
pub struct Metrics {
    counted: Mutex<Counted>,
}

#[derive(Clone, Debug, Default)]
struct Counted {
    servers: BTreeMap<String, OfServer>,
    events: BTreeMap<&'static str, u64>,
    /// By what failed.
    impaired: BTreeMap<String, u64>,
    recoveries: Durations,
}

/// One server's numbers.
#[derive(Clone, Debug, Default)]
struct OfServer {
    /// By result and reason; an answer that is `ok` has no reason. A handful, so that a list is enough.
    probes: Vec<(&'static str, String, u64)>,
    failures: u64,
    successful: u64,
    failed: u64,
    exhausted: u64,
}

/// A histogram over [`BUCKETS`]; the last one is for all that is longer.
#[derive(Clone, Debug, Default)]
struct Durations {
    sum: f64,
    count: u64,
    buckets: [u64; BUCKETS.len() + 1],
}

impl Metrics {
    /// One event more.
    pub fn count(&self, event: &Event) {
        let mut counted = self.counted();
        *counted.events.entry(event.kind.name()).or_default() += 1;
        match (&event.kind, &event.server_name) {
            (EventKind::MonitorImpaired { reason, .. }, _) => *counted.impaired.entry(reason.clone()).or_default() += 1,
            (EventKind::ServerDeregistered, Some(name)) => drop(counted.servers.remove(name)),
            (kind, Some(name)) => {
                // A restart of a server that was not down has brought nothing back, and took no time for it.
                if let (EventKind::RecoverySuccessful { recovery_ms, .. }, Some(_)) = (kind, &event.incident_id) {
                    counted.recoveries.add(*recovery_ms);
                }
                if !counted.servers.contains_key(name) {
                    counted.servers.insert(name.clone(), OfServer::default());
                }
                if let Some(server) = counted.servers.get_mut(name) {
                    server.count(kind);
                }
            }
            _ => {}
        }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OfServer {
    fn count(&mut self, kind: &EventKind) {
        match kind {
            EventKind::HealthCheckCompleted { status, failure, .. } => {
                self.probe(status.as_str(), failure.as_ref().map_or("", |failure| &failure.reason));
            }
            EventKind::ServerDown { .. } => self.failures += 1,
            EventKind::RecoverySuccessful { .. } => self.successful += 1,
            EventKind::RecoveryFailed { .. } => self.failed += 1,
            EventKind::RecoveryExhausted { .. } => self.exhausted += 1,
            _ => {}
        }
    }

    fn probe(&mut self, result: &'static str, reason: &str) {
        if let Some((_, _, count)) = self.probes.iter_mut().find(|known| known.0 == result && known.1 == reason) {
            *count += 1;
            return;
        }
        // Exactly one more: most servers only ever have one.
        self.probes.reserve_exact(1);
        self.probes.push((result, reason.to_owned(), 1));
    }
}

impl Durations {
    fn add(&mut self, milliseconds: u64) {
        let seconds = std::time::Duration::from_millis(milliseconds).as_secs_f64();
        self.sum += seconds;
        self.count += 1;
        self.buckets[BUCKETS.iter().position(|end| seconds <= *end).unwrap_or(BUCKETS.len())] += 1;
    }
}
