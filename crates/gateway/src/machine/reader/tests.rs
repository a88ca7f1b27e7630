//! What a client reads, from every place in the log.

use health_spec::status::Observed;
use serde_json::Value;

use super::*;
use crate::machine::cursor;
use crate::machine::sample::{at, lost, said, snapshot};
use crate::source::Frame;

fn state(frames: impl IntoIterator<Item = Frame>) -> State {
    let mut state = State::with_capacity(vec![None], at(), 8);
    frames.into_iter().for_each(|frame| state.fold(0, frame, at()));
    state
}

fn ok(seq: u64) -> Frame {
    said(seq, "a", Observed::Ok)
}

/// `current`, `gap FROM-TO` or `SEQ` for each message.
fn read(reader: &mut Reader, state: &State) -> Vec<String> {
    let texts = reader.read(state, 100);
    let json = texts.iter().map(|text| serde_json::from_slice::<Value>(&text.json()).expect("JSON"));
    json.map(|json| match json["event_type"].as_str() {
        Some("current") => "current".to_owned(),
        Some("gap") => format!("gap {}-{}", json["from"], json["to"]),
        _ => json["seq"].to_string(),
    })
    .collect()
}

fn resume(state: &State, cursor: &str) -> Result<Reader, Ahead> {
    Reader::resume(state, Filter::default(), cursor::decode(cursor).expect("a cursor"))
}

#[test]
fn a_new_client_sees_the_present_then_each_event() {
    let mut state = state([snapshot(3, &["a", "b"]), ok(4)]);
    let mut reader = Reader::present(&state, Filter::default());
    assert_eq!(read(&mut reader, &state), ["current", "current"]);
    state.fold(0, ok(5), at());
    state.fold(0, ok(5), at());
    state.fold(0, ok(6), at());
    assert_eq!(read(&mut reader, &state), ["5", "6"]);
    assert_eq!(read(&mut reader, &state), [""; 0]);
}

#[test]
fn resuming_loses_and_doubles_nothing() {
    let state = state([snapshot(3, &["a"]), ok(4), ok(5), ok(6)]);
    for (cursor, expected) in [
        ("1.s.e.6", vec![]),
        ("1.s.e.4", vec!["5", "6"]),
        ("1.s.e.3", vec!["current", "4", "5", "6"]),
        ("1.s.e.2", vec!["gap 3-6", "current"]),
        ("1.s.old.5", vec!["gap null-null", "current"]),
        ("1", vec!["current"]),
    ] {
        let mut reader = resume(&state, cursor).expect("a place");
        assert_eq!(read(&mut reader, &state), expected, "{cursor}");
    }
    assert!(resume(&state, "1.s.e.7").is_err(), "ahead of the log");
    let mut reader = resume(&state, "1.other.e.7").expect("a place");
    assert_eq!(read(&mut reader, &state), ["gap null-null", "current"], "a source that is not followed");
}

#[test]
fn a_client_that_falls_out_of_the_log_is_told() {
    let mut state = state([snapshot(0, &["a"])]);
    let mut reader = Reader::present(&state, Filter::default());
    assert_eq!(read(&mut reader, &state), ["current"]);
    (1..=20).for_each(|seq| state.fold(0, ok(seq), at()));
    assert_eq!(read(&mut reader, &state), ["gap 1-20", "current"]);
    state.fold(0, ok(21), at());
    assert_eq!(read(&mut reader, &state), ["21"]);
}

#[test]
fn a_hole_in_the_numbers_is_told() {
    let mut state = state([snapshot(3, &["a"])]);
    let mut reader = Reader::present(&state, Filter::default());
    read(&mut reader, &state);
    state.fold(0, ok(6), at());
    assert_eq!(read(&mut reader, &state), ["gap 4-5", "current", "6"]);
    assert_eq!(read(&mut resume(&state, "1.s.e.3").expect("a place"), &state), ["gap 4-6", "current"]);
    assert_eq!(read(&mut resume(&state, "1.s.e.5").expect("a place"), &state), ["current", "6"]);
}

#[test]
fn a_source_that_is_lost_and_comes_back_shows_its_servers_again() {
    let mut state = state([snapshot(3, &["a"]), ok(4)]);
    let mut reader = Reader::present(&state, Filter::default());
    read(&mut reader, &state);
    state.fold(0, lost(), at());
    state.fold(0, lost(), at());
    assert_eq!(read(&mut reader, &state), ["current"]);
    state.fold(0, snapshot(4, &["a"]), at());
    state.fold(0, ok(5), at());
    assert_eq!(read(&mut reader, &state), ["current", "5"]);
}

