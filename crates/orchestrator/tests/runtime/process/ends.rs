//! How processes end, and what is left of them: nothing.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use health_spec::config::Seconds;
use health_spec::registry::{OnCrash, Runtime, Session, Stop};
use orchestrator::machine::{Death, Word};
use orchestrator::shell::runtime::process::procfs;
use rustix::process::Signal;

use super::{STAYS, begin, begin_as, only};
use crate::bench::{Bench, eventually, send};
use crate::root::{is_alone, is_root};

/// `timeout` makes a process group of its own, and has a child.
const OTHER_GROUP: &str = "timeout 1000 sleep 1000 & echo ready; exec sleep 1000";

/// Its first thread ends; another one goes on, and does not mind to be asked.
const HEADLESS: &str = r#"exec python3 -c '
import ctypes, signal, threading, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def stay():
    print("ready", flush=True)
    time.sleep(1000)
threading.Thread(target=stay).start()
ctypes.CDLL(None).pthread_exit(None)
'"#;

#[test]
fn one_whose_first_thread_has_ended_lives_and_is_killed() {
    let mut bench = Bench::new();
    bench.stop_timeout = Duration::from_millis(200);
    let (mut life, pid) = begin(&bench, HEADLESS);
    let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    eventually("its first thread has ended", || stat().contains(") Z "));
    assert_eq!(only(&bench.leaders()), pid);
    life.restart().unwrap();
    assert!(procfs::stat(pid).unwrap().is_none());
    assert_eq!(life.next_word(), Word::Running);
    assert_eq!(life.pending(), []);
}

/// A control group with little memory; removed in the end.
struct Cramped(PathBuf);

impl Cramped {
    fn new() -> Self {
        let alone = Path::new("/sys/fs/cgroup/memory");
        let (above, limit) =
            if alone.is_dir() { (alone, "memory.limit_in_bytes") } else { (Path::new("/sys/fs/cgroup"), "memory.max") };
        let group = above.join(format!("mcp-health-test-{}", std::process::id()));
        fs::create_dir(&group).expect("control groups of memory can be made here");
        let cramped = Self(group);
        fs::write(cramped.0.join(limit), "33554432").expect("control groups here have limits of memory");
        // Where there is none to limit, there is none to use.
        let _ = fs::write(cramped.0.join("memory.swap.max"), "0");
        cramped
    }
}

