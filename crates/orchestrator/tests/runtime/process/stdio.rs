//! Servers that speak the protocol on their standard input and output.

use std::time::Duration;

use futures_util::FutureExt;
use health_spec::{
    config::Seconds,
    registry::{Runtime, Stdio, Stop},
};
use orchestrator::{machine::Word, shell::runtime::process::wire::WireError};
use rustix::process::Signal;

use super::{begin_as, died, only};
use crate::bench::{Bench, eventually, send};

/// Answers each line; says on stderr what it lives through.
const ANSWERS: &str = "trap 'echo asked >&2; exit 0' TERM; echo ready >&2; \
    while read line; do echo \"answer to $line\"; done; echo end of input >&2";

/// Ends neither at the end of its input nor when it is asked to.
const STUBBORN: &str = "trap 'echo asked >&2' TERM; echo ready >&2; while :; do sleep 1000 & wait; done";

fn speaking(bench: &Bench, script: &str) -> Runtime {
    Runtime { stdio: Some(Stdio::Mcp), ..bench.shell(script) }
}

fn hasty(bench: &Bench, script: &str) -> Runtime {
    let soon = Some(Seconds(Duration::from_millis(100)));
    Runtime { stop: Some(Stop { stdin_seconds: soon, term_seconds: soon, kill_seconds: None }), ..speaking(bench, script) }
}

#[test]
fn one_asks_and_the_server_answers_and_only_stderr_is_in_the_log() {
    let bench = Bench::new();
    let (life, _) = begin_as(&bench, speaking(&bench, ANSWERS));
    let wire = life.wire();
    let answer = life.run(async {
        let mut conversation = wire.converse().await.unwrap();
        conversation.say("ping").await.unwrap();
        conversation.hear().await.unwrap()
    });
    assert_eq!(answer, "answer to ping");
    assert_eq!(bench.log(), "ready\n");
}

#[test]
fn one_that_dies_is_silent_and_the_next_one_speaks_under_another_name() {
    let bench = Bench::new();
    let (mut life, pid) = begin_as(&bench, speaking(&bench, ANSWERS));
    let wire = life.wire();
    let first = life.run(async { wire.converse().await.unwrap().instance().to_owned() });
    send(pid, Signal::KILL);
    assert_eq!(life.next_word(), died(None, Some(9)));
    eventually("silence", || matches!(wire.converse().now_or_never(), Some(Err(WireError::Silent))));
    life.restart().unwrap();
    let (second, answer) = life.run(async {
        let mut conversation = wire.converse().await.unwrap();
        conversation.say("again").await.unwrap();
        (conversation.instance().to_owned(), conversation.hear().await.unwrap())
    });
    assert_eq!(answer, "answer to again");
    assert_ne!(first, second);
}

#[test]
fn its_input_is_closed_before_it_is_asked_to_end() {
    let bench = Bench::new();
    let (mut life, before) = begin_as(&bench, speaking(&bench, ANSWERS));
    life.restart().unwrap();
    eventually("two starts", || bench.log().matches("ready").count() == 2);
    assert_eq!(bench.log(), "ready\nend of input\nready\n");
    assert_ne!(only(&bench.leaders()), before);
    assert_eq!(life.next_word(), Word::Running);
    assert_eq!(life.pending(), []);
}

#[test]
fn one_that_does_not_mind_the_end_of_its_input_is_asked_and_then_killed() {
    let bench = Bench::new();
    let (life, before) = begin_as(&bench, hasty(&bench, STUBBORN));
    life.restart().unwrap();
    assert_ne!(only(&bench.leaders()), before);
    let log = bench.log();
    assert!(log.find("ready") < log.find("asked"), "{log}");
    life.shut_down();
    assert!(bench.living().is_empty());
    assert!(bench.record_is("stopped"));
}

#[test]
fn one_that_nobody_listens_to_is_never_kept_waiting() {
    let bench = Bench::new();
    let script = "i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; echo ready >&2; cat";
    begin_as(&bench, speaking(&bench, script));
}

/// Its pipes end with us: that is no death of its own, and it cannot be adopted.
#[test]
fn after_a_crash_it_ends_and_is_started_anew_once() {
    for script in [ANSWERS, STUBBORN] {
        let bench = Bench::new();
        let (life, before) = begin_as(&bench, hasty(&bench, script));
        eventually("the pid is on disk", || bench.record_is("running"));
        life.crash();
        let (mut life, after) = begin_as(&bench, hasty(&bench, script));
        assert_ne!(before, after);
        assert_eq!(life.pending(), []);
        assert_eq!(bench.log().matches("ready").count(), 2);
        life.run(async { life.wire().converse().await.unwrap().say("hello").await.unwrap() });
    }
}

#[test]
fn after_a_crash_one_that_has_ended_by_itself_is_not_mourned() {
    let bench = Bench::new();
    let (life, _) = begin_as(&bench, speaking(&bench, ANSWERS));
    eventually("the pid is on disk", || bench.record_is("running"));
    life.crash();
    eventually("it has ended", || bench.living().is_empty());
    let (mut life, _) = begin_as(&bench, speaking(&bench, ANSWERS));
    assert_eq!(life.pending(), []);
}
