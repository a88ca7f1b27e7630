//! Containers: what the engine says, our own restarts, and an engine that goes away.

use bollard::models::HostConfig;
use health_spec::config::EngineKind;
use orchestrator::machine::{Death, Input, ServerId, Word, input::EngineId};

use crate::{
    bench::{Bench, Life},
    harbour::Harbour,
    sham::{Sham, Tells},
    strait::Strait,
};

/// A container that runs, and a life that has seen it.
fn begin() -> (Harbour, Bench, Life) {
    let (harbour, bench) = (Harbour::new(), Bench::new());
    let mut life = bench.start(&[harbour.run("a")]);
    assert_eq!(life.next_word(), Word::Running);
    (harbour, bench, life)
}

/// The same, on a connection that can be closed.
fn begin_on_strait() -> (Harbour, Bench, Life, Strait) {
    let (harbour, mut bench) = (Harbour::new(), Bench::new());
    let strait = Strait::to(EngineKind::Docker, &bench.path().join("engine.sock"));
    bench.engines = vec![strait.engine()];
    let mut life = bench.start(&[harbour.run("a")]);
    assert_eq!(life.next_word(), Word::Running);
    (harbour, bench, life, strait)
}

fn died(exit_code: i64) -> Word {
    Word::Died(Death { exit_code: Some(exit_code), ..Death::default() })
}

fn said(words: &[Word]) -> Vec<Input> {
    words.iter().map(|word| Input::Reported(ServerId(0), word.clone())).collect()
}

fn next_words(life: &mut Life, count: usize) -> Vec<Word> {
    (0..count).map(|_| life.next_word()).collect()
}

#[test]
fn a_kill_is_told_with_the_death() {
    let (harbour, _bench, mut life) = begin();
    harbour.kill("a");
    assert_eq!(next_words(&mut life, 2), [Word::Killed, died(137)]);
}

#[test]
fn a_stop_is_told_and_so_is_a_start() {
    let (harbour, _bench, mut life) = begin();
    harbour.stop("a");
    assert_eq!(next_words(&mut life, 3), [Word::Killed, died(137), Word::Stopped]);
    harbour.start("a");
    assert_eq!(life.next_word(), Word::Started);
}

#[test]
fn one_that_does_not_run_is_told_and_its_exit_code_later() {
    let (harbour, bench) = (Harbour::new(), Bench::new());
    let mut life = bench.start(&[harbour.create("a", "exit=3", HostConfig::default())]);
    assert_eq!(life.next_word(), Word::NotRunning(Death::default()));
    harbour.start("a");
    assert_eq!(next_words(&mut life, 2), [Word::Started, died(3)]);
}

#[test]
fn memory_is_named_as_the_cause() {
    let (harbour, bench) = (Harbour::new(), Bench::new());
    let mounts = Some(Harbour::mount(bench.path(), "/gate"));
    let limit = HostConfig { memory: Some(16 << 20), memory_swap: Some(16 << 20), mounts, ..HostConfig::default() };
    let mut life = bench.start(&[harbour.create("a", "eat", limit)]);
    assert_eq!(life.next_word(), Word::NotRunning(Death::default()));
    harbour.start("a");
    assert_eq!(life.next_word(), Word::Started);
    // Not before: the engine watches a container's memory only from its start on.
    std::fs::write(bench.path().join("open"), "").unwrap();
    let death = Death { exit_code: Some(137), oom_killed: true, ..Death::default() };
    assert_eq!(life.next_word(), Word::Died(death));
}

#[test]
fn a_removed_and_recreated_container_is_followed_by_its_name() {
    let (harbour, _bench, mut life) = begin();
    harbour.remove("a");
    assert_eq!(next_words(&mut life, 3), [Word::Killed, died(137), Word::Stopped]);
    harbour.run("a");
    assert_eq!(life.next_word(), Word::Started);
    life.restart().unwrap();
    assert_eq!(life.pending(), said(&[died(137), Word::Running]));
}

