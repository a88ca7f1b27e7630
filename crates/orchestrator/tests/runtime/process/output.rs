//! What servers write is kept, up to a limit, and never in their way.

use std::{fs, path::PathBuf};

use health_spec::registry::{ProcessLog, Runtime};
use orchestrator::machine::Word;

use super::{begin, begin_as};
use crate::bench::{Bench, eventually};

const MIB: u64 = 1024 * 1024;

#[test]
fn the_log_of_one_that_writes_without_end_is_put_aside_again_and_again() {
    let bench = Bench::new();
    let script = "echo ready; while :; do head -c 200000 /dev/zero; sleep 0.005; done";
    let log = Some(ProcessLog { max_mib: Some(1), files: Some(2) });
    let (life, _) = begin_as(&bench, Runtime { log, ..bench.shell(script) });
    let older = |number: u32| bench.path().join(format!("logs/server-0.log.{number}"));
    eventually("two older files", || older(2).exists());
    let first = fs::metadata(older(1)).unwrap();
    eventually("another one", || fs::metadata(older(1)).is_ok_and(|now| now.modified().unwrap() > first.modified().unwrap()));
    life.shut_down();
    assert!(fs::metadata(older(1)).unwrap().len() <= MIB);
    assert!(!older(3).exists());
}

#[test]
fn one_whose_log_cannot_be_opened_runs_without() {
    let bench = Bench::new();
    fs::write(bench.path().join("logs"), "in the way").unwrap();
    let here = bench.path().join("here");
    let mut life = bench.start(&[bench.shell(&format!("echo lost; touch {}; exec sleep 1000", here.display()))]);
    assert_eq!(life.next_word(), Word::Started);
    eventually("it runs on", || here.exists());
}

/// Whoever reads it waits until it is written.
fn gate(bench: &Bench) -> PathBuf {
    let gate = bench.path().join("go");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    gate
}

#[test]
fn another_limit_is_in_force_at_once() {
    let bench = Bench::new();
    let go = gate(&bench);
    let script = format!("echo ready; cat {}; head -c 2000000 /dev/zero; exec sleep 1000", go.display());
    let (mut life, _) = begin(&bench, &script);
    let log = Some(ProcessLog { max_mib: Some(1), files: Some(1) });
    life.become_otherwise(&bench, &Runtime { log, ..bench.shell(&script) });
    fs::write(go, "").unwrap();
    let older = bench.path().join("logs/server-0.log.1");
    eventually("it is put aside", || fs::metadata(&older).is_ok_and(|older| older.len() == MIB));
    assert_eq!(life.pending(), [], "nothing was restarted");
}

#[test]
fn the_log_of_one_that_is_being_stopped_is_kept_short_too() {
    let bench = Bench::new();
    let (older, go) = (bench.path().join("logs/server-0.log.1"), gate(&bench));
    let farewell = format!("head -c 9000000 /dev/zero; cat {}; exit 0", go.display());
    let (life, _) = begin(&bench, &format!("trap '{farewell}' TERM; echo ready; sleep 1000 & wait"));
    life.let_go_in_a_restart(|| bench.record_is("stopping") && older.exists() && fs::write(&go, "").is_ok());
}