#[test]
fn a_new_life_of_the_log_is_a_gap() {
    let mut state = state([snapshot(3, &["a"]), ok(4)]);
    let mut reader = Reader::present(&state, Filter::default());
    read(&mut reader, &state);
    let Frame::Snapshot(mut second) = snapshot(1, &["a"]) else { panic!("a snapshot") };
    second.epoch = "second".into();
    state.fold(0, Frame::Snapshot(second), at());
    assert_eq!(read(&mut reader, &state), ["gap null-null", "current"]);
    assert_eq!(read(&mut resume(&state, "1.s.e.4").expect("a place"), &state), ["gap null-null", "current"]);
    assert_eq!(read(&mut resume(&state, "1.s.second.1").expect("a place"), &state), ["current"]);
}

#[test]
fn a_cursor_of_another_gateway_resumes_each_source_on_its_own() {
    let mut state = State::new(vec![None, None], at());
    let other = |frame: Frame| match frame {
        Frame::Snapshot(mut snapshot) => {
            snapshot.source = "t".into();
            Frame::Snapshot(snapshot)
        }
        Frame::Event { mut event, view } => {
            event.source = "t".into();
            Frame::Event { event, view }
        }
        frame => frame,
    };
    state.fold(0, snapshot(0, &["a"]), at());
    state.fold(1, other(snapshot(0, &["b"])), at());
    for seq in 1..=3 {
        state.fold(0, ok(seq), at());
        state.fold(1, other(said(seq, "b", Observed::Ok)), at());
    }
    let mut reader = resume(&state, "1.s.e.1.t.e.3").expect("a place");
    let texts = reader.read(&state, 100);
    let cursors: Vec<_> = texts.iter().map(|text| String::from_utf8_lossy(text.cursor()).into_owned()).collect();
    assert_eq!(cursors, ["1.s.e.2.t.e.3", "1.s.e.3.t.e.3"]);
}

fn joined(seq: u64, since: u64) -> Frame {
    let Frame::Snapshot(snapshot) = snapshot(seq, &["a"]) else { panic!("a snapshot") };
    Frame::Joined { snapshot, since }
}

#[test]
fn events_from_before_a_snapshot_are_for_those_who_resume() {
    let mut state = state([]);
    let mut early = Reader::present(&state, Filter::default());
    let mut waiting = resume(&state, "1.s.e.3").expect("a place");
    let mut too_old = resume(&state, "1.s.e.1").expect("a place");
    assert_eq!(read(&mut waiting, &state), [""; 0]);
    state.fold(0, joined(5, 2), at());
    state.fold(0, ok(3), at());
    let mut midway = Reader::present(&state, Filter::default());
    assert!(resume(&state, "1.s.e.5").is_ok(), "not ahead");
    (4..=6).for_each(|seq| state.fold(0, ok(seq), at()));
    assert_eq!(read(&mut waiting, &state), ["current", "4", "5", "6"]);
    assert_eq!(read(&mut early, &state), ["current"], "it is shown what it meets");
    assert_eq!(read(&mut too_old, &state), ["gap 2-6", "current"]);
    assert_eq!(read(&mut midway, &state), ["current", "6"]);
    assert_eq!(read(&mut resume(&state, "1.s.e.4").expect("a place"), &state), ["5", "6"]);
}

#[test]
fn a_snapshot_knows_better_than_the_events_before_it() {
    let mut state = state([joined(5, 2), said(3, "a", Observed::Down), said(4, "b", Observed::Ok)]);
    let shown: Vec<_> = state.view.servers().map(|server| (server.name.clone(), server.status)).collect();
    assert_eq!(shown, [("a".to_owned(), Observed::Ok)]);
    (5..=6).for_each(|seq| state.fold(0, said(seq, "a", Observed::Down), at()));
    assert_eq!(state.view.servers().next().map(|server| server.status), Some(Observed::Down));
}

#[test]
fn a_lost_source_may_have_told_another_gateway_more() {
    let mut state = state([snapshot(3, &["a"]), lost()]);
    let mut reader = resume(&state, "1.s.e.5").expect("a place");
    state.fold(0, snapshot(3, &["a"]), at());
    (4..=6).for_each(|seq| state.fold(0, ok(seq), at()));
    let seen = read(&mut reader, &state);
    assert_eq!(seen.iter().filter(|message| *message != "current").collect::<Vec<_>>(), ["6"]);
}