#[test]
fn the_restart_policy_that_counts_is_that_of_the_present_container() {
    let (harbour, bench) = (Harbour::new(), Bench::new());
    let mut life = bench.start(&[harbour.run_returning("a", bench.path())]);
    assert_eq!(life.next_word(), Word::Running);
    harbour.remove("a");
    while life.next_word() != Word::Stopped {}
    harbour.run("a");
    assert_eq!(life.next_word(), Word::Started);
    life.has_looked();
    harbour.kill("a");
    assert_eq!(next_words(&mut life, 2), [Word::Killed, died(137)]);
}

#[test]
fn containers_that_are_not_registered_are_nobodys_business() {
    let (harbour, _bench, mut life) = begin();
    harbour.run("b");
    harbour.kill("b");
    harbour.remove("b");
    harbour.kill("a");
    assert_eq!(next_words(&mut life, 2), [Word::Killed, died(137)]);
}

#[test]
fn our_own_restart_is_told_as_a_death_before_it_returns() {
    let (harbour, _bench, mut life) = begin();
    for _ in 0..5 {
        life.restart().unwrap();
        assert_eq!(life.pending(), said(&[died(137), Word::Running]));
    }
    harbour.kill("a");
    assert_eq!(next_words(&mut life, 2), [Word::Killed, died(137)]);
    life.restart().unwrap();
    assert_eq!(life.pending(), said(&[Word::Running]));
    assert!(harbour.is_running("a"));
}

#[test]
fn a_paused_container_is_restarted() {
    let (harbour, _bench, mut life) = begin();
    harbour.pause("a");
    assert_eq!(life.next_word(), Word::Paused);
    life.restart().unwrap();
    assert_eq!(life.pending(), said(&[died(137), Word::Running]));
    assert!(harbour.is_running("a"));
}

#[test]
fn a_restart_that_fails_says_why_and_its_stop_is_not_somebody_elses() {
    let (harbour, bench) = (Harbour::new(), Bench::new());
    let mounted = bench.path().join("mounted");
    std::fs::create_dir(&mounted).unwrap();
    let config = HostConfig { mounts: Some(Harbour::mount(&mounted, "/mounted")), ..HostConfig::default() };
    let server = harbour.create("a", "stay", config);
    harbour.start("a");
    let mut life = bench.start(&[server]);
    assert_eq!(life.next_word(), Word::Running);
    std::fs::remove_dir(&mounted).unwrap();
    let error = orchestrator::shell::causes::causes(&life.restart().unwrap_err());
    assert!(error.contains("no such file"), "{error}");
    assert_eq!(life.pending(), said(&[died(137)]));
    std::fs::create_dir(&mounted).unwrap();
    harbour.start("a");
    assert_eq!(life.next_word(), Word::Started);
}

#[test]
fn a_shutdown_leaves_containers_alone() {
    let (harbour, _bench, life) = begin();
    life.shut_down();
    assert!(harbour.is_running("a"));
}

#[test]
fn an_unknown_container_is_an_error_with_names_that_were_meant() {
    let (harbour, bench) = (Harbour::new(), Bench::new());
    harbour.run("server");
    let error = bench.try_start(&[harbour.server("servre"), harbour.server("server")]).err().unwrap();
    assert_eq!(error.faults.len(), 1);
    assert_eq!(error.faults[0].pointer, "/servers/0/runtime/container");
    let text = &error.faults[0].text;
    assert!(text.contains("has no container") && text.contains(&format!("\"{}\"", harbour.name("server"))), "{text}");
}

#[test]
fn a_name_is_not_the_beginning_of_another_ones_id() {
    let (harbour, mut bench) = (Harbour::new(), Bench::new());
    harbour.run("other");
    let id = harbour.id("other");
    let named = |wanted: &str| health_spec::registry::Runtime { container: Some(wanted.to_owned()), ..harbour.server("other") };
    let error = bench.try_start(&[named(&id[..11])]).err().unwrap().to_string();
    assert!(error.contains("has no container"), "{error}");
    bench.known = true;
    assert_eq!(bench.start(&[named(&id[..11])]).next_word(), Word::Stopped);
    assert_eq!(bench.start(&[named(&id[..12])]).next_word(), Word::Running);
}

