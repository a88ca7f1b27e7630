//! How processes end, and what is left of them: nothing.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use health_spec::config::Seconds;
use health_spec::registry::{OnCrash, Runtime, Session, Stop};
use orchestrator::machine::{Death, Word};
use orchestrator::shell::runtime::process::procfs;
use rustix::process::Signal;

use super::{STAYS, begin, begin_as, only};
use crate::bench::{Bench, eventually, send};

/// `timeout` makes a process group of its own, and has a child.
const OTHER_GROUP: &str = "timeout 1000 sleep 1000 & echo ready; exec sleep 1000";

#[test]
fn a_core_dump_is_noticed_where_the_machine_makes_one() {
    let bench = Bench::new();
    let script = "ulimit -c unlimited 2>/dev/null; kill -ABRT $$";
    let here = Command::new("/bin/sh").args(["-c", script]).current_dir(bench.path()).stderr(Stdio::null()).status().unwrap();
    let mut life = bench.start(&[bench.shell(script)]);
    assert_eq!(life.next_word(), Word::Started);
    let core_dumped = here.core_dumped();
    assert_eq!(life.next_word(), Word::Died(Death { signal: Some(6), core_dumped, ..Death::default() }));
    eventually("the end is on disk", || bench.record_is("ended"));
    life.crash();
    let mut life = bench.start(&[bench.shell(script)]);
    assert_eq!(life.next_word(), Word::Died(Death { signal: Some(6), core_dumped, ..Death::default() }));
}

#[test]
fn a_session_ends_with_all_its_groups() {
    let bench = Bench::new();
    let server = Runtime { session: Some(Session::Session), ..bench.shell(OTHER_GROUP) };
    let (life, _) = begin_as(&bench, server);
    eventually("two groups", || (bench.living().len(), bench.leaders().len()) == (3, 2));
    let before = bench.living();
    assert!(before.iter().all(|stat| stat.session == before[0].session && stat.session != procfs::stat(1).unwrap().session));
    life.restart().unwrap();
    assert!(before.iter().all(|stat| !stat.identity.is_alive()));
    eventually("the next three", || bench.living().len() == 3);
    life.shut_down();
    assert!(bench.living().is_empty());
}

#[test]
fn what_left_its_group_on_purpose_is_left_alone() {
    let bench = Bench::new();
    let (life, _) = begin_as(&bench, bench.shell(OTHER_GROUP));
    eventually("two groups", || (bench.living().len(), bench.leaders().len()) == (3, 2));
    life.shut_down();
    assert_eq!((bench.living().len(), bench.leaders().len()), (2, 1));
}

#[test]
fn one_that_is_to_end_with_us_is_ended_and_started_anew() {
    let bench = Bench::new();
    let server = || Runtime { on_crash: Some(OnCrash::End), ..bench.shell(STAYS) };
    let (life, before) = begin_as(&bench, server());
    eventually("the pid is on disk", || bench.record_is("running"));
    life.crash();
    let mut life = bench.start(&[server()]);
    assert_eq!(life.next_word(), Word::Started);
    assert_ne!(only(&bench.leaders()), before);
    assert_eq!(life.pending(), []);
}

#[test]
fn nothing_waits_to_be_reaped() {
    let bench = Bench::new();
    let (mut life, _) = begin(&bench, "sleep 1000 & echo ready; exec sleep 1000");
    life.restart().unwrap();
    assert_eq!(life.next_word(), Word::Running);
    send(only(&bench.leaders()), Signal::KILL);
    life.next_word();
    life.restart().unwrap();
    assert_eq!(procfs::ended_children(), []);
    life.shut_down();
    assert_eq!(procfs::ended_children(), []);
}

#[test]
fn a_dead_leader_is_reaped_also_when_its_group_does_not_end_in_time() {
    let bench = Bench::new();
    // No time at all: whoever is left cannot have ended when that is looked at.
    let stop = Stop { kill_seconds: Some(Seconds(std::time::Duration::ZERO)), ..Stop::default() };
    let server = Runtime { stop: Some(stop), ..bench.shell("sleep 1000 & echo ready; exec sleep 1000") };
    let (mut life, pid) = begin_as(&bench, server);
    send(pid, Signal::KILL);
    assert_eq!(life.next_word(), Word::Died(Death { signal: Some(9), ..Death::default() }));
    eventually("it is reaped", || procfs::stat(pid).is_none());
}

#[test]
fn one_that_was_let_go_lives_on_with_a_short_log_and_is_reaped_when_it_ends() {
    let bench = Bench::new();
    let go = bench.path().join("go");
    let script =
        format!("echo ready; while [ ! -e {} ]; do sleep 0.02; done; head -c 9000000 /dev/zero; exec sleep 1000", go.display());
    let (mut life, pid) = begin(&bench, &script);
    life.let_go();
    assert_eq!(only(&bench.leaders()), pid);
    std::fs::write(go, "").unwrap();
    eventually("its log is put aside", || bench.path().join("logs/server-0.log.1").exists());
    send(pid, Signal::KILL);
    eventually("it is reaped", || procfs::stat(pid).is_none());
    assert_eq!(life.pending(), []);
}

#[test]
fn one_that_is_let_go_in_the_middle_of_a_restart_is_left_alone_once_that_is_done() {
    let mut bench = Bench::new();
    bench.stop_timeout = std::time::Duration::from_millis(300);
    let script = "trap '' TERM; echo ready; while :; do sleep 0.02; done";
    let (life, before) = begin(&bench, script);
    life.let_go_in_a_restart(|| bench.record_is("stopping"));
    // Whoever runs it from now on finds the one that the restart has started.
    assert!(bench.record_is("running"));
    assert_ne!(only(&bench.leaders()), before);
}
