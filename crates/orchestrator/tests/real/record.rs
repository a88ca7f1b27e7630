//! What a running orchestrator was told is told again: `run --record`, then `replay`.

use std::path::Path;

use crate::harness::{Orchestrator, QUICK, free_port, run, sample, signal};

/// A child is killed and brought back, and everything is recorded.
fn recorded() -> Orchestrator {
    let registry = format!("{QUICK}servers:\n{}", sample("calculator", free_port()));
    let mut orchestrator = Orchestrator::start_with_arguments(&registry, &["--record=told.jsonl"]);
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    signal(orchestrator.pid_of("calculator"), "KILL");
    events.wait_for("calculator", "recovery_successful");
    orchestrator.stop();
    orchestrator
}

fn replay(directory: &Path, arguments: &[&str]) -> (i32, String) {
    run(directory, &[&["replay"], arguments].concat())
}

#[test]
fn a_recording_replays_to_the_bit_and_to_another_policy() {
    let orchestrator = recorded();
    let directory = orchestrator.directory.path();
    let (code, said) = replay(directory, &["told.jsonl"]);
    assert!(code == 0 && said.contains("the same decisions to the bit"), "{code}: {said}");

    let registry = std::fs::read_to_string(directory.join("registry.yaml")).expect("readable");
    std::fs::write(directory.join("sooner.yaml"), registry.replace("schedule: [0.2,", "schedule: [0.05,")).expect("written");
    let (code, said) = replay(directory, &["told.jsonl", "--config", "sooner.yaml"]);
    let moved = said.lines().any(|line| line.starts_with('~') && line.contains("recovery_started"));
    assert!(code == 0 && moved && said.lines().any(|line| line == "calculator"), "{code}: {said}");
    let (code, said) = replay(directory, &["told.jsonl", "--config", "registry.yaml", "--json"]);
    // What cannot be known stands in stderr.
    let (lines, note) = said.rsplit_once("note: servers answer as they did").expect("a note");
    assert!(note.lines().count() == 1, "{note}");
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(code == 0 && lines.iter().all(|line| line["server_name"] == "calculator"), "{code}: {said}");

    std::fs::write(directory.join("others.yaml"), "servers: [{name: other, health_url: 'http://a/'}]").expect("written");
    let (code, said) = replay(directory, &["told.jsonl", "--config", "others.yaml"]);
    assert!(code == 1 && said.contains("0 of the 1 recorded servers are in it") && !said.contains("\n- "), "{code}: {said}");
    let (_, said) = replay(directory, &["told.jsonl", "--config", "sooner.yaml"]);
    assert!(said.contains("also where the other policy makes no restart"), "{said}");
    nobody_reads(directory, &["replay", "told.jsonl"]);
    nobody_reads(directory, &["replay", "told.jsonl", "--json"]);
    nobody_reads(directory, &["replay", "told.jsonl", "--config", "sooner.yaml"]);

    let text = std::fs::read_to_string(directory.join("told.jsonl")).expect("readable");
    let put = |text: &str| std::fs::write(directory.join("other.jsonl"), text).expect("written");
    put(&text[..text.len() - 10]);
    let (code, said) = replay(directory, &["other.jsonl"]);
    assert!(code == 0 && said.contains("the last line is torn"), "a crash while recording: {code}: {said}");
    let (_, after) = text.split_once(',').expect("a header");
    assert!(text.starts_with("{\"version\":"), "{text}");
    put(&format!("{{\"version\":99,{after}"));
    let (code, said) = replay(directory, &["other.jsonl"]);
    assert!(code == 1 && said.contains("version 99"), "{code}: {said}");
    put("servers: []\n");
    let (code, said) = replay(directory, &["other.jsonl"]);
    assert!(code == 1 && said.contains("does not begin like a recording"), "{code}: {said}");
}

/// A reader that has gone, such as `head`, is no failure.
#[test]
fn what_nobody_reads_any_more_is_no_failure() {
    let directory = tempfile::tempdir().expect("a directory");
    let simulation = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/simulate.yaml");
    let simulation = simulation.to_str().expect("text");
    std::fs::write(directory.path().join("registry.yaml"), "servers: []").expect("written");
    for arguments in [
        &["simulate", simulation][..],
        &["simulate", simulation, "--json"],
        &["check-config", "registry.yaml"],
        &["schema"],
        &["completions", "bash"],
    ] {
        nobody_reads(directory.path(), arguments);
    }
}

/// Runs it with both outputs closed.
fn nobody_reads(directory: &Path, arguments: &[&str]) {
    let closed = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        writer
    };
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_orchestrator"));
    let status = command.args(arguments).current_dir(directory).stdout(closed()).stderr(closed()).status().expect("it runs");
    assert_eq!(status.code(), Some(0), "{arguments:?}");
}
