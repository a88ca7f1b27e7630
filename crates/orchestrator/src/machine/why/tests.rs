//! The words, as an operator reads them.

use std::time::Duration;

use health_spec::config::File;
use health_spec::{Outcome, Reason, Verdict};

use super::*;
use crate::machine::fleet::Beginning;
use crate::machine::policy::{Purpose, compile};
use crate::machine::{Command, Death, Effect, EngineId, Input, Word};

fn fleet(yaml: &str) -> Fleet {
    let file: File = serde_saphyr::from_str(yaml).expect("the file reads");
    Fleet::new(compile(&file, Purpose::Simulate).expect("it compiles"), &Beginning::default(), at(0)).0
}

fn at(seconds: u64) -> Mono {
    Mono(Duration::from_secs(seconds))
}

/// Every check up to `until` is answered at once: well, unless the server is among `failing`.
fn run(fleet: &mut Fleet, until: u64, failing: &[usize]) {
    while let Some(now) = fleet.deadline().filter(|deadline| *deadline <= at(until)) {
        let mut effects = fleet.step(now, Input::Woken);
        while let Some(effect) = effects.pop() {
            if let Effect::Probe { ticket, .. } = effect {
                let verdict = if failing.contains(&ticket.server.0) {
                    Verdict::failed(Reason::ConnectRefused, "nothing listens")
                } else {
                    Verdict::new(Outcome::Ok, None, None)
                };
                effects.extend(fleet.step(now, Input::Observed { ticket, verdict, took: Duration::ZERO }));
            }
        }
    }
}

fn dies(fleet: &mut Fleet, now: u64, id: usize) {
    fleet.step(at(now), Input::Reported(ServerId(id), Word::Died(Death::default())));
}

/// Moments are written as seconds.
fn why(fleet: &Fleet, id: usize) -> Why {
    fleet.why(ServerId(id), &|at| format!("{} s", at.0.as_secs()))
}

fn waits(fleet: &Fleet, id: usize) -> String {
    why(fleet, id).waiting_for.unwrap_or_default()
}

/// `what @ seconds`.
fn next(fleet: &Fleet, id: usize) -> Vec<String> {
    let step = |step: Step| match step.at {
        Some(at) => format!("{} @ {}", step.what, at.0.as_secs()),
        None => step.what,
    };
    why(fleet, id).next.into_iter().map(step).collect()
}

#[test]
fn a_dependency_is_named_with_how_it_is_and_since_when() {
    let mut fleet = fleet("servers: [{name: postgres}, {name: search, depends_on: [postgres]}]");
    run(&mut fleet, 0, &[]);
    dies(&mut fleet, 7, 0);
    dies(&mut fleet, 8, 1);
    assert_eq!(waits(&fleet, 1), "dependency postgres is down since 7 s");
    assert_eq!(next(&fleet, 1), ["a check @ 38", "attempt 1 of 3: restart, once it is no longer held"]);
    fleet.step(at(9), Input::Reported(ServerId(0), Word::Stopped));
    assert_eq!(waits(&fleet, 1), "dependency postgres is stopped since 7 s");
}

#[test]
fn what_stopped_it_is_said() {
    let stopped = "somebody stopped or removed it on purpose, or it has never run: it is not started again";
    let paused = "it is paused in its engine: its container is frozen, and nothing is done until it is unpaused there";
    let ended = "it ended with exit code 0, which is a stop for it: it is not started again";
    let zero = Word::Died(Death { exit_code: Some(0), ..Death::default() });
    for (words, said) in [
        (vec![Word::Stopped], stopped),
        (vec![Word::Paused], paused),
        (vec![Word::Paused, Word::Stopped], stopped),
        (vec![zero.clone()], ended),
        // A monitor that begins finds it stopped.
        (vec![zero, Word::Stopped], ended),
    ] {
        let mut fleet = fleet("{servers: [{name: a}], recovery: {on_exit_zero: stop}}");
        run(&mut fleet, 0, &[]);
        for word in words {
            fleet.step(at(7), Input::Reported(ServerId(0), word));
        }
        assert!(why(&fleet, 0).evidence.contains(&said.to_owned()), "{:?}", why(&fleet, 0).evidence);
    }
}

#[test]
fn an_attempt_says_which_and_when() {
    let mut fleet = fleet("servers: [{name: a}]");
    run(&mut fleet, 0, &[]);
    dies(&mut fleet, 7, 0);
    let why = why(&fleet, 0);
    assert_eq!(why.believes, "down: container_died");
    assert!(why.evidence.contains(&"its process or container has ended".to_owned()));
    assert!(why.evidence.contains(&"it went down at 7 s".to_owned()));
    assert_eq!(next(&fleet, 0), ["attempt 1 of 3: restart @ 8", "a check @ 8"]);
}

