//! Probes of kind `mcp` against real servers of both eras, a real bridge with its child, and what each depth can see.

mod footprint;
mod guarded;
mod oldest;
pub(crate) mod peers;
mod table;
mod tap;

use std::collections::HashSet;

use serde_json::Value;

use crate::harness::{Events, Orchestrator, signal, until};
use peers::Peer;

/// Checks often, and waits long: the servers are slow to start, and the machine may be busy.
const SETTINGS: &str = "
health_check: {interval_seconds: 0.5, timeout_seconds: 5, confirm_interval_seconds: 0.3, start_period_seconds: 0, success_threshold: 1}
";

fn watch(entries: &[String]) -> Orchestrator {
    let settings = SETTINGS.trim_start();
    Orchestrator::start_with(&format!("{settings}servers:\n{}", entries.concat()))
}

fn entry(name: &str, endpoint: &str, probes: &str) -> String {
    format!("  - {{name: {name}, endpoint: \"{endpoint}\", probes: {probes}}}\n")
}

fn is_well(orchestrator: &Orchestrator, name: &str) {
    until(&format!("{name} is well: {}", orchestrator.get(&format!("/servers/{name}"))["last_check"]), || {
        (orchestrator.get(&format!("/servers/{name}"))["last_check"]["verdict"] == "ok").then_some(())
    });
}

fn fails_with(events: &mut Events, name: &str, reason: &str) -> Value {
    events
        .wait_until(&format!("{reason} of {name}"), |event| event["server_name"] == name && event["failure"]["reason"] == reason)
}

#[test]
fn servers_of_every_kind_are_well_then_stopped_then_killed() {
    let mut peers = [Peer::fastmcp(), Peer::legacy(), Peer::stateless(), Peer::rmcp(), Peer::everything(), Peer::bridge()];
    let entries: Vec<_> =
        peers.iter().map(|peer| entry(peer.name, &peer.endpoint, "[{kind: mcp, depth: list}, {kind: tcp}]")).collect();
    let orchestrator = watch(&entries);
    let mut events = orchestrator.events();
    for peer in &peers {
        is_well(&orchestrator, peer.name);
        let probes = orchestrator.get(&format!("/servers/{}", peer.name))["last_check"]["probes"].clone();
        assert_eq!((&probes[0]["kind"], &probes[1]["outcome"]), (&"mcp".into(), &"ok".into()), "{probes}");
    }
    for peer in &peers {
        signal(peer.pid(), "STOP");
    }
    all_fail_with(&mut events, &peers, "timeout");
    for peer in &peers {
        signal(peer.pid(), "CONT");
    }
    for peer in &peers {
        is_well(&orchestrator, peer.name);
    }
    peers.iter_mut().for_each(Peer::kill);
    all_fail_with(&mut events, &peers, "connect_refused");
}

/// In any order.
fn all_fail_with(events: &mut Events, peers: &[Peer], reason: &str) {
    let mut missing: HashSet<_> = peers.iter().map(|peer| peer.name).collect();
    while !missing.is_empty() {
        let what = format!("{reason} of {missing:?}");
        let of_one = |event: &Value| event["server_name"].as_str().is_some_and(|name| missing.contains(name));
        let failed = events.wait_until(&what, |event| of_one(event) && event["failure"]["reason"] == reason);
        missing.remove(failed["server_name"].as_str().expect("a name"));
    }
}

#[test]
fn a_dead_child_behind_a_bridge_is_seen_by_a_list_alone() {
    let bridge = Peer::bridge();
    let shallow = entry("shallow", &bridge.endpoint, "[{kind: mcp}]");
    let deep = entry("deep", &bridge.endpoint, "[{kind: mcp, depth: list}]");
    let orchestrator = watch(&[shallow, deep]);
    let mut events = orchestrator.events();
    is_well(&orchestrator, "shallow");
    is_well(&orchestrator, "deep");
    signal(bridge.child_of(), "KILL");
    let failed = events.wait_until("the deep one fails", |event| {
        event["server_name"] == "deep" && event["event_type"] == "health_check_completed" && event["status"] == "down"
    });
    let seen = events.wait_until("the shallow one is checked after that", |event| {
        let is_later = event["timestamp"].as_str() > failed["timestamp"].as_str();
        event["server_name"] == "shallow" && event["event_type"] == "health_check_completed" && is_later
    });
    assert_eq!(seen["status"], "ok", "{seen} after {failed}");
}

#[test]
fn a_full_worker_pool_is_seen_by_a_call_alone() {
    let server = Peer::fastmcp();
    let settings = SETTINGS.replace("timeout_seconds: 5", "timeout_seconds: 3");
    let probes = "[{kind: mcp, tool: add, arguments: {a: 2, b: 3}, expect: \"5\"}]";
    let entries =
        [entry("shallow", &server.endpoint, "[{kind: http}, {kind: mcp, depth: list}]"), entry("deep", &server.endpoint, probes)];
    let orchestrator = Orchestrator::start_with(&format!("{}servers:\n{}", settings.trim_start(), entries.concat()));
    let mut events = orchestrator.events();
    is_well(&orchestrator, "shallow");
    is_well(&orchestrator, "deep");
    server.ask("/fill");
    fails_with(&mut events, "deep", "timeout");
    is_well(&orchestrator, "shallow");
}

