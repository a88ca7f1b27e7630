//! What a demo has seen of each server, and whether that is as it should be.
//!
//! A fold over events: the same events, the same verdict.

use std::time::{Duration, Instant};

use super::breakage::Break;
use super::line;
use crate::event::Event;

/// A server may be down at the end if its recovery began no longer ago than this.
const RECOVERY_GRACE: Duration = Duration::from_secs(15);

/// What has happened to one server.
pub(crate) struct Track {
    /// Its name.
    pub(crate) name: &'static str,
    /// The last status that the orchestrator published.
    pub(crate) status: String,
    /// What was last said about the end of its process.
    pub(crate) death: Option<String>,
    failures: u32,
    recoveries: u32,
    slowest: Option<Duration>,
    exhausted: bool,
    incident: Option<Incident>,
}

/// A failure that is not over.
struct Incident {
    /// When it began, or when its first attempt did: the later of the two.
    since: Instant,
    attempted: bool,
}

impl Track {
    /// Nothing is known yet.
    pub(crate) fn new(name: &'static str) -> Self {
        let status = "unknown".to_owned();
        Self { name, status, death: None, failures: 0, recoveries: 0, slowest: None, exhausted: false, incident: None }
    }

    /// Whether it serves, impaired or not.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.status.as_str(), "ok" | "degraded")
    }

    /// Takes in an event of this server.
    pub(crate) fn apply(&mut self, event: &Event, now: Instant) {
        match event.kind.as_str() {
            "container_died" => self.death = Some(line::death(event)),
            "server_down" => {
                self.failures += 1;
                self.incident = Some(Incident { since: now, attempted: false });
            }
            "recovery_started" => self.attempt(now),
            "recovery_successful" | "server_recovered" => {
                self.recoveries += 1;
                self.slowest = self.slowest.max(event.duration("recovery_ms"));
                self.close();
            }
            "server_stopped" => self.close(),
            "recovery_exhausted" => self.exhausted = true,
            _ => {}
        }
    }

    fn attempt(&mut self, now: Instant) {
        if let Some(incident) = self.incident.as_mut().filter(|incident| !incident.attempted) {
            *incident = Incident { since: now, attempted: true };
        }
    }

    fn close(&mut self) {
        self.incident = None;
        self.death = None;
    }

    fn complaints(&self, now: Instant) -> Vec<String> {
        let mut all = Vec::new();
        let is_recovering = self.incident.as_ref().is_some_and(|incident| now.duration_since(incident.since) <= RECOVERY_GRACE);
        if !self.is_up() && !is_recovering {
            all.push(format!("{} is {}", self.name, self.status));
        }
        if self.exhausted {
            all.push(format!("{} was given up", self.name));
        }
        all
    }
}

/// How far a planned break has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Not done yet.
    Waiting,
    /// Done, after the event of this number.
    Broken { after_seq: u64 },
    /// The orchestrator has seen it.
    Down,
    /// And the server is back.
    Recovered,
    /// The server refused to be broken.
    Refused(u16),
}

/// A planned break.
pub(crate) struct Breaking {
    pub(crate) plan: Break,
    pub(crate) progress: Progress,
}

impl Breaking {
    /// Takes in an event of this server.
    pub(crate) fn apply(&mut self, event: &Event) {
        self.progress = match (self.progress, event.kind.as_str()) {
            (Progress::Broken { after_seq }, "server_down" | "container_died") if event.seq > after_seq => Progress::Down,
            (Progress::Down, "recovery_successful" | "server_recovered") => Progress::Recovered,
            (progress, _) => progress,
        };
    }

    /// Whether it has begun and the server is not back.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.progress, Progress::Broken { .. } | Progress::Down)
    }

    fn complaint(&self) -> Option<String> {
        let what = match self.progress {
            Progress::Recovered => return None,
            Progress::Waiting => "its turn never came".to_owned(),
            Progress::Broken { .. } => "no failure was detected".to_owned(),
            Progress::Down => "no recovery followed".to_owned(),
            Progress::Refused(status) => format!("the server answered {status} to the order"),
        };
        Some(format!("--break {}: {what}", self.plan))
    }
}

/// Everything that is not as it should be; empty for a good demo.
pub(crate) fn complaints(tracks: &[Track], breaks: &[Breaking], now: Instant) -> Vec<String> {
    let servers = tracks.iter().flat_map(|track| track.complaints(now));
    servers.chain(breaks.iter().filter_map(Breaking::complaint)).collect()
}

/// A line per server.
pub(crate) fn table(tracks: &[Track]) -> String {
    let head = format!("{:<12} {:<9} {:>8} {:>10} {:>9}\n", "server", "status", "failures", "recoveries", "slowest");
    let row = |track: &Track| {
        let slowest = track.slowest.map_or_else(|| "-".to_owned(), line::seconds);
        format!("{:<12} {:<9} {:>8} {:>10} {slowest:>9}\n", track.name, track.status, track.failures, track.recoveries)
    };
    head + &tracks.iter().map(row).collect::<String>()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(seq: u64, kind: &str) -> Event {
        let body = json!({"seq": seq, "event_type": kind, "server_name": "notes", "timestamp": "2026-01-02T03:04:05Z", "recovery_ms": 2500});
        Event::read(body).expect("an event")
    }

    fn track(status: &str) -> Track {
        Track { status: status.into(), ..Track::new("notes") }
    }

    #[test]
    fn a_server_that_went_down_just_now_may_still_be_down() {
        let now = Instant::now();
        let mut track = track("down");
        assert_eq!(track.complaints(now), ["notes is down"]);
        track.apply(&event(1, "server_down"), now);
        assert!(track.complaints(now + RECOVERY_GRACE).is_empty());
        track.apply(&event(2, "recovery_started"), now + Duration::from_secs(1));
        track.apply(&event(3, "recovery_started"), now + Duration::from_secs(12));
        assert_eq!(track.complaints(now + Duration::from_secs(17)), ["notes is down"], "only the first attempt counts");
    }

    #[test]
    fn a_recovery_closes_the_incident_and_is_counted() {
        let now = Instant::now();
        let mut track = track("ok");
        track.apply(&event(1, "server_down"), now);
        track.apply(&event(2, "recovery_successful"), now);
        assert_eq!((track.failures, track.recoveries, track.slowest), (1, 1, Some(Duration::from_millis(2500))));
        assert!(table(&[track]).contains("2.5 s"));
    }

    #[test]
    fn a_server_that_was_given_up_spoils_the_demo_even_when_it_is_back() {
        let mut track = track("ok");
        track.apply(&event(1, "recovery_exhausted"), Instant::now());
        assert_eq!(complaints(&[track], &[], Instant::now()), ["notes was given up"]);
    }

    #[test]
    fn a_break_counts_only_what_comes_after_it() {
        let plan = "notes=crash".parse::<Break>().expect("reads");
        let mut breaking = Breaking { plan, progress: Progress::Broken { after_seq: 5 } };
        breaking.apply(&event(5, "server_down"));
        assert!(breaking.complaint().is_some_and(|text| text.ends_with("no failure was detected")));
        breaking.apply(&event(6, "container_died"));
        breaking.apply(&event(7, "recovery_successful"));
        assert_eq!(breaking.complaint(), None);
    }
}
