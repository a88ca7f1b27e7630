//! The table of docs/operations/probes.md, cell by cell: which kind of probe sees what.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;

use super::peers::Peer;
use crate::harness::{Orchestrator, free_port, sample, signal, until};

const SETTINGS: &str = "
health_check: {interval_seconds: 0.5, timeout_seconds: 3, confirm_interval_seconds: 0.3, start_period_seconds: 0, success_threshold: 1}
recovery: {enabled: false}
servers:
";

/// Its columns: `container` and `process` are one, and stand for the process here.
const COLUMNS: [&str; 6] = ["tcp", "process", "http", "discover", "list", "call"];

/// Checks of those that see nothing, after the others have seen it.
const STILL_WELL: usize = 3;

/// What the page says about this: each column, and whether it sees it.
fn row(of: &str) -> Vec<(&'static str, bool)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations/probes.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let line = page.lines().find(|line| line.starts_with(&format!("| {of} |"))).unwrap_or_else(|| panic!("no row `{of}`"));
    let cells: Vec<_> = line.trim_matches('|').split('|').skip(1).map(|cell| cell.trim() == "yes").collect();
    assert_eq!(cells.len(), COLUMNS.len(), "{line}");
    COLUMNS.into_iter().zip(cells).collect()
}

/// One entry a column, all of one server.
fn entries(endpoint: &str, call: &str) -> String {
    let probe = |column| match column {
        "tcp" | "http" => format!("{{kind: {column}}}"),
        "discover" | "list" => format!("{{kind: mcp, depth: {column}}}"),
        _ => format!("{{kind: mcp, {call}}}"),
    };
    let entry = |column| format!("  - {{name: {column}, endpoint: \"{endpoint}\", probes: [{}]}}\n", probe(column));
    COLUMNS.into_iter().filter(|column| *column != "process").map(entry).collect()
}

/// None fails. What has no `/health` is `degraded` for `http`.
fn all_are_up(orchestrator: &Orchestrator) {
    until("all are up", || {
        let views = orchestrator.get("/servers");
        let is_up = |view: &Value| ["ok", "degraded"].iter().any(|up| view["last_check"]["verdict"] == *up);
        views["servers"].as_array()?.iter().all(is_up).then_some(())
    });
}

/// Those that are to see it fail, and after that the others still do not.
fn is_seen(orchestrator: &Orchestrator, expected: &[(&str, bool)], happens: impl FnOnce()) {
    let mut events = orchestrator.events_from_now();
    happens();
    let mut missing: HashSet<_> = expected.iter().filter(|(_, sees)| *sees).map(|(column, _)| *column).collect();
    let blind: Vec<_> = expected.iter().filter(|(_, sees)| !*sees).map(|(column, _)| *column).collect();
    let mut still_well = vec![0; blind.len()];
    while !missing.is_empty() || still_well.iter().any(|count| *count < STILL_WELL) {
        let check = events.wait_until("a check", |event| event["event_type"] == "health_check_completed");
        let name = check["server_name"].as_str().expect("a name");
        let failed = check["status"] == "down";
        if let Some(place) = blind.iter().position(|column| *column == name) {
            assert!(!failed, "{name} is not to see it: {check}");
            still_well[place] += usize::from(missing.is_empty());
        } else if failed {
            missing.remove(name);
        }
    }
}

#[test]
fn what_is_seen_of_a_process_that_hangs_or_is_dead_is_as_the_page_says() {
    let port = free_port();
    let child = format!("{}    probes: [{{kind: process}}]\n", sample("process", port));
    let others = entries(&format!("http://127.0.0.1:{port}/mcp"), "tool: add, arguments: {a: 2, b: 3}");
    let orchestrator = Orchestrator::start_with(&format!("{SETTINGS}{child}{others}"));
    all_are_up(&orchestrator);
    let pid = orchestrator.pid_of("process");
    is_seen(&orchestrator, &row("it hangs, or was stopped with SIGSTOP"), || signal(pid, "STOP"));
    signal(pid, "CONT");
    all_are_up(&orchestrator);
    is_seen(&orchestrator, &row("the process is dead"), || signal(pid, "KILL"));
}

/// No process of ours: the first column of its own has nothing to look at.
fn without_a_process(of: &str) -> Vec<(&'static str, bool)> {
    row(of).into_iter().filter(|(column, _)| *column != "process").collect()
}

#[test]
fn what_is_seen_of_a_dead_child_behind_a_bridge_is_as_the_page_says() {
    let bridge = Peer::bridge();
    let call = "tool: get_current_time, arguments: {timezone: UTC}";
    let orchestrator = Orchestrator::start_with(&format!("{SETTINGS}{}", entries(&bridge.endpoint, call)));
    all_are_up(&orchestrator);
    is_seen(&orchestrator, &without_a_process("the child behind a bridge is dead"), || signal(bridge.child_of(), "KILL"));
}

#[test]
fn what_is_seen_of_a_full_worker_pool_is_as_the_page_says() {
    let server = Peer::fastmcp();
    let call = "tool: add, arguments: {a: 2, b: 3}";
    let orchestrator = Orchestrator::start_with(&format!("{SETTINGS}{}", entries(&server.endpoint, call)));
    all_are_up(&orchestrator);
    is_seen(&orchestrator, &without_a_process("every worker thread is taken"), || drop(server.ask("/fill")));
}
