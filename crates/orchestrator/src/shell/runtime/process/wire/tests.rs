//! What is said and heard through real pipes.

use std::process::{Child, Command, Stdio};

use super::*;

fn child(script: &str) -> Child {
    Command::new("/bin/sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// It wants a runtime to run in.
pub(crate) async fn connected(script: &str) -> (Wire, Child) {
    let (wire, mut child) = (Wire::default(), child(script));
    wire.connect(&mut child, "first").unwrap();
    let listening = wire.clone();
    #[expect(clippy::disallowed_methods, reason = "in place of a supervisor")]
    tokio::spawn(async move { listening.listen().await });
    (wire, child)
}

#[test]
fn what_nobody_hears_is_bounded_by_lines_and_by_bytes() {
    let mut heard = Heard::default();
    for _ in 0..5 {
        heard.keep("x".repeat(LONGEST_LINE));
    }
    assert_eq!((heard.lines.len(), heard.bytes), (2, KEPT_BYTES));
    heard.next();
    heard.keep("the end".to_owned());
    assert_eq!((heard.lines.len(), heard.bytes), (2, LONGEST_LINE + 7));
    (0..1_000).for_each(|number| heard.keep(number.to_string()));
    assert_eq!((heard.lines.len(), heard.lines[0].as_str(), heard.bytes), (KEPT_LINES, "744", 3 * KEPT_LINES));
    heard.forget();
    assert_eq!((heard.next(), heard.bytes), (None, 0));
}

#[tokio::test]
async fn what_is_said_is_answered_and_one_speaks_at_a_time() {
    let (wire, mut child) = connected("while read line; do echo \"heard $line\"; done").await;
    let mut first = wire.converse().await.unwrap();
    first.say("one").await.unwrap();
    let other = wire.clone();
    let mut second = std::pin::pin!(other.converse());
    assert!(futures_util::poll!(second.as_mut()).is_pending());
    assert_eq!(first.hear().await.unwrap(), "heard one");
    drop(first);
    let mut second = second.await.unwrap();
    second.say("two").await.unwrap();
    assert_eq!((second.hear().await.unwrap().as_str(), second.instance()), ("heard two", "first"));
    assert!(wire.hang_up());
    assert!(!wire.hang_up());
    assert!(matches!(second.say("three").await, Err(WireError::Closed)));
    assert!(matches!(second.hear().await, Err(WireError::Closed)));
    assert!(child.wait().unwrap().success());
    wire.disconnect();
    drop(second);
    assert!(matches!(wire.converse().await, Err(WireError::Silent)));
}

#[tokio::test]
async fn a_child_that_says_a_lot_never_waits_for_us_and_long_lines_are_passed_over() {
    let script = "head -c 3000000 /dev/zero | tr '\\0' x; echo; i=0; while [ $i -lt 1000 ]; do echo $i; i=$((i+1)); done; read go; echo end";
    let (wire, mut child) = connected(script).await;
    let mut conversation = wire.converse().await.unwrap();
    conversation.say("go").await.unwrap();
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != "end") {
        lines.push(conversation.hear().await.unwrap());
    }
    assert!(lines.iter().all(|line| line.len() < 10));
    child.wait().unwrap();
}

/// How many chunks a child has written, as the kernel counts.
fn chunks(child: &Child) -> usize {
    let counts = std::fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap();
    let written = counts.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap();
    written.parse::<usize>().unwrap() / CHUNK
}

#[tokio::test]
async fn one_that_never_stops_talking_leaves_a_turn_to_others_after_each_chunk() {
    const TURNS: usize = 10;
    let (talker, mut talking) = connected("exec yes").await;
    let (wire, mut other) = connected("exec cat").await;
    let mut conversation = wire.converse().await.unwrap();
    for number in 0..3 {
        conversation.say(&number.to_string()).await.unwrap();
        assert_eq!(conversation.hear().await.unwrap(), number.to_string());
    }
    let before = chunks(&talking);
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
    // And what is in the pipe, before and after.
    let read = chunks(&talking) - before;
    assert!(read <= 2 * TURNS, "{read} chunks in {TURNS} turns");
    assert_eq!(talker.converse().await.unwrap().hear().await.unwrap(), "y");
    for child in [&mut talking, &mut other] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[tokio::test]
async fn a_line_is_split_only_for_somebody_who_wants_to_hear_it() {
    let (wire, mut child) = connected("exec cat").await;
    let ends = wire.0.now.borrow().clone().unwrap();
    let mut line = Unfinished::default();
    ends.take(b"one\ntwo\nthr", &mut line);
    assert_eq!((ends.heard().lines.len(), line.bytes.as_slice()), (0, b"thr".as_slice()));
    let mut conversation = wire.converse().await.unwrap();
    ends.take(b"ee\nfour\n", &mut line);
    assert_eq!((conversation.hear().await.unwrap(), conversation.hear().await.unwrap()), ("three".to_owned(), "four".to_owned()));
    drop(conversation);
    ends.take(b"five\n", &mut line);
    assert!(ends.heard().lines.is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn a_line_that_was_given_up_halfway_is_ended_before_the_next() {
    let directory = tempfile::tempdir().unwrap();
    // Whoever reads it waits until it is written.
    let go = directory.path().join("go");
    assert!(Command::new("mkfifo").arg(&go).status().unwrap().success());
    let (wire, mut child) = connected(&format!("cat {}; cat", go.display())).await;
    let mut conversation = wire.converse().await.unwrap();
    let long = "y".repeat(200_000);
    let given_up = futures_util::FutureExt::now_or_never(conversation.say(&long));
    assert!(given_up.is_none(), "a pipe holds less");
    drop(conversation);
    std::fs::write(go, "").unwrap();
    let mut conversation = wire.converse().await.unwrap();
    conversation.say("next").await.unwrap();
    assert_eq!(conversation.hear().await.unwrap(), long);
    assert_eq!(conversation.hear().await.unwrap(), "next");
    assert!(wire.hang_up());
    child.wait().unwrap();
}