#[test]
fn a_container_belongs_to_one_server_also_by_its_id() {
    let (harbour, bench) = (Harbour::new(), Bench::new());
    let by_name = harbour.run("a");
    let by_id = health_spec::registry::Runtime { container: Some(harbour.id("a")[..12].to_owned()), ..by_name.clone() };
    let error = bench.try_start(&[by_id.clone(), by_name.clone()]).err().unwrap();
    assert_eq!((error.faults.len(), error.faults[0].pointer.as_str()), (1, "/servers/1/runtime/container"));
    assert!(error.to_string().contains("belongs to another server already"), "{error}");
    for (first, second) in [(&by_name, &by_id), (&by_id, &by_name)] {
        let mut life = bench.start(std::slice::from_ref(first));
        assert_eq!(life.next_word(), Word::Running);
        assert!(life.refuses(&bench, 1, second).contains("belongs to another server already"));
    }
}

#[test]
fn an_engine_that_is_not_there_is_an_error() {
    let mut bench = Bench::new();
    let mut strait = Strait::to(EngineKind::Docker, &bench.path().join("engine.sock"));
    bench.engines = vec![strait.engine()];
    strait.close();
    let mut server = crate::bench::runtime(health_spec::registry::RuntimeKind::Docker);
    server.container = Some("a".to_owned());
    let error = bench.try_start(&[server.clone(), bench.shell("exit 0")]).err().unwrap();
    assert_eq!(error.faults[0].pointer, "/engines/0/address");
    assert!(error.to_string().starts_with("no Docker engine at unix:///"), "{error}");
    assert!(error.to_string().contains("is it running?"), "{error}");
    server.engine = Some("other".to_owned());
    let error = bench.try_start(&[server]).err().unwrap();
    assert_eq!(error.faults[0].pointer, "/servers/0/runtime/engine");
}

#[test]
fn what_happens_while_the_engine_is_out_of_reach_is_told_before_it_is_back() {
    let (harbour, _bench, mut life, mut strait) = begin_on_strait();
    for _ in 0..3 {
        strait.close();
        assert!(matches!(life.next(), Input::EngineLost(EngineId(0), _)));
        assert!(orchestrator::shell::causes::causes(&life.restart().unwrap_err()).contains("Docker engine"));
        harbour.kill("a");
        strait.open();
        let mut told = Vec::new();
        while told.last() != Some(&Input::EngineBack(EngineId(0))) {
            told.push(life.next());
        }
        assert!(told.contains(&Input::Reported(ServerId(0), died(137))), "{told:?}");
        let deaths = told.iter().filter(|input| matches!(input, Input::Reported(_, Word::Died(_)))).count();
        assert_eq!(deaths, 1, "{told:?}");
        life.restart().unwrap();
        let pending = life.pending();
        assert!(!pending.iter().any(|input| matches!(input, Input::Reported(_, Word::Died(_)))), "{pending:?}");
    }
}

#[test]
fn one_that_still_runs_is_told_when_the_engine_is_back() {
    let (harbour, _bench, mut life, mut strait) = begin_on_strait();
    strait.close();
    assert!(matches!(life.next(), Input::EngineLost(EngineId(0), _)));
    strait.open();
    assert_eq!(life.next_word(), Word::Running);
    assert_eq!(life.next(), Input::EngineBack(EngineId(0)));
    harbour.kill("a");
    assert_eq!(next_words(&mut life, 2), [Word::Killed, died(137)]);
}

#[test]
fn a_pause_is_told_and_so_is_its_end() {
    let (harbour, _bench, mut life) = begin();
    harbour.pause("a");
    assert_eq!(life.next_word(), Word::Paused);
    harbour.unpause("a");
    assert_eq!(life.next_word(), Word::Started);
}

#[test]
fn a_renamed_container_is_followed_until_another_takes_its_name() {
    let (harbour, _bench, mut life) = begin();
    harbour.rename("a", "b");
    harbour.kill("b");
    assert_eq!(next_words(&mut life, 2), [Word::Killed, died(137)]);
    life.restart().unwrap();
    assert_eq!(life.pending(), said(&[Word::Running]));
    harbour.run("a");
    assert_eq!(next_words(&mut life, 2), [Word::Stopped, Word::Started]);
    harbour.kill("b");
    harbour.kill("a");
    assert_eq!(next_words(&mut life, 2), [Word::Killed, died(137)]);
    life.restart().unwrap();
    assert!(harbour.is_running("a") && !harbour.is_running("b"));
}

