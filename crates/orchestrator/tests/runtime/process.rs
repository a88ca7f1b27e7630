//! Child processes: watching, restarting, and outliving ourselves.

mod blind;
mod crash;
mod ends;
mod output;
mod stdio;
mod who;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use health_spec::registry::Runtime;
use orchestrator::machine::{Death, Word};
use orchestrator::shell::runtime::life;
use rustix::process::Signal;

use crate::bench::{Bench, Life, eventually, send};

/// Says that it is there, then stays.
const STAYS: &str = "echo ready; exec sleep 1000";

fn died(exit_code: Option<i64>, signal: Option<i32>) -> Word {
    Word::Died(Death { exit_code, signal, ..Death::default() })
}

/// Starts server 0 and waits until it has said that it is ready; answers its pid.
fn begin(bench: &Bench, script: &str) -> (Life, i32) {
    begin_as(bench, bench.shell(script))
}

/// Starts this as server 0 and waits until it has said that it is ready once more; answers the pid of the first group's leader.
fn begin_as(bench: &Bench, server: Runtime) -> (Life, i32) {
    let before = bench.log().matches("ready").count();
    let mut life = bench.start(&[server]);
    assert_eq!(life.next_word(), Word::Started);
    eventually("ready", || bench.log().matches("ready").count() > before);
    let pid = bench.leaders().into_iter().min().expect("a leader");
    (life, pid)
}

fn only(pids: &[i32]) -> i32 {
    assert_eq!(pids.len(), 1, "{pids:?}");
    pids[0]
}

#[test]
fn an_exit_is_noticed_with_its_code() {
    let bench = Bench::new();
    let mut life = bench.start(&[bench.shell("exit 3")]);
    assert_eq!((life.next_word(), life.next_word()), (Word::Started, died(Some(3), None)));
}

#[test]
fn a_signal_is_noticed() {
    let bench = Bench::new();
    let (mut life, pid) = begin(&bench, STAYS);
    send(pid, Signal::SEGV);
    assert_eq!(life.next_word(), died(None, Some(11)));
}

#[test]
fn a_command_that_cannot_be_started_is_a_death_with_its_cause() {
    let bench = Bench::new();
    let mut wrong = bench.shell("");
    wrong.command = Some("no-such-program".to_owned());
    let mut life = bench.start(&[wrong.clone()]);
    let error = Some("cannot start \"no-such-program\": No such file or directory".to_owned());
    assert_eq!(life.next_word(), Word::Died(Death { error, ..Death::default() }));
    assert!(orchestrator::shell::causes::causes(&life.restart().unwrap_err()).starts_with("cannot start \"no-such-program\""));
    assert_eq!(life.pending(), []);
}

/// Nothing is said of it, since it was our doing; but a probe of kind `process` is to see it.
#[test]
fn one_that_a_restart_has_only_ended_is_known_not_to_run() {
    let bench = Bench::new();
    let program = bench.path().join("server");
    fs::write(&program, format!("#!/bin/sh\n{STAYS}\n")).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let mut server = bench.shell("");
    (server.command, server.args) = (Some(program.display().to_string()), vec![]);
    let (mut life, _) = begin_as(&bench, server);
    assert_eq!(life.of_the_first(), life::Life::Running);
    // That its interpreter is not there cannot be seen before.
    fs::write(&program, "#!/no/such/interpreter\n").unwrap();
    life.restart().unwrap_err();
    assert_eq!(life.pending(), []);
    assert!(matches!(life.of_the_first(), life::Life::NotRunning(_)), "{:?}", life.of_the_first());
}

#[test]
fn one_that_could_not_be_started_again_is_not_ended() {
    let bench = Bench::new();
    let (program, variables, directory) =
        (bench.path().join("server"), bench.path().join("variables"), bench.path().join("here"));
    let whole = || {
        fs::create_dir_all(&directory).unwrap();
        fs::write(&variables, "A=1\n").unwrap();
        fs::write(&program, format!("#!/bin/sh\n{STAYS}\n")).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    };
    whole();
    let mut server = bench.shell("");
    (server.command, server.args) = (Some(program.display().to_string()), vec![]);
    (server.cwd, server.env_file) = (Some("here".to_owned()), Some("variables".to_owned()));
    let (mut life, pid) = begin_as(&bench, server.clone());
    let breaks: [(&str, &dyn Fn()); 4] = [
        ("there is no", &|| fs::remove_file(&program).unwrap()),
        ("is no executable file", &|| fs::set_permissions(&program, Permissions::from_mode(0o644)).unwrap()),
        ("cannot read the environment file", &|| fs::remove_file(&variables).unwrap()),
        ("the working directory", &|| fs::remove_dir(&directory).unwrap()),
    ];
    for (why, break_it) in breaks {
        break_it();
        let error = orchestrator::shell::causes::causes(&life.restart().unwrap_err());
        assert!(error.starts_with("the server was not touched") && error.contains(why), "{error}");
        assert_eq!((only(&bench.leaders()), life.of_the_first()), (pid, life::Life::Running));
        assert!(bench.record_is("running"));
        whole();
    }
    // A reload names a user that is not there: a registry that says so at its start is refused.
    life.become_otherwise(&bench, &Runtime { user: Some("no-such-user".to_owned()), ..server.clone() });
    let error = orchestrator::shell::causes::causes(&life.restart().unwrap_err());
    assert!(error.contains("there is no user \"no-such-user\""), "{error}");
    assert_eq!((only(&bench.leaders()), life.pending()), (pid, vec![]));
    // A bare name is looked for in PATH, as it is given to it.
    let bare = Runtime { command: Some("sleep".to_owned()), args: vec!["1000".to_owned()], ..server };
    let mut elsewhere = bare.clone();
    elsewhere.env.insert("PATH".to_owned(), "/nowhere".to_owned());
    life.become_otherwise(&bench, &elsewhere);
    life.restart().unwrap_err();
    assert_eq!(only(&bench.leaders()), pid);
    life.become_otherwise(&bench, &bare);
    life.restart().unwrap();
    assert_ne!(only(&bench.leaders()), pid);
}

