//! The same with Podman, which says less: neither a signal nor, mostly, a stop.

use bollard::models::HostConfig;
use health_spec::config::EngineKind;
use orchestrator::machine::{Death, Input, ServerId, Word, input::EngineId};

use crate::{
    bench::{Bench, Life},
    harbour::Harbour,
    quay,
    strait::Strait,
};

/// A container that runs, and a life that has seen it.
fn begin() -> (Harbour, Bench, Life) {
    let (harbour, mut bench) = (Harbour::with(EngineKind::Podman), Bench::new());
    bench.engines = vec![quay::engine(EngineKind::Docker), quay::engine(EngineKind::Podman)];
    let mut life = bench.start(&[harbour.run("a")]);
    assert_eq!(life.next_word(), Word::Running);
    (harbour, bench, life)
}

/// Whether it was a stop is said later, if it was.
fn ended(exit_code: i64) -> Word {
    Word::Died(Death { exit_code: Some(exit_code), unclear: true, ..Death::default() })
}

fn next_words(life: &mut Life, count: usize) -> Vec<Word> {
    (0..count).map(|_| life.next_word()).collect()
}

#[test]
fn a_kill_is_a_death_and_nothing_more() {
    let (harbour, _bench, mut life) = begin();
    harbour.kill("a");
    assert_eq!(life.next_word(), ended(137));
    harbour.start("a");
    assert_eq!(life.next_word(), Word::Started);
}

#[test]
fn one_that_is_killed_for_memory_says_so() {
    const LIMIT: i64 = 32 * 1024 * 1024;
    let (harbour, mut bench) = (Harbour::with(EngineKind::Podman), Bench::new());
    bench.engines = vec![quay::engine(EngineKind::Podman)];
    let mount = Harbour::mount(bench.path(), "/gate");
    let limits = HostConfig { memory: Some(LIMIT), memory_swap: Some(LIMIT), mounts: Some(mount), ..HostConfig::default() };
    let mut life = bench.start(&[harbour.create("a", "eat", limits)]);
    assert_eq!(life.next_word(), Word::NotRunning(Death::default()));
    harbour.start("a");
    assert_eq!(life.next_word(), Word::Started);
    std::fs::write(bench.path().join("open"), "").unwrap();
    let Word::Died(death) = life.next_word() else { panic!("no death") };
    assert_eq!((death.exit_code, death.oom_killed), (Some(137), true));
}

#[test]
fn a_stop_is_told_however_podman_says_it() {
    let (harbour, _bench, mut life) = begin();
    for _ in 0..3 {
        harbour.stop("a");
        let told = next_words(&mut life, 2);
        assert!(matches!(told[0], Word::Died(_)), "{told:?}");
        assert_eq!(told[1], Word::Stopped);
        harbour.start("a");
        assert_eq!(life.next_word(), Word::Started);
    }
}

#[test]
fn somebodys_restart_is_a_stop_and_a_start() {
    let (harbour, _bench, mut life) = begin();
    harbour.restart("a");
    assert_eq!(next_words(&mut life, 3), [ended(137), Word::Stopped, Word::Started]);
}

#[test]
fn our_own_restart_is_told_as_a_death_before_it_returns() {
    let (harbour, _bench, mut life) = begin();
    for _ in 0..3 {
        life.restart().unwrap();
        assert_eq!(life.pending(), [ended(137), Word::Running].map(|word| Input::Reported(ServerId(0), word)));
    }
    harbour.kill("a");
    assert_eq!(life.next_word(), ended(137));
    life.restart().unwrap();
    assert_eq!(life.pending(), [Input::Reported(ServerId(0), Word::Running)]);
    assert!(harbour.is_running("a"));
}

#[test]
fn a_pause_is_told_and_a_paused_container_is_restarted() {
    let (harbour, _bench, mut life) = begin();
    harbour.pause("a");
    assert_eq!(life.next_word(), Word::Paused);
    harbour.unpause("a");
    assert_eq!(life.next_word(), Word::Started);
    harbour.pause("a");
    assert_eq!(life.next_word(), Word::Paused);
    life.restart().unwrap();
    assert!(harbour.is_running("a"));
}