#[test]
fn an_attempt_that_failed_says_why() {
    let mut fleet = fleet("servers: [{name: a}]");
    run(&mut fleet, 0, &[]);
    dies(&mut fleet, 7, 0);
    let orders = fleet.step(at(8), Input::Woken);
    let act = orders.iter().find_map(|order| if let Effect::Act { ticket, .. } = order { Some(*ticket) } else { None });
    fleet.step(at(9), Input::Finished { ticket: act.expect("an attempt"), result: Err("no such file".to_owned()) });
    assert!(
        why(&fleet, 0).evidence.contains(&"the last attempt failed: action: no such file".to_owned()),
        "{:?}",
        why(&fleet, 0)
    );
}

#[test]
fn a_pause_says_by_whom_until_when_and_why() {
    let mut fleet = fleet("servers: [{name: a}]");
    run(&mut fleet, 0, &[]);
    let pause = Command::Pause { until: Some(at(600)), by: "anna".into(), reason: Some("a new disk".into()) };
    fleet.operate(at(1), ServerId(0), pause).expect("accepted");
    assert_eq!(why(&fleet, 0).evidence, ["its recovery is paused by anna until 600 s (a new disk)"]);
    dies(&mut fleet, 7, 0);
    assert_eq!(waits(&fleet, 0), "paused by anna until 600 s (a new disk)");
    assert!(next(&fleet, 0).contains(&"the pause ends @ 600".to_owned()));
}

#[test]
fn a_maintenance_window_says_until_when() {
    let mut fleet = fleet("servers: [{name: a}]");
    run(&mut fleet, 0, &[]);
    fleet.step(at(1), Input::Maintenance(ServerId(0), Some(at(90))));
    dies(&mut fleet, 7, 0);
    assert_eq!(waits(&fleet, 0), "a maintenance window is open until 90 s");
    assert!(next(&fleet, 0).contains(&"the maintenance window closes @ 90".to_owned()));
}

#[test]
fn observe_mode_says_what_would_be_done() {
    let mut fleet = fleet("{servers: [{name: a}], recovery: {mode: observe}}");
    run(&mut fleet, 0, &[]);
    dies(&mut fleet, 7, 0);
    assert_eq!(waits(&fleet, 0), "observe mode");
    assert!(next(&fleet, 0).contains(&"would restart, attempt 1 of 3, but observe mode".to_owned()));
}

#[test]
fn an_engine_and_a_disk_say_since_when() {
    let mut fleet = fleet("servers: [{name: a, runtime: {kind: docker, container: x}}]");
    run(&mut fleet, 0, &[]);
    fleet.step(at(3), Input::EngineLost(EngineId(0), "gone".into()));
    dies(&mut fleet, 7, 0);
    assert_eq!(waits(&fleet, 0), "the engine local cannot be reached since 3 s");
}

#[test]
fn a_storm_names_its_witnesses_its_canary_and_their_times() {
    let names: Vec<_> = (0..6).map(|number| format!("{{name: s{number}}}")).collect();
    let mut fleet = fleet(&format!("servers: [{}]", names.join(", ")));
    run(&mut fleet, 59, &[]);
    run(&mut fleet, 63, &[0, 1, 2, 3, 4, 5]);
    assert_eq!(
        waits(&fleet, 1),
        "the monitor suspects itself since 62 s: of the witnesses s0, s1, s2, s3 these do not answer either: s0, s1, s2, s3"
    );
    let steps = next(&fleet, 1);
    assert!(steps.contains(&"the witnesses s0, s1, s2, s3 are checked again @ 77".to_owned()), "{steps:?}");
    assert!(steps.contains(&"s0 is tried all the same, as the canary @ 122".to_owned()), "{steps:?}");
    assert!(next(&fleet, 0).contains(&"it is tried all the same, as the canary @ 122".to_owned()));
    run(&mut fleet, 123, &[0, 1, 2, 3, 4, 5]);
    let steps = next(&fleet, 1);
    assert!(steps.contains(&"s0, the canary, comes back: then the others go on".to_owned()), "{steps:?}");
}

#[test]
fn after_a_storm_those_that_are_still_held_say_that_they_go_on_in_turn() {
    let names: Vec<_> = (0..9).map(|number| format!("{{name: s{number}}}")).collect();
    let mut fleet = fleet(&format!("{{servers: [{}], health_check: {{interval_seconds: 600}}}}", names.join(", ")));
    run(&mut fleet, 599, &[]);
    let all: Vec<_> = (0..9).collect();
    run(&mut fleet, 605, &all);
    run(&mut fleet, 617, &[]);
    assert_eq!(waits(&fleet, 8), "a storm is over, and what it held goes on in turn, 4 at a time");
}

/// Who cannot be asked has not said that it is well.
#[test]
fn an_engine_that_is_away_says_nothing() {
    let said = |lost: bool| {
        let mut fleet = fleet("servers: [{name: a, runtime: {kind: docker, container: x}}]");
        run(&mut fleet, 0, &[]);
        if lost {
            fleet.step(at(3), Input::EngineLost(EngineId(0), "gone".into()));
        }
        run(&mut fleet, 32, &[0]);
        why(&fleet, 0).evidence.into_iter().find(|it| it.starts_with("only checks")).unwrap_or_default()
    };
    assert_eq!(said(false), "only checks say that it is down: for local it runs");
    assert_eq!(said(true), "only checks say that it is down: local cannot be asked");
}
