//! The orchestrator killed with SIGKILL at random instants under load: in the middle of checks, deaths and attempts.
//!
//! Each server notes every start of its own, and how many attempts stood in the log at that moment: so the servers' side tells
//! whether an attempt was made without being written down, or made twice.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{Orchestrator, free_port, log, sample_server, until};

/// Attempts without end, so that every death leads to one and their numbers only ever grow.
const SETTINGS: &str = "
health_check: {interval_seconds: 0.2, timeout_seconds: 0.5, confirm_interval_seconds: 0.05, start_period_seconds: 10, success_threshold: 1}
recovery: {backoff: {initial_delay: 0.02, multiplier: 1.0, max_delay: 0.02}, max_attempts: 100000, budget: {attempts: 100000, window_seconds: 86400}, verify_timeout_seconds: 20}
servers:
";

/// Servers that are killed again and again.
const VICTIMS: usize = 3;

/// Servers that are only watched: five checks a second each.
const WATCHED: usize = 40;

/// `cargo xtask soak --crashes N` asks for more.
const CRASHES: u64 = 20;

fn asked_for(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn killed_at_random_instants_it_loses_nothing_and_does_nothing_twice() {
    let crashes = asked_for("MCP_HEALTH_TEST_CRASHES").unwrap_or(CRASHES);
    let seed = asked_for("MCP_HEALTH_TEST_SEED").unwrap_or(7);
    eprintln!("{crashes} crashes, MCP_HEALTH_TEST_SEED={seed}");
    let mut random = seed;
    let mut orchestrator = Orchestrator::start_with(&registry());
    for round in 1..=crashes {
        let end = Instant::now() + Duration::from_millis(100 + below(&mut random, 500));
        while Instant::now() < end {
            let victim = below(&mut random, VICTIMS as u64);
            let pause = Duration::from_millis(below(&mut random, 60));
            kill(&orchestrator, victim);
            std::thread::sleep(pause.min(end.saturating_duration_since(Instant::now())));
        }
        orchestrator = orchestrator.crash_and_start_again();
        check_database(&orchestrator.state(), round);
    }
    let healthy = |view: &Value| view["phase"] == "healthy";
    until("all are well again", || orchestrator.get("/servers")["servers"].as_array()?.iter().all(healthy).then_some(()));
    assert!(orchestrator.stop().success());
    check_log(&orchestrator, crashes);
}

/// A victim's record may be of a process that has gone: then nobody is killed.
fn kill(orchestrator: &Orchestrator, victim: u64) {
    let Ok(record) = std::fs::read_to_string(orchestrator.state().join(format!("processes/v{victim}.json"))) else { return };
    let record: Value = serde_json::from_str(&record).unwrap_or_default();
    if record["record"]["state"] == "running"
        && let Some(pid) = record["record"]["leader"]["pid"].as_i64()
        && Path::new(&format!("/proc/{pid}/exe")).exists()
    {
        strike(pid);
    }
}

/// It may end between the look and the blow.
fn strike(pid: i64) {
    let mut kill = std::process::Command::new("kill");
    kill.args(["-KILL", &pid.to_string()]).stderr(std::process::Stdio::null());
    kill.status().expect("kill runs");
}

fn registry() -> String {
    let (server, steady) = (sample_server().display(), free_port());
    let runs = format!(
        "  - {{name: steady, port: {steady}, runtime: {{kind: process, command: {server}, args: [--listen, '127.0.0.1:{steady}']}}}}\n"
    );
    let watched = (0..WATCHED).map(|watched| format!("  - {{name: w{watched}, port: {steady}}}\n"));
    let entries: Vec<_> = (0..VICTIMS).map(victim).chain([runs]).chain(watched).collect();
    format!("{SETTINGS}{}", entries.concat())
}

/// Each start notes how many of the server's attempts stood in the log.
fn victim(number: usize) -> String {
    let (server, port) = (sample_server().display(), free_port());
    let note = format!("grep -c 'recovery_started.*\"server_name\":\"v{number}\"' state/health-events.jsonl >> starts-{number}");
    let script = Value::from(format!("{note}; exec {server} --listen 127.0.0.1:{port} --name v{number}"));
    format!("  - {{name: v{number}, port: {port}, runtime: {{kind: process, command: /bin/sh, args: [-c, {script}]}}}}\n")
}

/// As it stands while the orchestrator runs again: whole, and every number once.
fn check_database(state: &Path, round: u64) {
    let database = Connection::open(state.join("state.db")).expect("it opens");
    database.busy_timeout(Duration::from_secs(10)).expect("a timeout");
    let ask = |sql: &str| -> String {
        database.query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0).map(|it| format!("{it:?}"))).expect("an answer")
    };
    assert_eq!(ask("PRAGMA quick_check"), "Text(\"ok\")", "round {round}");
    assert_eq!(ask("SELECT max(seq) - count(*) FROM event"), "Integer(0)", "numbers are missing in round {round}");
    assert_eq!(ask("SELECT count(*) FROM event WHERE NOT json_valid(json) OR json ->> 'seq' != seq"), "Integer(0)");
    assert_eq!(ask("SELECT count(*) FROM uptime WHERE up_ms > counted_ms"), "Integer(0)");
}

fn check_log(orchestrator: &Orchestrator, crashes: u64) {
    let log = log(orchestrator);
    assert!(log.iter().map(|event| event["seq"].as_u64().expect("a number")).eq(1..=log.len() as u64), "gaps, or twice");
    let mut open: HashMap<&str, bool> = HashMap::new();
    let mut attempts: HashMap<&str, u64> = HashMap::new();
    for event in &log {
        let Some(server) = event["server_name"].as_str() else { continue };
        match event["event_type"].as_str().expect("a type") {
            "server_down" => assert!(!open.insert(server, true).unwrap_or(false), "down twice: {event}"),
            "recovery_successful" | "server_recovered" => assert!(open.insert(server, false).unwrap_or(false), "{event}"),
            "recovery_started" => {
                let attempt = attempts.entry(server).or_default();
                *attempt += 1;
                assert_eq!(event["attempt"], *attempt, "an attempt is lost, or made twice under its number");
            }
            _ => {}
        }
    }
    assert!(open.values().all(|open| !open), "{open:?}");
    let made: u64 = attempts.values().sum();
    assert!(made >= crashes / 2, "only {made} attempts: that was no load");
    for victim in 0..VICTIMS {
        check_starts(orchestrator, victim, attempts.get(format!("v{victim}").as_str()).copied().unwrap_or(0));
    }
    eprintln!("{} events, {made} attempts", log.len());
}

/// A start without an attempt of its own would find the same number in the log as the one before it.
fn check_starts(orchestrator: &Orchestrator, victim: usize, attempts: u64) {
    let starts = std::fs::read_to_string(orchestrator.directory.path().join(format!("starts-{victim}"))).expect("starts");
    let starts: Vec<u64> = starts.lines().map(|line| line.parse().expect("a number")).collect();
    assert!(starts.is_sorted_by(|a, b| a < b), "v{victim} was started without an attempt, or twice for one: {starts:?}");
    assert_eq!(starts.first(), Some(&0));
    assert_eq!(starts.last(), Some(&attempts), "the last attempt has started it");
}

/// The generator of `java.util.SplittableRandom`.
fn below(state: &mut u64, limit: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % limit
}
