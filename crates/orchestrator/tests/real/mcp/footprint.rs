//! What checks leave behind in servers of every kind: no session, and no more memory than asking for their health.

use std::thread::scope;

use serde_json::Value;

use super::peers::Peer;
use super::tap::{Era, Tap};
use super::{entry, is_well};
use crate::harness::{Events, Orchestrator};

/// Checks that warm a server up.
const WARM: usize = 40;

/// Checks that are measured.
const CHECKS: usize = 160;

const MIB: u64 = 1024 * 1024;

const SETTINGS: &str = "
health_check: {interval_seconds: 0.01, timeout_seconds: 20, start_period_seconds: 0, confirm_interval_seconds: 0.01, success_threshold: 1}
servers:
";

/// One kind of server.
struct Kind {
    start: fn() -> Peer,
    era: Era,
    /// Another one can be asked for its health as often, for comparison.
    has_health: bool,
    /// What it may grow by for reasons of its own: a collector that waits, a cache.
    noise: u64,
}

/// No growth was seen but Node's, whose collector waits: 14 MiB. Left sessions would cost the Python ones 8 to 19 MiB in so many checks.
static KINDS: [Kind; 5] = [
    Kind { start: Peer::fastmcp, era: Era::Modern, has_health: true, noise: 4 * MIB },
    Kind { start: Peer::legacy, era: Era::Sessions, has_health: true, noise: 4 * MIB },
    Kind { start: Peer::rmcp, era: Era::Modern, has_health: true, noise: 4 * MIB },
    Kind { start: Peer::everything, era: Era::Sessions, has_health: false, noise: 32 * MIB },
    Kind { start: Peer::bridge, era: Era::Sessions, has_health: false, noise: 4 * MIB },
];

struct Subject {
    kind: &'static Kind,
    spoken: Peer,
    tap: Tap,
    asked: Option<Peer>,
}

impl Subject {
    fn start(kind: &'static Kind) -> Self {
        let (spoken, asked) = scope(|threads| {
            let asked = threads.spawn(|| kind.has_health.then(kind.start));
            ((kind.start)(), asked.join().expect("it starts"))
        });
        let tap = Tap::to(&spoken.endpoint);
        Self { kind, spoken, tap, asked }
    }

    fn asked_name(&self) -> String {
        format!("{}-asked", self.spoken.name)
    }

    fn entries(&self) -> String {
        let spoken = entry(self.spoken.name, &self.tap.endpoint, "[{kind: mcp, depth: list}]");
        let asked = self.asked.as_ref().map(|asked| entry(&self.asked_name(), &asked.endpoint, "[{kind: http}]"));
        spoken + &asked.unwrap_or_default()
    }

    /// Once both have had so many checks: their memory.
    fn memory_after(&self, events: &mut Events, count: usize) -> (u64, u64) {
        wait_for_checks(events, self.spoken.name, count);
        let Some(asked) = &self.asked else { return (0, self.spoken.memory()) };
        wait_for_checks(events, &self.asked_name(), count);
        (asked.memory(), self.spoken.memory())
    }
}

fn wait_for_checks(events: &mut Events, name: &str, count: usize) {
    let of_it = |event: &Value| event["server_name"] == name && event["event_type"] == "health_check_completed";
    let seen = events.seen.iter().filter(|event| of_it(event)).count();
    for _ in seen..count {
        events.wait_until("a check", of_it);
    }
}

#[test]
fn each_is_spoken_to_in_the_words_of_its_era_and_left_as_it_was() {
    let subjects: Vec<_> = scope(|threads| {
        let starting = KINDS.each_ref().map(|kind| threads.spawn(move || Subject::start(kind)));
        starting.into_iter().map(|starting| starting.join().expect("it starts")).collect()
    });
    let entries: String = subjects.iter().map(Subject::entries).collect();
    let orchestrator = Orchestrator::start_with(&format!("{SETTINGS}{entries}"));
    let mut events = orchestrator.events();
    let before: Vec<_> = subjects.iter().map(|subject| subject.memory_after(&mut events, WARM)).collect();
    let after: Vec<_> = subjects.iter().map(|subject| subject.memory_after(&mut events, WARM + CHECKS)).collect();
    for ((subject, before), after) in subjects.iter().zip(before).zip(after) {
        let Subject { kind, spoken, tap, .. } = subject;
        is_well(&orchestrator, spoken.name);
        assert_eq!(tap.era(), kind.era, "{}", spoken.name);
        assert_eq!(tap.count("initialize"), usize::from(kind.era == Era::Sessions), "sessions of {}", spoken.name);
        let (by_asking, by_speaking) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
        eprintln!("{}: {} KiB by asking, {} KiB by speaking", spoken.name, by_asking / 1024, by_speaking / 1024);
        assert!(by_speaking <= by_asking + kind.noise, "{} grew by {by_asking} when asked, by {by_speaking}", spoken.name);
    }
}