/// A reload while the old one is being stopped.
#[test]
fn a_restart_starts_what_is_in_force_when_it_starts() {
    let bench = Bench::new();
    let go = bench.path().join("go");
    assert!(std::process::Command::new("mkfifo").arg(&go).status().unwrap().success());
    let mut server = bench.shell("trap 'cat $GO; exit 0' TERM; echo ready; sleep 1000 & wait");
    server.env.insert("GO".to_owned(), go.display().to_string());
    let (life, before) = begin_as(&bench, server);
    let other = bench.shell("echo ready otherwise; exec sleep 1000");
    life.become_otherwise_in_a_restart(&bench, &other, || bench.record_is("stopping"), || fs::write(&go, "").unwrap());
    eventually("the other one runs", || bench.log().ends_with("ready otherwise\n"));
    assert_ne!(only(&bench.leaders()), before);
}

#[test]
fn what_cannot_be_run_is_said_before_anything_starts() {
    let bench = Bench::new();
    let mut empty = bench.shell("");
    empty.command = None;
    let error = bench.try_start(&[bench.shell(STAYS), empty]).err().unwrap();
    assert_eq!(error.faults[0].pointer, "/servers/1/runtime");
    assert!(bench.living().is_empty());
}

#[test]
fn a_restart_stops_then_starts_and_is_not_a_death() {
    let bench = Bench::new();
    let (mut life, before) = begin(&bench, "trap 'echo bye; exit 0' TERM; echo ready; sleep 1000 & wait");
    life.restart().unwrap();
    eventually("two starts", || bench.log().matches("ready").count() == 2);
    let log = bench.log();
    assert!(log.find("bye") < log.rfind("ready"), "{log}");
    assert_ne!(only(&bench.leaders()), before);
    assert_eq!(life.next_word(), Word::Running);
    assert_eq!(life.pending(), []);
}

#[test]
fn a_dead_server_is_started_by_a_restart() {
    let bench = Bench::new();
    let (mut life, pid) = begin(&bench, STAYS);
    send(pid, Signal::KILL);
    assert_eq!(life.next_word(), died(None, Some(9)));
    life.restart().unwrap();
    assert_ne!(only(&bench.leaders()), pid);
}

#[test]
fn one_that_ignores_the_request_is_killed() {
    let mut bench = Bench::new();
    bench.stop_timeout = Duration::from_millis(200);
    let (life, before) = begin(&bench, "trap '' TERM; echo ready; exec sleep 1000");
    life.restart().unwrap();
    assert_ne!(only(&bench.leaders()), before);
}

#[test]
fn a_frozen_one_is_restarted() {
    let mut bench = Bench::new();
    bench.stop_timeout = Duration::from_millis(200);
    let (mut life, before) = begin(&bench, "trap '' TERM; echo ready; exec sleep 1000");
    send(before, Signal::STOP);
    life.restart().unwrap();
    assert_ne!(only(&bench.leaders()), before);
    assert_eq!(life.next_word(), Word::Running);
    assert_eq!(life.pending(), []);
}

#[test]
fn grandchildren_go_with_a_restart() {
    let bench = Bench::new();
    let (life, _) = begin(&bench, "sleep 1000 & sleep 1000 & echo ready; exec sleep 1000");
    eventually("three processes", || bench.living().len() == 3);
    let before = bench.living();
    life.restart().unwrap();
    assert!(before.iter().all(|stat| !stat.identity.is_alive()));
}

#[test]
fn what_a_dead_leader_leaves_behind_is_killed() {
    let bench = Bench::new();
    let mut life = bench.start(&[bench.shell("(trap '' TERM; exec sleep 1000) & exit 1")]);
    assert_eq!((life.next_word(), life.next_word()), (Word::Started, died(Some(1), None)));
    eventually("nobody is left", || bench.living().is_empty());
}

#[test]
fn a_shutdown_leaves_nothing_and_the_next_start_is_a_new_one() {
    let bench = Bench::new();
    let (life, before) = begin(&bench, "sleep 1000 & echo ready; exec sleep 1000");
    life.shut_down();
    assert!(bench.living().is_empty());
    assert!(bench.record_is("stopped"));
    let mut life = bench.start(&[bench.shell(STAYS)]);
    assert_eq!(life.next_word(), Word::Started);
    assert_ne!(only(&bench.leaders()), before);
}

#[test]
fn a_thousand_line_log_survives_and_is_shared_by_both_streams() {
    let bench = Bench::new();
    let (_life, _) =
        begin(&bench, "i=0; while [ $i -lt 1000 ]; do echo out; echo err >&2; i=$((i+1)); done; echo ready; exec sleep 1000");
    let log = bench.log();
    assert_eq!((log.matches("out").count(), log.matches("err").count()), (1000, 1000));
}