#[test]
fn one_session_is_kept_its_loss_is_a_restart_and_it_is_ended_at_last() {
    let mut server = Peer::legacy();
    let mut orchestrator = watch(&[entry("legacy", &server.endpoint, "[{kind: mcp}]")]);
    let mut events = orchestrator.events();
    is_well(&orchestrator, "legacy");
    for _ in 0..4 {
        events.wait_for("legacy", "health_check_completed");
    }
    assert_eq!(server.ask("/sessions"), "1");
    server.kill();
    fails_with(&mut events, "legacy", "connect_refused");
    server.start_again();
    assert_eq!(events.wait_for("legacy", "server_restarted")["reason"], "session");
    is_well(&orchestrator, "legacy");
    assert_eq!(server.ask("/sessions"), "1");
    assert!(orchestrator.stop().success());
    assert_eq!(server.ask("/sessions"), "0");
}

/// Others say 404 to a session that they do not know.
#[test]
fn a_lost_session_that_is_answered_400_is_a_restart_too() {
    let mut server = Peer::everything();
    let orchestrator = watch(&[entry("everything", &server.endpoint, "[{kind: mcp, depth: list}]")]);
    let mut events = orchestrator.events();
    is_well(&orchestrator, "everything");
    let no_session = ureq::post(&server.endpoint)
        .config()
        .http_status_as_error(false)
        .build()
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .header("mcp-session-id", "of-nobody")
        .send("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}");
    assert_eq!(no_session.expect("an answer").status(), 400, "this server has learnt to say 404: another one is wanted here");
    server.kill();
    fails_with(&mut events, "everything", "connect_refused");
    server.start_again();
    assert_eq!(events.wait_for("everything", "server_restarted")["reason"], "session");
    is_well(&orchestrator, "everything");
}

#[test]
fn children_are_spoken_with_over_their_pipes() {
    let directory = tempfile::tempdir().expect("a directory");
    let [old, new] = peers::piped(directory.path());
    let recovery = "recovery: {backoff: {schedule: [0.2, 0.4, 0.8]}, verify_timeout_seconds: 50}\n";
    let settings = SETTINGS.trim_start().replace("start_period_seconds: 0", "start_period_seconds: 40");
    let entries = [
        format!("  - {{name: old, runtime: {old}, probes: [{{kind: mcp, depth: list}}, {{kind: process}}]}}\n"),
        format!(
            "  - {{name: new, runtime: {new}, probes: [{{kind: mcp, tool: add, arguments: {{a: 2, b: 3}}, expect: \"5\"}}]}}\n"
        ),
        format!("  - {{name: usual, runtime: {old}}}\n"),
    ];
    let orchestrator = Orchestrator::start_with(&format!("{settings}{recovery}servers:\n{}", entries.concat()));
    let mut events = orchestrator.events();
    for name in ["old", "new", "usual"] {
        is_well(&orchestrator, name);
    }
    // What they said is evidence, as it would be over HTTP.
    let answers = orchestrator.get("/servers/old/health")["answers"].clone();
    let said = answers.as_array().expect("answers").iter().filter_map(|answer| answer["body"].as_str());
    assert!(said.clone().any(|said| said.contains("get_current_time")), "{answers:#}");
    assert!(answers[0].get("http_status").is_none(), "{answers:#}");
    let first = orchestrator.pid_of("old");
    signal(first, "STOP");
    fails_with(&mut events, "old", "timeout");
    events.wait_for("old", "recovery_successful");
    assert_ne!(orchestrator.pid_of("old"), first);
    signal(orchestrator.pid_of("new"), "KILL");
    events.wait_for("new", "recovery_successful");
    is_well(&orchestrator, "new");
}

/// Measured before: sessions that are opened and left cost 53 to 120 MB in a thousand checks.
#[test]
fn a_thousand_checks_cost_a_server_no_more_memory_than_asking_for_its_health() {
    const WARM: usize = 200;
    const CHECKS: usize = 1_000;
    /// What a Python process grows by for reasons of its own.
    const NOISE: u64 = 12 * 1024 * 1024;
    let (asked, spoken) = (Peer::legacy(), Peer::legacy());
    let settings = "health_check: {interval_seconds: 0.01, timeout_seconds: 5, start_period_seconds: 0, success_threshold: 1}\n";
    let entries =
        [entry("asked", &asked.endpoint, "[{kind: http}]"), entry("spoken", &spoken.endpoint, "[{kind: mcp, depth: list}]")];
    let orchestrator = Orchestrator::start_with(&format!("{settings}servers:\n{}", entries.concat()));
    let mut events = orchestrator.events();
    let mut grown = |count: usize| {
        for name in ["asked", "spoken"] {
            let mut left = count;
            let of_it = |event: &Value| event["server_name"] == name && event["event_type"] == "health_check_completed";
            left -= events.seen.iter().filter(|event| of_it(event)).count().min(left);
            for _ in 0..left {
                events.wait_until("a check", of_it);
            }
        }
        (asked.memory(), spoken.memory())
    };
    let before = grown(WARM);
    let after = grown(WARM + CHECKS);
    let (by_asking, by_speaking) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
    assert!(by_speaking <= by_asking + NOISE, "grown by {by_asking} when asked, by {by_speaking} when spoken to");
    // Now and then another one takes its place.
    until("there is one session", || (spoken.ask("/sessions") == "1").then_some(()));
}
