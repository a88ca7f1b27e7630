//! The orchestrator stopped or killed, and started again: it goes on where it was.

use serde_json::Value;

use crate::harness::{Orchestrator, free_port, log, sample_server, signal, until};

/// Far apart: a check within this test is one that a start has caused.
const SETTINGS: &str = "
health_check: {interval_seconds: 600, timeout_seconds: 0.5, confirm_interval_seconds: 0.1, start_period_seconds: 10, success_threshold: 1}
recovery: {backoff: {schedule: [0.1, 600]}, verify_timeout_seconds: 20}
servers:
";

/// Servers that are only watched.
const WATCHED: usize = 50;

/// Of those that are only watched.
fn checks(orchestrator: &Orchestrator) -> usize {
    let is_watched = |event: &&Value| event["server_name"].as_str().is_some_and(|name| name.starts_with('w'));
    log(orchestrator).iter().filter(is_watched).filter(|event| event["event_type"] == "health_check_completed").count()
}

/// One that runs, many that are watched, and one that has died for good: its second attempt is ten minutes away.
fn registry() -> String {
    let (port, server) = (free_port(), sample_server().display());
    let runs = format!(
        "  - {{name: a, port: {port}, runtime: {{kind: process, command: {server}, args: [--listen, '127.0.0.1:{port}']}}}}\n"
    );
    let watched = (0..WATCHED).map(|watched| format!("  - {{name: w{watched}, port: {port}}}\n"));
    let dead = format!("  - {{name: z, port: {}, runtime: {{kind: process, command: /bin/false}}}}\n", free_port());
    [SETTINGS.to_owned(), runs, watched.collect::<Vec<_>>().concat(), dead].concat()
}

#[test]
fn a_restart_checks_nobody_again_keeps_delays_and_uptime_and_touches_nothing() {
    let mut orchestrator = Orchestrator::start_with(&registry());
    let mut events = orchestrator.events();
    events.wait_for("z", "recovery_failed");
    until("all others are ok", || {
        let snapshot = orchestrator.get("/servers");
        let is_ok = |view: &Value| view["name"] == "z" || view["phase"] == "healthy";
        snapshot["servers"].as_array()?.iter().all(is_ok).then_some(())
    });
    let (pid, planned) = (orchestrator.pid_of("a"), orchestrator.get("/servers/z")["recovery"].clone());
    assert_eq!((planned["attempt"].as_u64(), planned["running"].as_bool()), (Some(2), Some(false)));
    let before = checks(&orchestrator);
    orchestrator = orchestrator.crash_and_start_again();
    let (state, api) = (orchestrator.state(), orchestrator.api.clone());
    let arguments = ["restart", "a", "--url", &api, "--state-dir", &state.to_string_lossy()];
    let mut events = orchestrator.events();
    let again = orchestrator.get("/servers/z")["recovery"].clone();
    assert_eq!(again["attempt"], planned["attempt"], "the backoff was reset");
    assert!(near(&again["next_at"], &planned["next_at"]), "{planned} has become {again}");
    assert_eq!(orchestrator.pid_of("a"), pid);
    // First checks come at once: by the time that this has ended, they would have been made.
    let (code, text) = crate::harness::run(orchestrator.directory.path(), &arguments);
    assert_eq!(code, 0, "{text}");
    events.wait_for("a", "recovery_successful");
    assert_eq!(checks(&orchestrator), before, "servers that had just been checked were checked again");
    // What an orderly end has written is there at once.
    assert!(orchestrator.stop().success());
    let mut orchestrator = orchestrator.start_again();
    let uptime = orchestrator.get("/servers/w0")["uptime"].clone();
    assert_eq!((uptime["24h"].as_f64(), uptime["30d"].as_f64()), (Some(1.0), Some(1.0)), "{uptime}");
    let uptime = orchestrator.get("/servers/z")["uptime"].clone();
    assert_eq!((uptime["24h"].as_f64(), uptime["7d"].as_f64()), (Some(0.0), Some(0.0)), "{uptime}");
    assert!(orchestrator.stop().success());
}

/// Within two seconds: wall times are looked up anew.
fn near(a: &Value, b: &Value) -> bool {
    let at = |value: &Value| value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    matches!((at(a), at(b)), (Some(a), Some(b)) if a.duration_since(b).abs().as_secs() <= 2)
}

/// Plain SQL is the interface for people: what docs/operations/state.md shows works.
#[test]
fn the_uptime_of_a_server_that_was_down_for_a_while_is_in_the_database() {
    let mut orchestrator = Orchestrator::start_with(&registry());
    let mut events = orchestrator.events();
    events.wait_for("a", "status_changed");
    signal(orchestrator.pid_of("a"), "KILL");
    events.wait_for("a", "recovery_successful");
    assert!(orchestrator.stop().success());
    let database = rusqlite::Connection::open(orchestrator.state().join("state.db")).expect("it opens");
    let share = |resolution: &str| -> f64 {
        let sql = "SELECT min(share) FROM uptime_share WHERE server_name = 'a' AND resolution = ?1";
        database.query_row(sql, [resolution], |row| row.get(0)).expect("a share")
    };
    for resolution in ["minute", "hour", "day"] {
        assert!((0.0..1.0).contains(&share(resolution)), "{resolution}: {}", share(resolution));
    }
    let lengths = "SELECT count(*) FROM uptime WHERE counted_ms > CASE resolution WHEN 'minute' THEN 60000 WHEN 'hour' THEN 3600000 ELSE 86400000 END";
    assert_eq!(database.query_row(lengths, [], |row| row.get::<_, u64>(0)).expect("a count"), 0);
}