#[test]
fn a_running_container_that_is_given_the_name_is_the_server_from_then_on() {
    let (harbour, _bench, mut life) = begin();
    harbour.run("green");
    harbour.rename("a", "blue");
    harbour.rename("green", "a");
    assert_eq!(life.next_word(), Word::Started, "nothing has stopped");
    harbour.kill("blue");
    harbour.kill("a");
    assert_eq!(next_words(&mut life, 2), [Word::Killed, died(137)]);
    life.restart().unwrap();
    assert!(harbour.is_running("a") && !harbour.is_running("blue"));
}

#[test]
fn an_engine_that_falls_silent_is_lost_and_found_again() {
    let (harbour, _bench, mut life, strait) = begin_on_strait();
    strait.fall_silent();
    let lost = life.next();
    assert!(matches!(&lost, Input::EngineLost(EngineId(0), why) if why.contains("has not answered")), "{lost:?}");
    strait.speak();
    assert_eq!(life.next_word(), Word::Running);
    assert_eq!(life.next(), Input::EngineBack(EngineId(0)));
    harbour.kill("a");
    assert_eq!(next_words(&mut life, 2), [Word::Killed, died(137)]);
}

#[test]
fn one_that_its_engine_cannot_describe_is_alone_in_that() {
    let (sham, mut bench) = (Sham::start(&[("well", Tells::Running), ("odd", Tells::Error)]), Bench::new());
    bench.engines = vec![sham.engine()];
    let mut life = bench.start(&[Sham::server("well"), Sham::server("odd")]);
    assert_eq!(life.next_word(), Word::Running);
    let error = life.restart_of(1).unwrap_err().to_string();
    assert!(error.contains("does not say how container \"odd\" is") && error.contains("its layer is missing"), "{error}");
    assert_eq!(life.pending(), []);
    sham.tells("odd", Tells::Running);
    assert_eq!(life.next(), Input::Reported(ServerId(1), Word::Running));
}

/// As one whose start waits for a disk that does not answer.
#[test]
fn one_about_which_its_engine_says_nothing_takes_nobody_along() {
    let (sham, mut bench) = (Sham::start(&[("well", Tells::Running), ("stuck", Tells::Nothing)]), Bench::new());
    bench.engines = vec![sham.engine()];
    let mut life = bench.start(&[Sham::server("stuck"), Sham::server("well")]);
    assert_eq!(life.next(), Input::Reported(ServerId(1), Word::Running), "the engine is there");
    sham.tells("stuck", Tells::Running);
    assert_eq!(life.next(), Input::Reported(ServerId(0), Word::Running));
}

#[test]
fn who_shares_its_network_is_known_while_that_one_is_being_restarted() {
    let (sham, mut bench) = (Sham::start(&[("leader", Tells::Running), ("sharing", Tells::Running)]), Bench::new());
    bench.engines = vec![sham.engine()];
    let mut life = bench.start(&[Sham::server("leader"), Sham::server("sharing")]);
    for server in [0, 1] {
        assert_eq!(life.next(), Input::Reported(ServerId(server), Word::Running));
    }
    assert_eq!(life.followers_while_restarting(1, sham.is_asked_to_restart()), [ServerId(1)]);
}

#[test]
fn what_was_known_before_may_be_missing_for_a_while() {
    let (harbour, mut bench) = (Harbour::new(), Bench::new());
    let mut strait = Strait::to(EngineKind::Docker, &bench.path().join("engine.sock"));
    bench.engines = vec![strait.engine()];
    bench.known = true;
    strait.close();
    let mut life = bench.start(&[harbour.server("a")]);
    assert!(matches!(life.next(), Input::EngineLost(EngineId(0), _)));
    strait.open();
    assert_eq!(life.next_word(), Word::Stopped);
    assert_eq!(life.next(), Input::EngineBack(EngineId(0)));
    harbour.run("a");
    assert_eq!(life.next_word(), Word::Started);
}
