//! What checks leave behind in servers of every kind: no session, and no more memory than asking for their health.

use std::thread::scope;

use serde_json::Value;

use super::peers::{Peer, memory_of, piped};
use super::tap::{Era, Tap};
use super::{entry, is_well};
use crate::harness::{Events, Orchestrator, until};

/// Checks that warm a server up.
const WARM: usize = 40;

/// Checks that are measured, unless `MCP_HEALTH_TEST_CHECKS` says how many: `cargo xtask soak --checks 1000` does.
const CHECKS: usize = 160;

/// Checks in one session, before another one takes its place.
const IN_ONE: usize = 100;

const MIB: u64 = 1024 * 1024;

const SETTINGS: &str = "
health_check: {interval_seconds: 0.01, timeout_seconds: 20, start_period_seconds: 0, confirm_interval_seconds: 0.01, success_threshold: 1}
recovery: {enabled: false}
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

/// Left sessions would cost 41 to 120 MB in a thousand checks, and one that is kept for ever 14 MB of server-everything. In fewer it is the
/// sessions themselves that tell.
static KINDS: [Kind; 6] = [
    Kind { start: Peer::fastmcp, era: Era::Modern, has_health: true, noise: PYTHON },
    Kind { start: Peer::legacy, era: Era::Sessions, has_health: true, noise: PYTHON },
    Kind { start: Peer::stateless, era: Era::Stateless, has_health: true, noise: PYTHON },
    Kind { start: Peer::rmcp, era: Era::Modern, has_health: true, noise: 4 * MIB },
    Kind { start: Peer::everything, era: Era::Sessions, has_health: false, noise: 4 * MIB },
    Kind { start: Peer::bridge, era: Era::Sessions, has_health: false, noise: PYTHON },
];

const PYTHON: u64 = 4 * MIB;

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

    /// Once both have had so many checks.
    fn after(&self, events: &mut Events, count: usize) -> State {
        wait_for_checks(events, self.spoken.name, count);
        let asked = self.asked.as_ref().map_or(0, |asked| {
            wait_for_checks(events, &self.asked_name(), count);
            asked.memory()
        });
        State { asked, spoken: self.spoken.memory() }
    }
}

/// The memory of both.
struct State {
    asked: u64,
    spoken: u64,
}

fn wait_for_checks(events: &mut Events, name: &str, count: usize) {
    let of_it = |event: &Value| event["server_name"] == name && event["event_type"] == "health_check_completed";
    let seen = events.seen.iter().filter(|event| of_it(event)).count();
    for _ in seen..count {
        events.wait_until("a check", of_it);
    }
}

/// How many checks are measured.
fn checks() -> usize {
    std::env::var("MCP_HEALTH_TEST_CHECKS").map_or(CHECKS, |count| count.parse().expect("a number"))
}

#[test]
fn each_is_spoken_to_in_the_words_of_its_era_and_left_as_it_was() {
    let subjects: Vec<_> = scope(|threads| {
        let starting = KINDS.each_ref().map(|kind| threads.spawn(move || Subject::start(kind)));
        starting.into_iter().map(|starting| starting.join().expect("it starts")).collect()
    });
    let entries: String = subjects.iter().map(Subject::entries).collect();
    let mut orchestrator = Orchestrator::start_with(&format!("{SETTINGS}{entries}"));
    let mut events = orchestrator.events();
    let before: Vec<_> = subjects.iter().map(|subject| subject.after(&mut events, WARM)).collect();
    let after: Vec<_> = subjects.iter().map(|subject| subject.after(&mut events, WARM + checks())).collect();
    for ((subject, before), after) in subjects.iter().zip(before).zip(after) {
        let Subject { kind, spoken, tap, .. } = subject;
        is_well(&orchestrator, spoken.name);
        assert_eq!(tap.era(), kind.era, "{}", spoken.name);
        let sessions = usize::from(kind.era == Era::Sessions);
        let (initialized, lists) = (tap.count("initialize"), tap.count("tools/list"));
        assert!(initialized <= sessions * (1 + lists / IN_ONE), "{initialized} sessions of {} in {lists}", spoken.name);
        // One that is being replaced aside.
        until(&format!("{sessions} of {}", spoken.name), || (tap.opened() == tap.ended() + sessions).then_some(()));
        let (by_asking, by_speaking) = (after.asked.saturating_sub(before.asked), after.spoken.saturating_sub(before.spoken));
        eprintln!("{}: {} KiB by asking, {} KiB by speaking", spoken.name, by_asking / 1024, by_speaking / 1024);
        assert!(by_speaking <= by_asking + kind.noise, "{} grew by {by_asking} when asked, by {by_speaking}", spoken.name);
    }
    assert!(orchestrator.stop().success());
    for Subject { spoken, tap, .. } in &subjects {
        until(&format!("every session of {} is ended", spoken.name), || (tap.ended() == tap.opened()).then_some(()));
    }
}

#[test]
fn children_that_are_spoken_to_over_their_pipes_do_not_grow() {
    let directory = tempfile::tempdir().expect("a directory");
    let runtimes = piped(directory.path());
    let names = ["old", "new"];
    let entries = names.iter().zip(runtimes).map(|(name, runtime)| {
        let probes = "probes: [{kind: mcp, depth: list}], health_check: {start_period_seconds: 40}";
        format!("  - {{name: {name}, runtime: {runtime}, {probes}}}\n")
    });
    let orchestrator = Orchestrator::start_with(&format!("{SETTINGS}{}", entries.collect::<String>()));
    for name in names {
        is_well(&orchestrator, name);
    }
    let mut events = orchestrator.events_from_now();
    let mut grown = |count: usize| {
        names.map(|name| {
            wait_for_checks(&mut events, name, count);
            memory_of(orchestrator.pid_of(name))
        })
    };
    let (before, after) = (grown(WARM), grown(WARM + checks()));
    for ((name, before), after) in names.iter().zip(before).zip(after) {
        eprintln!("{name}: {} KiB", after.saturating_sub(before) / 1024);
        assert!(after <= before + PYTHON, "{name}: from {before} to {after}");
    }
}
