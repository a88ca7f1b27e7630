//! The orchestrator ends at any instant; no server runs twice and none is forgotten.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use health_spec::registry::{Runtime, Stop};
use orchestrator::{
    machine::{Death, Word},
    shell::runtime::{
        ActionError,
        process::{ProcessError, procfs},
    },
};
use rustix::process::Signal;

use super::{STAYS, begin, died, only};
use crate::bench::{Bench, Life, eventually, send};

/// Tells a copy of this test binary which state directory to live in.
const LIFE_IN: &str = "RUNTIME_TEST_LIFE_IN";

fn next_life(bench: &Bench) -> Life {
    bench.start(&[bench.shell(STAYS)])
}

/// Writes a record as of this boot.
fn write_record(bench: &Bench, record: &serde_json::Value) {
    let page = serde_json::json!({ "boot": procfs::boot_id(), "record": record });
    fs::create_dir_all(bench.record().parent().unwrap()).unwrap();
    fs::write(bench.record(), page.to_string()).unwrap();
}

/// The record's content.
fn read_record(bench: &Bench) -> serde_json::Value {
    let page: serde_json::Value = serde_json::from_slice(&fs::read(bench.record()).unwrap()).unwrap();
    page["record"].clone()
}

#[test]
fn one_that_runs_is_adopted_by_its_pid_and_still_watched() {
    let bench = Bench::new();
    let (life, pid) = begin(&bench, STAYS);
    eventually("the pid is on disk", || bench.record_is("running"));
    life.crash();
    let mut life = next_life(&bench);
    assert_eq!(life.next_word(), Word::Running);
    assert_eq!(only(&bench.leaders()), pid);
    send(pid, Signal::KILL);
    assert_eq!(life.next_word(), died(None, None));
    life.restart().unwrap();
    assert_ne!(only(&bench.leaders()), pid);
}

#[test]
fn an_adopted_one_is_restarted_with_its_grandchildren() {
    let bench = Bench::new();
    let (life, _) = begin(&bench, "sleep 1000 & echo ready; exec sleep 1000");
    eventually("the pid is on disk", || bench.record_is("running"));
    eventually("two processes", || bench.living().len() == 2);
    let before = bench.living();
    life.crash();
    let mut life = next_life(&bench);
    assert_eq!((life.next_word(), life.next_word()), (Word::RunsOtherwise, Word::Running));
    life.restart().unwrap();
    assert!(before.iter().all(|stat| !stat.identity.is_alive()));
    assert_eq!(life.next_word(), Word::Running);
    assert_eq!(life.pending(), []);
}

#[test]
fn one_whose_pid_was_not_written_is_adopted_by_its_token() {
    let bench = Bench::new();
    let (life, pid) = begin(&bench, "sleep 1000 & echo ready; exec sleep 1000");
    eventually("the pid is on disk", || bench.record_is("running"));
    life.crash();
    write_record(&bench, &serde_json::json!({ "state": "starting", "token": read_record(&bench)["token"] }));
    let mut life = next_life(&bench);
    assert_eq!(life.next_word(), Word::Running);
    assert_eq!(only(&bench.leaders()), pid);
    eventually("the pid is on disk", || bench.record_is("running"));
}

/// Invariant: what cannot be written down is done once, and found by the next run: nothing runs twice.
#[test]
fn a_start_that_cannot_be_written_down_is_made_once_and_adopted() {
    let bench = Bench::new();
    let (mut life, first) = begin(&bench, STAYS);
    eventually("the pid is on disk", || bench.record_is("running"));
    let record = read_record(&bench);
    // In the way of every record from now on; also of root's.
    let in_the_way = bench.record().with_extension("json.tmp");
    fs::create_dir(&in_the_way).unwrap();
    life.restart().unwrap();
    assert_eq!(life.next_word(), Word::Running);
    let second = only(&bench.leaders());
    assert_ne!(second, first);
    assert!(matches!(life.restart(), Err(ActionError::Process(ProcessError::Record(_)))));
    assert_eq!((only(&bench.leaders()), read_record(&bench)), (second, record));
    life.crash();
    fs::remove_dir(in_the_way).unwrap();
    let mut life = next_life(&bench);
    assert_eq!(life.next_word(), Word::Running);
    assert_eq!(only(&bench.leaders()), second);
    eventually("the pid is on disk", || read_record(&bench)["leader"]["pid"] == second);
    life.restart().unwrap();
    assert_ne!(only(&bench.leaders()), second);
}

#[test]
fn an_intent_that_nobody_carries_is_carried_out() {
    let bench = Bench::new();
    write_record(&bench, &serde_json::json!({ "state": "starting", "token": "nobody" }));
    let mut life = next_life(&bench);
    assert_eq!(life.next_word(), Word::Started);
    only(&bench.leaders());
}

#[test]
fn one_that_died_while_we_were_away_is_reported_and_not_started() {
    let bench = Bench::new();
    let (life, pid) = begin(&bench, "(trap '' TERM; exec sleep 1000) & echo ready; exec sleep 1000");
    eventually("the pid is on disk", || bench.record_is("running"));
    life.crash();
    send(pid, Signal::KILL);
    eventually("it is dead", || bench.leaders().is_empty());
    let mut life = next_life(&bench);
    assert_eq!(life.next_word(), died(None, None));
    eventually("what it left is killed", || bench.living().is_empty());
    life.restart().unwrap();
    only(&bench.leaders());
}

