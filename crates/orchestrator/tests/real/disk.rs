//! A state directory without room: monitoring goes on, each server gets one action, and nothing is lost once there is room.
//!
//! A small tmpfs where this machine lets us mount one, else a limit on the size of files: both refuse to grow.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use orchestrator::shell::runtime::process::{INSTANCE_VARIABLE, procfs};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Orchestrator, QUICK, find_key, free_port, log, run, sample_server, signal, until};

/// Enough for everything that a short test writes.
const SIZE: &str = "16m";

/// Below what any file of the state directory already has, but enough for the small records of processes.
const LIMIT_BYTES: u64 = 4_096;

/// Nothing at all, as on a file system that has become read-only.
const NOTHING: u64 = 0;

/// Where the state is kept.
enum Disk {
    Tmpfs(PathBuf),
    /// No file may be larger.
    Limit(u64),
}

impl Disk {
    fn under(directory: &Path) -> Self {
        let state = directory.join("state");
        std::fs::create_dir(&state).expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={SIZE},mode=0700"), "none"]).arg(&state).stderr(Stdio::null());
        if mount.status().is_ok_and(|status| status.success()) {
            return Self::Tmpfs(state);
        }
        eprintln!("nothing can be mounted here: a limit on the size of files stands for a full disk");
        Self::Limit(LIMIT_BYTES)
    }

    fn fill(&self, orchestrator: &Orchestrator) {
        match self {
            Self::Tmpfs(state) => {
                let mut filler = File::create(state.join("filler")).expect("a file");
                while filler.write_all(&[0; 4_096]).is_ok() {}
            }
            Self::Limit(bytes) => limit(orchestrator, &bytes.to_string()),
        }
    }

    fn free(&self, orchestrator: &Orchestrator) {
        match self {
            Self::Tmpfs(state) => std::fs::remove_file(state.join("filler")).expect("it is removed"),
            Self::Limit(_) => limit(orchestrator, "unlimited"),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Self::Tmpfs(state) = self {
            let unmounted = Command::new("umount").arg("-l").arg(&state).status();
            assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", state.display());
            let _ = std::fs::remove_dir_all(state.parent().expect("a parent"));
        }
    }
}

fn limit(orchestrator: &Orchestrator, size: &str) {
    let pid = orchestrator.pid().to_string();
    let status = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={size}:")]).status().expect("prlimit runs");
    assert!(status.success(), "prlimit --fsize={size}");
}

/// Its own words go nowhere: a server that dies of a full disk is another story.
fn entry(port: u16) -> String {
    let script = format!("exec {} --listen 127.0.0.1:{port} >/dev/null 2>&1", sample_server().display());
    format!("  - {{name: a, port: {port}, runtime: {{kind: process, command: /bin/sh, args: [-c, {}]}}}}\n", Value::from(script))
}

fn own_health(orchestrator: &Orchestrator, status: &str) -> Value {
    until(&format!("its own health is {status}"), || {
        Some(orchestrator.get("/health")).filter(|health| health["status"] == status)
    })
}

/// All numbers once, on the stream's side of it and on the disk's.
fn nothing_is_missing(orchestrator: &Orchestrator) {
    let log = log(orchestrator);
    assert!(log.iter().map(|event| event["seq"].as_u64().expect("a number")).eq(1..=log.len() as u64), "a hole in the log");
    let database = rusqlite::Connection::open(orchestrator.state().join("state.db")).expect("it opens");
    let count: u64 = database.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).expect("a count");
    assert_eq!(count, log.len() as u64);
}

/// Every process that is server `a`, by the token on disk or by the one that follows it.
fn running(orchestrator: &Orchestrator) -> Vec<i32> {
    let record = std::fs::read_to_string(orchestrator.state().join("processes/a.json")).expect("a record");
    let record: Value = serde_json::from_str(&record).expect("JSON");
    let token = find_key(&record, "token").and_then(Value::as_str).expect("a token").to_owned();
    let tokens = [format!("{token}+"), token];
    let everyone = procfs::everyone().expect("/proc");
    let carry = |token: String| procfs::with_environment(&everyone, INSTANCE_VARIABLE, &token, usize::MAX).expect("/proc");
    tokens.into_iter().flat_map(carry).map(|stat| stat.identity.pid).collect()
}

