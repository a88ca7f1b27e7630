//! What happened while the engine's events were not heard: a death is told, also of a container that runs again by then.

use std::time::{Duration, Instant};

use health_spec::config::EngineKind;
use orchestrator::machine::{Death, Input, ServerId, Word, input::EngineId};

use crate::{
    bench::{Bench, DEADLINE, Life},
    harbour::Harbour,
    quay,
    strait::Strait,
};

/// A container that its engine starts again by itself, seen over a strait.
fn begin(kind: EngineKind) -> (Harbour, Bench, Strait, Life) {
    let (harbour, mut bench) = (Harbour::with(kind), Bench::new());
    let strait = Strait::to(kind, &bench.path().join("engine.sock"));
    bench.engines = vec![strait.engine()];
    let mut life = bench.start(&[harbour.run_returning("a", bench.path())]);
    assert_eq!(life.next_word(), Word::Running);
    (harbour, bench, strait, life)
}

fn dies_and_is_back(harbour: &Harbour, bench: &Bench) {
    std::fs::write(bench.path().join("end"), "").unwrap();
    let end = Instant::now() + DEADLINE;
    while !harbour.is_back("a") {
        assert!(Instant::now() < end, "its engine has not started it again");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// One death, with its exit code, and after it the engine's own start.
fn tells_of_both(told: &[Input]) {
    let words: Vec<_> = told
        .iter()
        .filter_map(|input| match input {
            Input::Reported(ServerId(0), word @ (Word::Died(_) | Word::Restarted | Word::Started | Word::Stopped)) => Some(word),
            _ => None,
        })
        .collect();
    let [Word::Died(death), Word::Restarted] = words[..] else { panic!("{told:?}") };
    assert_eq!((death.exit_code, death.comes_back), (Some(3), true), "{told:?}");
}

/// A look alone would find that it runs. The events of meanwhile come late.
fn is_told_before_the_engine_is_back(kind: EngineKind) {
    let (harbour, bench, mut strait, mut life) = begin(kind);
    strait.close();
    assert!(matches!(life.next(), Input::EngineLost(EngineId(0), _)));
    dies_and_is_back(&harbour, &bench);
    strait.hold_events();
    strait.open();
    let mut told = Vec::new();
    while told.last() != Some(&Input::EngineBack(EngineId(0))) {
        told.push(life.next());
    }
    tells_of_both(&told);
    // What is sent again is not told again, and what is new is.
    strait.let_events_through();
    std::fs::write(bench.path().join("end"), "").unwrap();
    assert!(matches!(life.next_word(), Word::Died(_)));
    assert_eq!(life.next_word(), Word::Restarted);
}

#[test]
fn a_death_while_docker_was_away_is_told_though_the_container_runs_again() {
    is_told_before_the_engine_is_back(EngineKind::Docker);
}

#[test]
fn a_death_while_podman_was_away_is_told_though_the_container_runs_again() {
    is_told_before_the_engine_is_back(EngineKind::Podman);
}

/// Podman ends its stream now and then; the engine is not lost by that.
#[test]
fn a_death_while_podmans_stream_had_a_hiccup_is_told_though_the_container_runs_again() {
    let (harbour, bench, strait, mut life) = begin(EngineKind::Podman);
    strait.hold_events();
    dies_and_is_back(&harbour, &bench);
    strait.let_events_through();
    tells_of_both(&[life.next(), life.next()]);
    assert_eq!(life.pending(), [], "the engine was never lost");
}

/// What was told before the engine is back, after this happened while it was away.
fn told_after(kind: EngineKind, happens: impl FnOnce(&Harbour)) -> Vec<Input> {
    let (harbour, mut bench) = (Harbour::with(kind), Bench::new());
    let mut strait = Strait::to(kind, &bench.path().join("engine.sock"));
    bench.engines = vec![strait.engine()];
    let mut life = bench.start(&[harbour.run("a")]);
    assert_eq!(life.next_word(), Word::Running);
    strait.close();
    assert!(matches!(life.next(), Input::EngineLost(EngineId(0), _)));
    happens(&harbour);
    strait.hold_events();
    strait.open();
    let mut told = Vec::new();
    while told.last() != Some(&Input::EngineBack(EngineId(0))) {
        told.push(life.next());
    }
    told
}

fn is_a_stop(told: &[Input]) -> bool {
    told.iter().any(|input| matches!(input, Input::Reported(_, Word::Stopped)))
}

#[test]
fn a_stop_while_an_engine_was_away_is_told_from_a_death() {
    for kind in [EngineKind::Docker, EngineKind::Podman] {
        let stopped = told_after(kind, |harbour| harbour.stop("a"));
        assert!(is_a_stop(&stopped), "{kind:?}: {stopped:?}");
        let killed = told_after(kind, |harbour| harbour.kill("a"));
        assert!(!is_a_stop(&killed), "{kind:?}: {killed:?}");
    }
}

#[test]
fn a_stop_while_nobody_looked_is_told_from_a_death() {
    for kind in [EngineKind::Docker, EngineKind::Podman] {
        let (harbour, mut bench) = (Harbour::with(kind), Bench::new());
        bench.engines = vec![quay::engine(kind)];
        let servers = [harbour.run("a"), harbour.run("b")];
        harbour.stop("a");
        harbour.kill("b");
        let mut life = bench.start(&servers);
        let told = [life.next(), life.next()];
        let death = Death { exit_code: Some(137), ..Death::default() };
        let died = Input::Reported(ServerId(1), Word::NotRunning(death));
        assert_eq!(told, [Input::Reported(ServerId(0), Word::FoundStopped), died], "{kind:?}");
    }
}
