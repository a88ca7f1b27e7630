//! The orchestrator itself killed with SIGKILL, and started again.

use std::collections::HashSet;

use crate::harness::{Orchestrator, free_port, log, sample, signal, until};

fn processes_on(port: u16) -> usize {
    let marker = format!("127.0.0.1:{port}");
    let processes = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|word| word == marker.as_bytes())).count()
}

/// How often a server has begun to serve, by its own word.
fn starts(orchestrator: &Orchestrator, index: usize) -> usize {
    let log = std::fs::read_to_string(orchestrator.state().join(format!("logs/s{index}.log"))).expect("a log");
    log.lines().filter(|line| line.contains("serving")).count()
}

#[test]
fn no_server_is_started_twice_no_line_is_torn_and_numbers_go_on() {
    let ports: Vec<_> = (0..3).map(|_| free_port()).collect();
    let servers: String = ports.iter().enumerate().map(|(index, port)| sample(&format!("s{index}"), *port)).collect();
    let mut orchestrator = Orchestrator::start(&servers);
    let mut pids: Vec<_> = Vec::new();
    for round in 0..5 {
        let mut events = orchestrator.events();
        until("all are ok", || {
            let snapshot = orchestrator.get("/servers");
            snapshot["servers"].as_array()?.iter().all(|view| view["status"] == "ok" && view["phase"] == "healthy").then_some(())
        });
        let now: Vec<_> = (0..3).map(|index| orchestrator.pid_of(&format!("s{index}"))).collect();
        if round > 0 {
            assert_eq!(now, pids, "a healthy server was touched by a restart of the monitor");
        }
        pids = now;
        if round == 2 {
            // In the middle of a recovery.
            signal(pids[0], "KILL");
            events.wait_for("s0", "recovery_started");
            orchestrator = orchestrator.crash_and_start_again();
            until("s0 is back", || (orchestrator.get("/servers/s0")["phase"] == "healthy").then_some(()));
            pids[0] = orchestrator.pid_of("s0");
        }
        orchestrator = orchestrator.crash_and_start_again();
    }
    assert!(ports.iter().all(|port| processes_on(*port) == 1), "a server runs twice");
    assert!(orchestrator.stop().success());

    let log = log(&orchestrator);
    let seqs: Vec<_> = log.iter().map(|event| event["seq"].as_u64().expect("a number")).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "numbers have gaps or come twice");
    let epochs: HashSet<_> = log.iter().map(|event| event["epoch"].as_str().expect("a name")).collect();
    assert_eq!(epochs.len(), 1);
    let count = |event_type: &str| log.iter().filter(|event| event["event_type"] == event_type).count();
    assert_eq!(count("server_down"), 1);
    assert_eq!(count("recovery_successful") + count("server_recovered"), 1, "the incident is closed exactly once");
    // The attempt that the crash has cut off is verified; it is not made again under its number.
    assert_eq!(count("recovery_started"), count("recovery_failed") + 1);
    assert_eq!((0..3).map(|index| starts(&orchestrator, index)).collect::<Vec<_>>(), [2, 1, 1], "one failure, one start");
}

#[test]
fn a_torn_line_is_mended() {
    let mut orchestrator = Orchestrator::start(&sample("calculator", free_port()));
    orchestrator.events().wait_for("calculator", "status_changed");
    orchestrator.crash();
    let path = orchestrator.state().join("health-events.jsonl");
    let whole = std::fs::read(&path).expect("a log");
    std::fs::write(&path, &whole[..whole.len() - 7]).expect("torn");
    let mut orchestrator = orchestrator.start_again();
    assert!(orchestrator.stop().success());
    let seqs: Vec<_> = log(&orchestrator).iter().map(|event| event["seq"].as_u64().expect("a number")).collect();
    assert!(seqs.is_sorted_by(|a, b| b - a == 1), "{seqs:?}");
}