impl Drop for Cramped {
    fn drop(&mut self) {
        eventually("the control group is empty", || fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn one_that_is_killed_for_memory_is_said_to_be() {
    if !is_root("process::ends::one_that_is_killed_for_memory_is_said_to_be") {
        return;
    }
    let cramped = Cramped::new();
    let bench = Bench::new();
    let script = format!("echo $$ > {}/cgroup.procs; exec tail /dev/zero", cramped.0.display());
    let mut life = bench.start(&[bench.shell(&script)]);
    assert_eq!(life.next_word(), Word::Started);
    assert_eq!(life.next_word(), Word::Died(Death { signal: Some(9), oom_killed: true, ..Death::default() }));
}

/// The kernel counts by control group where ours has such a counter; else the machine's is all that is known.
#[test]
fn one_that_somebody_kills_while_another_one_is_killed_for_memory_is_not_said_to_be() {
    if !is_root("process::ends::one_that_somebody_kills_while_another_one_is_killed_for_memory_is_not_said_to_be") {
        return;
    }
    let (cramped, bench) = (Cramped::new(), Bench::new());
    let (mut life, pid) = begin(&bench, STAYS);
    let script = format!("echo $$ > {}/cgroup.procs; exec tail /dev/zero", cramped.0.display());
    let other = Command::new("/bin/sh").args(["-c", &script]).status().unwrap();
    assert_eq!(other.signal(), Some(9));
    send(pid, Signal::KILL);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
    let ours = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    let is_told_apart = Path::new(&format!("/sys/fs/cgroup{ours}/memory.events")).exists();
    assert_eq!(life.next_word(), Word::Died(Death { signal: Some(9), oom_killed: !is_told_apart, ..Death::default() }));
}

#[test]
fn a_core_dump_is_noticed() {
    let bench = Bench::new();
    let script = "ulimit -c unlimited 2>/dev/null; kill -ABRT $$";
    let here = Command::new("/bin/sh").args(["-c", script]).current_dir(bench.path()).stderr(Stdio::null()).status().unwrap();
    assert!(here.core_dumped(), "this machine makes no core dump: see `ulimit -H -c` and /proc/sys/kernel/core_pattern");
    let mut life = bench.start(&[bench.shell(script)]);
    assert_eq!(life.next_word(), Word::Started);
    assert_eq!(life.next_word(), Word::Died(Death { signal: Some(6), core_dumped: true, ..Death::default() }));
    eventually("the end is on disk", || bench.record_is("ended"));
    life.crash();
    let mut life = bench.start(&[bench.shell(script)]);
    assert_eq!(life.next_word(), Word::Died(Death { signal: Some(6), core_dumped: true, known: true, ..Death::default() }));
}

#[test]
fn a_session_ends_with_all_its_groups() {
    let bench = Bench::new();
    let server = Runtime { session: Some(Session::Session), ..bench.shell(OTHER_GROUP) };
    let (life, _) = begin_as(&bench, server);
    eventually("two groups", || (bench.living().len(), bench.leaders().len()) == (3, 2));
    let before = bench.living();
    assert!(
        before.iter().all(|stat| stat.session == before[0].session && stat.session != procfs::stat(1).unwrap().unwrap().session)
    );
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
    if !is_alone("process::ends::nothing_waits_to_be_reaped") {
        return;
    }
    let bench = Bench::new();
    let (mut life, _) = begin(&bench, "sleep 1000 & echo ready; exec sleep 1000");
    life.restart().unwrap();
    assert_eq!(life.next_word(), Word::Running);
    // One that is just being executed shows no environment.
    eventually("it is seen", || bench.leaders().len() == 1);
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
    let stop = Stop { kill_seconds: Some(Seconds(Duration::ZERO)), ..Stop::default() };
    let server = Runtime { stop: Some(stop), ..bench.shell("sleep 1000 & echo ready; exec sleep 1000") };
    let (mut life, pid) = begin_as(&bench, server);
    send(pid, Signal::KILL);
    assert_eq!(life.next_word(), Word::Died(Death { signal: Some(9), ..Death::default() }));
    eventually("it is reaped", || procfs::stat(pid).unwrap().is_none());
}

#[test]
fn one_that_was_let_go_lives_on_with_a_short_log_and_is_reaped_when_it_ends() {
    let bench = Bench::new();
    let go = bench.path().join("go");
    let script = format!("mkfifo {0}; echo ready; cat {0}; head -c 9000000 /dev/zero; exec sleep 1000", go.display());
    let (mut life, pid) = begin(&bench, &script);
    life.let_go();
    assert_eq!(only(&bench.leaders()), pid);
    fs::write(go, "").unwrap();
    eventually("its log is put aside", || bench.path().join("logs/server-0.log.1").exists());
    send(pid, Signal::KILL);
    eventually("it is reaped", || procfs::stat(pid).unwrap().is_none());
    assert_eq!(life.pending(), []);
}

#[test]
fn one_that_is_let_go_in_the_middle_of_a_restart_is_left_alone_once_that_is_done() {
    let mut bench = Bench::new();
    bench.stop_timeout = Duration::from_millis(300);
    let script = "trap '' TERM; echo ready; exec sleep 1000";
    let (life, before) = begin(&bench, script);
    life.let_go_in_a_restart(|| bench.record_is("stopping"));
    // Whoever runs it from now on finds the one that the restart has started.
    assert!(bench.record_is("running"));
    assert_ne!(only(&bench.leaders()), before);
}
