//! Recreates that follow one another, and what an earlier one has left in the middle.

use bollard::models::{
    HostConfig, RestartPolicy,
    RestartPolicyNameEnum::{self, ALWAYS, NO},
};
use health_spec::registry::Runtime;
use orchestrator::machine::{Death, Input, ServerId, Word};

use crate::{bench::Bench, harbour::Harbour};

fn restarted(name: RestartPolicyNameEnum) -> HostConfig {
    HostConfig { restart_policy: Some(RestartPolicy { name: Some(name), maximum_retry_count: None }), ..HostConfig::default() }
}

/// The name of a container of this id while it is kept.
fn kept(name: &str, id: &str) -> String {
    format!("{name}-mcp-health-old-{}", &id[..12])
}

#[test]
fn the_restart_policy_outlives_a_second_recreate_that_comes_to_nothing() {
    let (harbour, bench) = (Harbour::new(), Bench::new());
    let server = harbour.create("a", "stay", restarted(ALWAYS));
    harbour.start("a");
    let mut life = bench.start(&[server]);
    assert_eq!(life.next_word(), Word::Running);
    let id = harbour.id("a");
    for _ in 0..2 {
        life.recreate().unwrap();
        assert_eq!((harbour.restart_policy("a"), harbour.restart_policy(&kept("a", &id))), (Some(ALWAYS), Some(NO)));
    }
    harbour.hide_image();
    let error = orchestrator::shell::causes::causes(&life.recreate().unwrap_err());
    harbour.show_image();
    assert!(error.contains("did not create the new container"), "{error}");
    life.put_back().unwrap();
    assert_eq!((harbour.id("a"), harbour.is_running("a"), harbour.restart_policy("a")), (id, true, Some(ALWAYS)));
}

#[test]
fn one_that_somebody_has_renamed_is_recreated_under_the_name_that_it_is_registered_by() {
    let (harbour, bench) = (Harbour::new(), Bench::new());
    let mut life = bench.start(&[harbour.run("a")]);
    assert_eq!(life.next_word(), Word::Running);
    let id = harbour.id("a");
    harbour.rename("a", "b");
    harbour.kill("b");
    let died = Word::Died(Death { exit_code: Some(137), ..Death::default() });
    assert_eq!([life.next_word(), life.next_word()], [Word::Killed, died.clone()]);
    life.recreate().unwrap();
    assert_eq!(life.pending(), [Input::Reported(ServerId(0), Word::Running)]);
    assert!(harbour.is_running("a") && harbour.id("a") != id);
    harbour.kill("a");
    assert_eq!([life.next_word(), life.next_word()], [Word::Killed, died]);
    life.put_back().unwrap();
    assert_eq!((harbour.id("a"), harbour.is_running("a")), (id, true));
}

/// As `docker compose up` does it, which sees two containers of one service.
#[test]
fn whoever_is_kept_is_the_server_again_once_somebody_removes_its_successor_and_starts_it() {
    let (harbour, bench) = (Harbour::new(), Bench::new());
    let mut life = bench.start(&[harbour.run("a")]);
    assert_eq!(life.next_word(), Word::Running);
    let old = kept("a", &harbour.id("a"));
    life.recreate().unwrap();
    harbour.remove("a");
    while life.next_word() != Word::Stopped {}
    harbour.start(&old);
    assert_eq!(life.next_word(), Word::Started);
    harbour.kill(&old);
    let died = Word::Died(Death { exit_code: Some(137), ..Death::default() });
    assert_eq!([life.next_word(), life.next_word()], [Word::Killed, died]);
    life.restart().unwrap();
    assert!(harbour.is_running(&old));
    harbour.remove(&old);
    while life.next_word() != Word::Stopped {}
}

#[test]
fn where_nothing_was_recreated_nothing_is_to_be_put_back() {
    let (harbour, bench) = (Harbour::new(), Bench::new());
    let mut life = bench.start(&[harbour.run("a")]);
    assert_eq!(life.next_word(), Word::Running);
    harbour.remove("a");
    assert!(life.recreate().is_err());
    life.put_back().unwrap();
}

