//! What a script can say: the scenes of `simulate`, and what is wrong with others.

use health_spec::config::File;
use orchestrator::sim::{Trace, World};

fn file(script: &str) -> File {
    let servers = "servers: [{name: a, runtime: {kind: docker, container: x}}, {name: b}, {name: c}, {name: d}, {name: e}]";
    let text = format!("{servers}\nsimulate:\n  duration_seconds: 300\n  script:\n{script}");
    serde_saphyr::from_str(&text).expect("it reads")
}

fn play(script: &str) -> Trace {
    World::new(&file(script)).expect("a valid world").run()
}

/// The events of one server from `from` on, without the changes of its status.
fn events(trace: &Trace, server: &str, from: u64) -> Vec<String> {
    let lines = trace.lines.iter().filter(|line| line.server == server && line.at.0.as_secs() >= from);
    let lines = lines.filter(|line| line.kind.name() != "status_changed");
    lines.map(|line| format!("{} {}", line.at.0.as_secs(), line.kind.name())).collect()
}

#[test]
fn the_network_is_lost_and_back() {
    let trace = play("    - {at: 60, network: lost}\n    - {at: 100, network: back}");
    assert_eq!(events(&trace, "", 1), ["62 monitor_impaired"], "{}", trace.table());
    assert_eq!(events(&trace, "c", 1).last().map(String::as_str), Some("109 server_recovered"), "{}", trace.table());
    assert!(trace.lines.iter().all(|line| line.kind.name() != "recovery_started"), "{}", trace.table());
}

#[test]
fn an_engine_is_lost_and_back() {
    let trace = play(
        "    - {at: 10, engine: {name: local, is: lost}}\n    - {at: 20, server: a, dies: {exit_code: 1}}\n    - {at: 50, engine: {name: local, is: back}}",
    );
    let expected = [
        "20 container_died",
        "20 server_down",
        "20 recovery_held",
        "50 recovery_released",
        "51 recovery_started",
        "54 recovery_successful",
    ];
    assert_eq!(events(&trace, "a", 1), expected, "{}", trace.table());
}

#[test]
fn the_state_cannot_be_written_and_can_be_again() {
    let trace = play(
        "    - {at: 10, state: lost}\n    - {at: 10, server: b, restart: {result: error}}\n    - {at: 20, server: b, dies: {exit_code: 1}}\n    - {at: 90, state: back}",
    );
    let held = events(&trace, "b", 1).iter().position(|event| event == "22 recovery_held");
    let released = events(&trace, "b", 1).iter().position(|event| event == "90 recovery_released");
    assert!(held.is_some() && held < released, "{}", trace.table());
}

#[test]
fn an_operator_restarts_and_checks() {
    let trace = play(
        "    - {at: 10, server: b, operator: restart}\n    - {at: 40, server: c, operator: check}\n    - {at: 50, server: c, operator: check}",
    );
    assert_eq!(events(&trace, "b", 1), ["10 recovery_started", "13 recovery_successful"], "{}", trace.table());
    assert_eq!(trace.summary["c"].checks, trace.summary["d"].checks + 1);
}

#[test]
fn scenes_that_make_no_sense_are_said_with_their_place() {
    let script = "    - {at: 1, network: lost, state: lost}\n    - {at: 1, server: b, network: lost}\n    - {at: 1, becomes: hang}\n    - {at: 1, engine: {name: moon, is: lost}}\n    - {at: 1, server: z, becomes: hang}";
    let issues = World::new(&file(script)).expect_err("wrong");
    let said: Vec<_> = issues.iter().map(|issue| format!("{}: {}", issue.pointer, issue.message)).collect();
    let expected = [
        "/simulate/script/0: this scene does 2 things",
        "/simulate/script/1/server: this does not happen to `b` but to the monitor",
        "/simulate/script/2/server: this scene has no server",
        "/simulate/script/3/engine/name: there is no engine `moon`",
        "/simulate/script/4/server: there is no server `z`",
    ];
    assert_eq!(said, expected);
}
