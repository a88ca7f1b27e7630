//! What the laws once found, each told in a few lines.

use std::time::Duration;

use orchestrator::machine::policy::{Policy, Purpose, compile};
use orchestrator::machine::{Death, Mono, Word};
use orchestrator::sim::twist::{Change, Turn, Twist};
use orchestrator::sim::{Setting, Trace, World};

fn policies(text: &str) -> Vec<Policy> {
    compile(&serde_saphyr::from_str(text).expect("it reads"), Purpose::Simulate).expect("it compiles")
}

fn turn(milliseconds: u64, server: &str, change: Change) -> Turn {
    Turn { at: at(milliseconds), twist: Twist::Server(server.to_owned(), change) }
}

fn at(milliseconds: u64) -> Mono {
    Mono(Duration::from_millis(milliseconds))
}

fn play(policies: Vec<Policy>, turns: Vec<Turn>, end: u64) -> Trace {
    World::of(policies, turns, at(end * 1_000), Setting::default()).traced().run()
}

fn said(trace: &Trace, event: &str) -> usize {
    trace.lines.iter().filter(|line| line.kind.name() == event).count()
}

/// The time of the witnesses was up at the very moment at which an attempt fell due: neither went first, for ever. And all being suspect
/// in the same second, there was nobody to ask.
#[test]
fn what_strikes_all_at_once_is_a_storm_and_has_an_end() {
    let policies =
        policies("{servers: [{name: a}, {name: b}, {name: c}, {name: d}, {name: e}], recovery: {backoff: {schedule: [5]}}}");
    let hang = |name: &&str| turn(60_000, name, Change::Becomes(health_spec::config::Becomes::Hang));
    let trace = play(policies, ["a", "b", "c", "d", "e"].iter().map(hang).collect(), 125);
    assert_eq!((said(&trace, "recovery_started"), said(&trace, "recovery_held")), (0, 5), "{}", trace.table());
}

/// A stopped server that is killed and stopped again was taken for dead, or never looked at again.
#[test]
fn a_stopped_server_that_is_stopped_again_stays_stopped_and_is_looked_at() {
    let died = || Change::Says(Word::Died(Death { exit_code: Some(143), ..Death::default() }));
    let turns = vec![
        turn(10_000, "a", Change::Says(Word::Stopped)),
        turn(20_000, "a", Change::Says(Word::Killed)),
        turn(20_100, "a", died()),
        turn(20_200, "a", Change::Says(Word::Stopped)),
    ];
    let trace = play(policies("servers: [{name: a}]"), turns, 300);
    assert_eq!(said(&trace, "server_down"), 0, "{}", trace.table());
    assert!(trace.summary["a"].checks > 8, "{}", trace.table());
}

/// One free place among `max_concurrent` let all go on that waited for it, to be held again.
#[test]
fn a_free_place_lets_one_go_on() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let list: Vec<_> = names.iter().map(|name| format!("{{name: {name}}}")).collect();
    let policies = policies(&format!("servers: [{}]", list.join(", ")));
    let dies = |name: &&str| turn(60_000, name, Change::Says(Word::Died(Death::default())));
    let trace = play(policies, names.iter().map(dies).collect(), 120);
    assert_eq!((said(&trace, "recovery_held"), said(&trace, "recovery_released")), (4, 4), "{}", trace.table());
    assert_eq!(said(&trace, "recovery_successful"), 8, "{}", trace.table());
}