fn on(disk: impl FnOnce(&Path) -> Disk) -> (Disk, Orchestrator) {
    let directory: TempDir = tempfile::tempdir().expect("a directory");
    let disk = disk(directory.path());
    let registry = format!("{QUICK}servers:\n{}", entry(free_port()));
    (disk, Orchestrator::start_at(directory, registry))
}

fn goes_on_and_catches_up(disk: &Disk, mut orchestrator: Orchestrator) {
    let mut events = orchestrator.events();
    events.wait_for("a", "status_changed");
    own_health(&orchestrator, "ok");

    disk.fill(&orchestrator);
    events.wait_until("the disk is missed", |event| event["event_type"] == "monitor_impaired" && event["reason"] == "state");
    let health = own_health(&orchestrator, "degraded");
    assert!(health.to_string().contains("the state cannot be written"), "{health}");
    // One action, although the disk is full.
    signal(orchestrator.pid_of("a"), "KILL");
    assert_eq!(events.wait_for("a", "recovery_started")["attempt"], 1);
    events.wait_for("a", "recovery_successful");
    signal(orchestrator.pid_of("a"), "KILL");
    assert_eq!(events.wait_for("a", "recovery_held")["reason"], "state");
    // It is watched all the same.
    events.wait_for("a", "health_check_completed");
    assert_eq!(orchestrator.get("/servers/a")["held"]["reason"], "state");
    let (code, said) = run(orchestrator.directory.path(), &["events", "--url", &orchestrator.api]);
    assert!(code == 0 && said.contains("newer events wait in memory until the disk takes them"), "{said}");

    disk.free(&orchestrator);
    assert_eq!(events.wait_for("a", "recovery_released")["reason"], "state");
    assert_eq!(events.wait_for("a", "recovery_started")["attempt"], 2);
    events.wait_for("a", "recovery_successful");
    own_health(&orchestrator, "ok");
    assert!(orchestrator.stop().success());
    nothing_is_missing(&orchestrator);
}

#[test]
fn on_a_full_disk_monitoring_goes_on_and_everything_is_written_later() {
    let (disk, orchestrator) = on(Disk::under);
    goes_on_and_catches_up(&disk, orchestrator);
}

/// The same everywhere: it takes no mount, and a process is not to die of SIGXFSZ.
#[test]
fn files_that_may_not_grow_are_a_full_disk() {
    let (disk, orchestrator) = on(|directory| {
        std::fs::create_dir(directory.join("state")).expect("a directory");
        Disk::Limit(LIMIT_BYTES)
    });
    goes_on_and_catches_up(&disk, orchestrator);
}

#[test]
fn where_nothing_can_be_written_the_one_action_is_made_and_nothing_runs_twice() {
    let (disk, orchestrator) = on(|directory| {
        std::fs::create_dir(directory.join("state")).expect("a directory");
        Disk::Limit(NOTHING)
    });
    let mut events = orchestrator.events();
    events.wait_for("a", "status_changed");
    disk.fill(&orchestrator);
    own_health(&orchestrator, "degraded");
    let first = orchestrator.pid_of("a");
    signal(first, "KILL");
    events.wait_for("a", "recovery_successful");
    let second = running(&orchestrator);
    assert!(second.len() == 1 && second != [first], "{second:?} after {first}");
    let mut orchestrator = orchestrator.crash_and_start_again();
    until("it is well", || (orchestrator.get("/servers/a")["status"] == "ok").then_some(()));
    until("the one that runs is found", || (orchestrator.pid_of("a") == second[0]).then_some(()));
    assert_eq!(running(&orchestrator), second);
    assert!(orchestrator.stop().success());
    nothing_is_missing(&orchestrator);
}

#[test]
fn it_starts_on_a_full_disk_and_goes_on_where_it_was() {
    let (disk, orchestrator) = on(Disk::under);
    let mut events = orchestrator.events();
    events.wait_for("a", "status_changed");
    disk.fill(&orchestrator);
    let pid = orchestrator.pid_of("a");
    let mut orchestrator = orchestrator.crash_and_start_again();
    disk.fill(&orchestrator);
    own_health(&orchestrator, "degraded");
    assert_eq!(orchestrator.get("/servers/a")["status"], "ok");
    disk.free(&orchestrator);
    own_health(&orchestrator, "ok");
    assert_eq!(orchestrator.pid_of("a"), pid, "nothing was restarted");
    assert!(orchestrator.stop().success());
    nothing_is_missing(&orchestrator);
}