#[test]
fn a_death_that_was_seen_is_reported_again_as_it_was() {
    let bench = Bench::new();
    let mut life = bench.start(&[bench.shell("exit 0")]);
    assert_eq!((life.next_word(), life.next_word()), (Word::Started, died(Some(0), None)));
    eventually("the end is on disk", || bench.record_is("ended"));
    life.crash();
    let known = Death { exit_code: Some(0), known: true, ..Death::default() };
    assert_eq!(next_life(&bench).next_word(), Word::Died(known));
    assert!(bench.living().is_empty());
}

/// Its settings were changed while no orchestrator ran.
#[test]
fn one_that_was_started_with_other_settings_is_said_to_until_it_is_started_again() {
    let bench = Bench::new();
    let (life, pid) = begin(&bench, STAYS);
    eventually("the pid is on disk", || bench.record_is("running"));
    life.crash();
    let mut other = bench.shell(STAYS);
    other.env.insert("OTHER".to_owned(), "1".to_owned());
    for _ in 0..2 {
        let mut life = bench.start(&[other.clone()]);
        assert_eq!((life.next_word(), life.next_word()), (Word::RunsOtherwise, Word::Running));
        assert_eq!(only(&bench.leaders()), pid);
        life.crash();
    }
    // What only its end depends on is nothing that it runs with.
    let mut life = bench.start(&[Runtime { stop: Some(Stop::default()), ..bench.shell(STAYS) }]);
    assert_eq!(life.next_word(), Word::Running);
    life.crash();
    let mut life = bench.start(&[other.clone()]);
    assert_eq!((life.next_word(), life.next_word()), (Word::RunsOtherwise, Word::Running));
    life.restart().unwrap();
    assert_eq!(life.next_word(), Word::Running);
    life.crash();
    let mut life = bench.start(&[other]);
    assert_eq!(life.next_word(), Word::Running);
    assert_eq!(life.pending(), []);
}

#[test]
fn a_restart_that_was_cut_short_is_finished() {
    for died_meanwhile in [false, true] {
        let bench = Bench::new();
        let (life, pid) = begin(&bench, STAYS);
        eventually("the pid is on disk", || bench.record_is("running"));
        life.crash();
        let mut record = read_record(&bench);
        record["state"] = "stopping".into();
        write_record(&bench, &record);
        if died_meanwhile {
            send(pid, Signal::KILL);
            eventually("it is dead", || bench.leaders().is_empty());
        }
        let mut life = next_life(&bench);
        assert_eq!(life.next_word(), Word::Started);
        assert_ne!(only(&bench.leaders()), pid);
        assert_eq!(life.pending(), []);
    }
}

#[test]
fn another_process_with_the_same_pid_is_left_alone() {
    let bench = Bench::new();
    let (life, pid) = begin(&bench, STAYS);
    eventually("the pid is on disk", || bench.record_is("running"));
    life.crash();
    let mut record = read_record(&bench);
    record["leader"]["start"] = 1.into();
    record["token"] = "of another one".into();
    write_record(&bench, &record);
    let mut life = next_life(&bench);
    assert_eq!(life.next_word(), died(None, None));
    life.restart().unwrap();
    assert!(bench.leaders().contains(&pid));
}

#[test]
fn a_record_that_makes_no_sense_is_no_licence_to_start() {
    let bench = Bench::new();
    fs::create_dir_all(bench.record().parent().unwrap()).unwrap();
    fs::write(bench.record(), "{").unwrap();
    let error = bench.try_start(&[bench.shell(STAYS)]).err().unwrap();
    assert!(error.to_string().contains("is not a process record"), "{error}");
}

/// Not a test by itself: what [`killed_at_any_instant`] runs and kills.
#[test]
fn life_to_be_killed() {
    let Ok(directory) = std::env::var(LIFE_IN) else { return };
    let bench = Bench::inside(Path::new(&directory));
    let mut life = next_life(&bench);
    loop {
        let _ = life.next_word();
        while life.restart().is_ok() {}
    }
}

#[test]
fn killed_at_any_instant() {
    let bench = Bench::new();
    for state in ["starting", "running", "stopping"].into_iter().cycle().take(45) {
        let before = fs::read(bench.record()).unwrap_or_default();
        let mut orchestrator = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::crash::life_to_be_killed"])
            .env(LIFE_IN, bench.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // The record goes on changing while we look at it: what is hit lies anywhere after this.
        eventually("a step", || bench.record_is(state) && fs::read(bench.record()).unwrap() != before);
        orchestrator.kill().unwrap();
        orchestrator.wait().unwrap();
        assert!(bench.leaders().len() <= 1, "{state}: {:?}", bench.living());
    }
    let mut life = next_life(&bench);
    assert!(matches!(life.next_word(), Word::Running | Word::Started));
    only(&bench.leaders());
}
