//! What servers write is kept, up to a limit, and never in their way.

use std::fs;

use health_spec::registry::{ProcessLog, Runtime};
use orchestrator::machine::Word;

use super::begin_as;
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