#[test]
fn a_removed_and_recreated_container_is_followed_by_its_name_and_a_renamed_one_by_its_id() {
    let (harbour, _bench, mut life) = begin();
    harbour.remove("a");
    assert_eq!(next_words(&mut life, 2), [ended(137), Word::Stopped]);
    harbour.run("a");
    assert_eq!(life.next_word(), Word::Started);
    harbour.rename("a", "b");
    harbour.kill("b");
    assert_eq!(life.next_word(), ended(137));
    life.restart().unwrap();
    assert!(harbour.is_running("b"));
}

#[test]
fn a_running_container_that_is_given_the_name_is_the_server_from_then_on() {
    let (harbour, _bench, mut life) = begin();
    harbour.run("green");
    harbour.rename("a", "blue");
    harbour.rename("green", "a");
    assert_eq!(life.next_word(), Word::Started, "nothing has stopped");
    harbour.kill("a");
    assert_eq!(life.next_word(), ended(137));
}

#[test]
fn what_happens_while_podman_is_out_of_reach_is_told_before_it_is_back() {
    let (harbour, mut bench) = (Harbour::with(EngineKind::Podman), Bench::new());
    let mut strait = Strait::to(EngineKind::Podman, &bench.path().join("engine.sock"));
    bench.engines = vec![quay::engine(EngineKind::Docker), strait.engine()];
    let mut life = bench.start(&[harbour.run("a")]);
    assert_eq!(life.next_word(), Word::Running);
    strait.close();
    assert!(matches!(life.next(), Input::EngineLost(EngineId(1), _)));
    harbour.kill("a");
    strait.open();
    let mut told = Vec::new();
    while told.last() != Some(&Input::EngineBack(EngineId(1))) {
        told.push(life.next());
    }
    let deaths = told.iter().filter(|input| matches!(input, Input::Reported(_, Word::Died(_)))).count();
    assert_eq!(deaths, 1, "{told:?}");
    assert!(!told.iter().any(|input| matches!(input, Input::Reported(_, Word::Stopped))), "{told:?}");
}

#[test]
fn a_recreate_that_podman_refuses_in_the_middle_is_put_back() {
    let (harbour, _bench, life) = begin();
    let id = harbour.id("a");
    for _ in 0..2 {
        life.recreate().unwrap();
        assert!(harbour.is_running("a") && harbour.id("a") != id);
    }
    harbour.hide_image();
    let error = orchestrator::shell::causes::causes(&life.recreate().unwrap_err());
    harbour.show_image();
    assert!(error.contains("did not create the new container"), "{error}");
    life.put_back().unwrap();
    assert_eq!((harbour.id("a"), harbour.is_running("a")), (id, true));
}

#[test]
fn a_renamed_one_is_recreated_under_the_name_that_it_is_registered_by() {
    let (harbour, _bench, mut life) = begin();
    let id = harbour.id("a");
    harbour.rename("a", "b");
    harbour.kill("b");
    assert_eq!(life.next_word(), ended(137));
    life.recreate().unwrap();
    assert_eq!(life.pending(), [Input::Reported(ServerId(0), Word::Running)]);
    assert!(harbour.is_running("a") && harbour.id("a") != id);
    harbour.kill("a");
    assert_eq!(life.next_word(), ended(137));
    life.put_back().unwrap();
    assert_eq!((harbour.id("a"), harbour.is_running("a")), (id, true));
}

#[test]
fn the_stop_of_a_recreate_that_finds_what_an_earlier_one_has_left_is_ours() {
    let (harbour, _bench, mut life) = begin();
    let id = harbour.id("a");
    let kept = format!("a-mcp-health-old-{}", &id[..12]);
    harbour.stop("a");
    harbour.rename("a", &kept);
    while life.next_word() != Word::Stopped {}
    life.recreate().unwrap();
    assert_eq!(life.pending(), [Input::Reported(ServerId(0), Word::Running)]);
    assert!(harbour.is_running("a") && harbour.id("a") != id && !harbour.is_running(&kept));
}
