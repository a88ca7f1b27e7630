//! What the laws once found, each told in a few lines.

use std::time::Duration;

use health_spec::config::Seconds;
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

/// With a disk, so that a crash forgets only what nobody wrote.
fn play_on_a_disk(text: &str, turns: Vec<Turn>, end: u64) -> Trace {
    World::of(policies(text), turns, at(end * 1_000), Setting { durable: true, ..Setting::default() }).traced().run()
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

/// A monitor that ended while it asked its witnesses came back, and restarted what it had planned to without asking anybody.
#[test]
fn a_monitor_that_ends_while_it_asks_asks_again() {
    let others = "{name: b}, {name: c}, {name: d}, {name: e}";
    let text = format!(
        "{{servers: [{{name: a, health_check: {{failure_threshold: 1}}}}, {others}], recovery: {{backoff: {{schedule: [5]}}}}}}"
    );
    // The others take 3 s to answer, so that the monitor ends between its question and their answers.
    let slow = ["b", "c", "d", "e"].map(|name| turn(1_000, name, Change::Lags(Seconds(Duration::from_secs(3)))));
    let mut turns = slow.to_vec();
    turns.push(Turn { at: at(64_000), twist: Twist::NetworkLost(at(400_000)) });
    turns.push(Turn { at: at(91_000), twist: Twist::Crash { until: at(92_000), done: false } });
    let trace = play_on_a_disk(&text, turns, 97);
    assert_eq!((said(&trace, "recovery_started"), said(&trace, "recovery_held")), (0, 1), "{}", trace.table());
}

/// Whoever was up then was well all the time: a monitor that began anew asked those alone, and ended a storm that went on.
#[test]
fn a_storm_goes_on_when_the_monitor_begins_anew() {
    use health_spec::config::Becomes;
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let servers = names.map(|name| format!("{{name: {name}}}")).join(", ");
    let text = format!("{{servers: [{servers}], recovery: {{backoff: {{schedule: [5]}}}}}}");
    let mut turns: Vec<_> = names[..8].iter().map(|name| turn(60_000, name, Change::Becomes(Becomes::Hang))).collect();
    turns.push(Turn { at: at(130_000), twist: Twist::Crash { until: at(131_000), done: false } });
    let trace = play_on_a_disk(&text, turns, 145);
    assert_eq!((said(&trace, "recovery_held"), said(&trace, "recovery_started")), (8, 0), "{}", trace.table());
}

/// Nothing is said of such a start. After a crash the failures from before it counted again, and its grace was forgotten.
#[test]
fn a_start_right_before_a_crash_is_remembered() {
    use health_spec::config::Becomes;
    let turns = vec![
        turn(29_000, "a", Change::Becomes(Becomes::Refuse)),
        // So that the check which follows the start has not ended before the crash.
        turn(30_200, "a", Change::Lags(Seconds(Duration::from_secs(3)))),
        turn(30_500, "a", Change::Says(Word::Started)),
        turn(30_550, "a", Change::Becomes(Becomes::Refuse)),
        Turn { at: at(30_600), twist: Twist::Crash { until: at(31_000), done: false } },
        turn(40_000, "a", Change::Becomes(Becomes::Ok)),
    ];
    let trace = play_on_a_disk("{servers: [{name: a}], health_check: {failure_threshold: 2}}", turns, 120);
    assert_eq!(said(&trace, "server_down"), 0, "{}", trace.table());
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

/// Ten servers fail at once, and after the storm all of them were checked and restarted at once.
#[test]
fn after_a_storm_as_many_go_on_at_once_as_may_be_recovered_at_once() {
    let names: Vec<_> = (0..10).map(|number| format!("s{number}")).collect();
    let list: Vec<_> = names.iter().map(|name| format!("{{name: {name}}}")).collect();
    // Checked too seldom to recover while they are held.
    let settings = "health_check: {interval_seconds: 600}, recovery: {backoff: {schedule: [1]}}";
    let policies = policies(&format!("{{servers: [{}], {settings}}}", list.join(", ")));
    let mut turns: Vec<_> =
        names.iter().map(|name| turn(590_000, name, Change::Becomes(health_spec::config::Becomes::Hang))).collect();
    turns.extend(names.iter().map(|name| turn(640_000, name, Change::Becomes(health_spec::config::Becomes::Ok))));
    let trace = play(policies, turns, 700);
    let of = |event: &str| {
        let lines = trace.lines.iter().filter(|line| line.kind.name() == event && line.at > at(630_000));
        lines.map(|line| line.at).collect::<Vec<_>>()
    };
    let (released, recovered) = (of("recovery_released"), of("server_recovered"));
    assert_eq!((released.len(), recovered.len()), (10, 10), "{}", trace.table());
    for (number, moment) in released.iter().enumerate() {
        let settled = recovered.iter().filter(|other| *other <= moment).count();
        assert!(number < settled + 4, "number {number} goes on when {settled} have settled\n{}", trace.table());
    }
}

/// A death that its engine reports was held for a storm like any other, when checks had been the first to notice.
#[test]
fn a_death_that_is_reported_is_not_held_for_a_storm() {
    let policies = policies("{servers: [{name: a}, {name: b}, {name: c}, {name: d}, {name: e}]}");
    let mut turns: Vec<_> = ["a", "b", "c", "d", "e"]
        .iter()
        .map(|name| turn(60_000, name, Change::Becomes(health_spec::config::Becomes::Refuse)))
        .collect();
    turns.push(turn(80_000, "c", Change::Says(Word::Died(Death::default()))));
    let trace = play(policies, turns, 100);
    let of = |event: &str| {
        trace.lines.iter().filter(|line| line.kind.name() == event).map(|line| line.server.as_str()).collect::<Vec<_>>()
    };
    assert_eq!((of("recovery_released"), of("recovery_started")), (vec!["c"], vec!["c"]), "{}", trace.table());
}

/// One witness is slow to answer. The network was lost while it was waited for, and what the others had answered before spoke for it: all were
/// restarted.
#[test]
fn what_witnesses_answered_before_an_outage_does_not_speak_for_it() {
    let names = "[{name: a}, {name: b}, {name: c}, {name: d}, {name: e}, {name: f}]";
    let settings = "health_check: {interval_seconds: 2, failure_threshold: 1}, recovery: {backoff: {schedule: [1]}}";
    let policies = policies(&format!("{{servers: {names}, {settings}}}"));
    let turns = vec![
        turn(50_000, "b", Change::Lags(health_spec::config::Seconds(Duration::from_secs(4)))),
        turn(60_500, "a", Change::Becomes(health_spec::config::Becomes::Refuse)),
        Turn { at: at(63_000), twist: Twist::NetworkLost(at(200_000)) },
    ];
    let trace = play(policies, turns, 80);
    let of = |event: &str| {
        let lines = trace.lines.iter().filter(|line| line.kind.name() == event);
        lines.map(|line| line.server.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("recovery_started"), ["a"], "{}", trace.table());
    assert_eq!(of("recovery_held").iter().filter(|server| **server != "a").count(), 5, "{}", trace.table());
}