#[test]
fn the_stop_of_a_recreate_that_finds_what_an_earlier_one_has_left_is_ours() {
    let (harbour, bench) = (Harbour::new(), Bench::new());
    let mut life = bench.start(&[harbour.run("a")]);
    assert_eq!(life.next_word(), Word::Running);
    let id = harbour.id("a");
    harbour.stop("a");
    harbour.rename("a", &kept("a", &id));
    let died = Word::Died(Death { exit_code: Some(137), ..Death::default() });
    assert_eq!([life.next_word(), life.next_word(), life.next_word()], [Word::Killed, died, Word::Stopped]);
    life.recreate().unwrap();
    assert_eq!(life.pending(), [Input::Reported(ServerId(0), Word::Running)]);
    assert!(harbour.is_running("a") && harbour.id("a") != id);
    assert!(!harbour.is_running(&kept("a", &id)));
}

/// It does not end when it is asked to, so both stops go on at once.
#[test]
fn one_that_somebody_stops_while_it_is_recreated_stays_stopped() {
    let (harbour, bench) = (Harbour::new(), Bench::new());
    let mut life = bench.start(&[harbour.run_deaf("a")]);
    assert_eq!(life.next_word(), Word::Running);
    let id = harbour.id("a");
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| harbour.stop_within("a", 4));
        assert_eq!(life.next_word(), Word::AskedToEnd(None));
        let error = orchestrator::shell::causes::causes(&life.recreate().unwrap_err());
        assert!(error.ends_with(": somebody stopped it meanwhile"), "{error}");
        stopping.join().unwrap();
    });
    assert!(life.pending().contains(&Input::Reported(ServerId(0), Word::Stopped)));
    life.run(life.runtimes.settle(ServerId(0), false, false)).unwrap();
    assert_eq!((harbour.id("a"), harbour.is_running("a")), (id, false));
}

/// A server whose container may take another time to end.
fn otherwise(server: &Runtime) -> Runtime {
    Runtime { stop_timeout_seconds: serde_json::from_value(serde_json::json!(2)).unwrap(), ..server.clone() }
}

/// The reload comes before what was recreated has shown that it is well, or right after the recreate has come to nothing.
#[test]
fn what_was_recreated_before_a_reload_is_put_back_after_it() {
    for comes_to_nothing in [false, true] {
        let (harbour, mut bench) = (Harbour::new(), Bench::new());
        let server = harbour.run("a");
        let mut life = bench.start(std::slice::from_ref(&server));
        assert_eq!(life.next_word(), Word::Running);
        let id = harbour.id("a");
        bench.known = true;
        if comes_to_nothing {
            harbour.hide_image();
            life.recreate().unwrap_err();
            harbour.show_image();
        } else {
            life.recreate().unwrap();
            assert_ne!(harbour.id("a"), id);
        }
        life.put_back_in_a_reload(&bench, &otherwise(&server)).unwrap();
        assert_eq!((harbour.id("a"), harbour.is_running("a"), harbour.exists(&kept("a", &id))), (id, true, false));
    }
}

#[test]
fn what_was_replaced_before_a_reload_is_removed_after_it() {
    let (harbour, bench) = (Harbour::new(), Bench::new());
    let server = harbour.run("a");
    let mut life = bench.start(std::slice::from_ref(&server));
    assert_eq!(life.next_word(), Word::Running);
    let old = kept("a", &harbour.id("a"));
    life.recreate().unwrap();
    let id = harbour.id("a");
    drop(life.replace_while(&bench, usize::MAX, &[(0, otherwise(&server))]));
    life.run(life.runtimes.settle(ServerId(0), true, false)).unwrap();
    assert_eq!((harbour.id("a"), harbour.is_running("a"), harbour.exists(&old)), (id, true, false));
}
