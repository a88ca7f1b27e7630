//! What an engine did at its own end, or when it began after it was killed, and what people did before.

use axum::{
    Router,
    http::{StatusCode, Uri},
    response::{IntoResponse, Json},
};
use tokio::net::TcpListener;

use super::*;
use crate::shell::runtime::container::event::{Act, Happening};

const ID: &str = "b0db0123456789ab";

/// By the engine's clock, whose milliseconds these are.
fn at(ms: i64) -> i64 {
    1_000 * STOP + ms * 1_000_000
}

/// `id1` is stopped, among other things, and after so long its engine is lost, and does not know of the stop when it is back. Whether that was
/// taken for its engine's own end.
async fn is_taken_for_the_engines_end(events: &[(&str, &str, i64)], others: &[&str], lost: i64) -> bool {
    let (mut listener, connection, _reports) = listener();
    listener.volley.lists(others.iter().copied());
    for (id, action, ms) in events {
        hear(&mut listener, &connection, id, action, at(*ms)).await;
    }
    let heard = events.iter().map(|(_, _, ms)| *ms).max().unwrap();
    listener.clock.lives(Instant::now() + Duration::from_millis((lost - heard).unsigned_abs()));
    listener.lose("it has ended").await;
    let retracted = Word::Died(Death { exit_code: Some(0), retracts_stop: true, ..Death::default() });
    listener.containers[0].ledger.compare(Some(&look("id1", State::Ended))) == [retracted]
}

#[tokio::test]
async fn what_an_engine_stops_at_its_own_end_is_no_stop_however_long_that_takes() {
    let both = [("id1", "kill", 0), ("id2", "kill", 900), ("id1", "die", 910), ("id1", "stop", 920)];
    let quick = [&both[..], &[("id2", "die", 950), ("id2", "stop", 960)]].concat();
    let others = ["id1", "id2"];
    assert!(is_taken_for_the_engines_end(&quick, &others, 1_000).await, "at once");
    assert!(is_taken_for_the_engines_end(&quick, &others, 6_500).await, "it leaves its stream open");
    let disordered = [("id2", "kill", 2), ("id1", "kill", 1), ("id1", "die", 10), ("id1", "stop", 20), ("id2", "die", 30)];
    assert!(is_taken_for_the_engines_end(&disordered, &others, 100).await, "whoever was asked first is told of later");
    let slow = [&both[..], &[("id2", "kill 9", 10_900), ("id2", "die", 10_950), ("id2", "stop", 10_960)]].concat();
    assert!(is_taken_for_the_engines_end(&slow, &others, 11_000).await, "another one ignores what it is asked");
    assert!(is_taken_for_the_engines_end(&slow, &[], 16_500).await, "and both");
    assert!(is_taken_for_the_engines_end(&both, &others, 1_000).await, "it does not wait for the other one");
    assert!(!is_taken_for_the_engines_end(&both[..1], &[], 10).await, "nothing has ended");
}

#[tokio::test]
async fn what_people_have_stopped_before_an_engines_end_stays_so_where_it_can_be_told() {
    let mine = [("id1", "kill", 0), ("id1", "die", 10), ("id1", "stop", 20)];
    assert!(is_taken_for_the_engines_end(&mine, &["id1"], 4_000).await, "it was the only one");
    assert!(!is_taken_for_the_engines_end(&mine, &["id1"], 12_000).await, "long ago");
    assert!(!is_taken_for_the_engines_end(&mine, &["id1", "id2"], 100).await, "another one runs on");
    let then_others = [&mine[..], &[("id2", "kill", 3_000), ("id2", "die", 3_010), ("id2", "stop", 3_020)]].concat();
    assert!(!is_taken_for_the_engines_end(&then_others, &["id1", "id2"], 3_100).await, "another one is asked later");
    let slow =
        [("id1", "kill", 0), ("id2", "kill", 4_000), ("id1", "kill", 4_000), ("id2", "die", 4_010), ("id1", "die", 10_010)];
    let slow = [&slow[..], &[("id2", "stop", 4_020), ("id1", "stop", 10_020)]].concat();
    assert!(!is_taken_for_the_engines_end(&slow, &["id1", "id2"], 10_100).await, "it is asked once more by the engine");
    let crash = [&mine[..], &[("id2", "die", 4_000)]].concat();
    assert!(!is_taken_for_the_engines_end(&crash, &["id1", "id2"], 9_000).await, "another one ends on its own");
}

/// A watched one that runs, and no list has told of it yet.
#[tokio::test]
async fn a_watched_one_that_runs_on_tells_of_a_person_too() {
    let (mut listener, connection, _reports) = listener();
    let running = Look { name: "b".to_owned(), ..look("id2", State::Running) };
    let mut ledger = Ledger::new("b", Some(&running));
    ledger.compare(Some(&running));
    let (progress, seen) = (watch::channel(None).0, watch::channel(None).0);
    listener.containers.push(Registered { server: ServerId(1), ledger, progress, seen });
    for (action, ms) in [("kill", 0), ("die", 10), ("stop", 20)] {
        hear(&mut listener, &connection, "id1", action, at(ms)).await;
    }
    listener.lose("it was killed").await;
    assert_eq!(listener.containers[0].ledger.compare(Some(&look("id1", State::Ended))), []);
}

/// What a Docker engine has in its memory, from this moment on: the clean-up of one that begins, networks and all.
fn memory(from: i64, length: usize) -> String {
    let kinds =
        [("network", "disconnect"), ("container", "kill"), ("container", "die"), ("container", "stop"), ("volume", "unmount")];
    let line = |(n, (kind, action)): (i64, &(&str, &str))| {
        let actor = json!({ "ID": format!("of {n}"), "Attributes": { "name": "other", "exitCode": "0", "signal": "15" } });
        format!("{}\n", json!({ "Type": kind, "Action": action, "Actor": actor, "timeNano": from + n }))
    };
    (0..).zip(kinds.iter().cycle().take(length)).map(line).collect()
}

/// One container ran when the engine was lost. Whether this is another engine, one that has ended what ran.
async fn is_another(memory: String, state: serde_json::Value) -> bool {
    is_another_after(at(1), memory, state).await
}

/// The same, of one that was heard of last at `alive`.
async fn is_another_after(alive: i64, memory: String, state: serde_json::Value) -> bool {
    let answers = Router::new().fallback(move |uri: Uri| {
        let (memory, state) = (memory.clone(), state.clone());
        async move {
            match uri.path().split('/').collect::<Vec<_>>()[..] {
                [.., "info"] => Json(json!({ "SystemTime": "2026-01-01T00:00:00Z" })).into_response(),
                [.., "events"] => memory.into_response(),
                [.., "containers", ID, "json"] if !state.is_null() => {
                    Json(json!({ "Id": ID, "Name": "/a", "State": state })).into_response()
                }
                _ => (StatusCode::NOT_FOUND, Json(json!({ "message": "No such container" }))).into_response(),
            }
        }
    });
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", socket.local_addr().unwrap());
    let client = Docker::connect_with_http(&address, 60, API_DEFAULT_VERSION).unwrap();
    let connection = Connection { client, kind: EngineKind::Docker, address };
    let (mut listener, _, _reports) = listener();
    let running = Look { since: at(0), ..look(ID, State::Running) };
    listener.containers[0].ledger = Ledger::new("a", Some(&running));
    listener.containers[0].ledger.compare(Some(&running));
    listener.recent.is_new(&Happening { name: "a".to_owned(), id: ID.to_owned(), at: at(0), act: Act::Start });
    listener.since = Some(at(1));
    listener.clock = EngineClock::of(Some(alive));
    tokio::select! {
        until = listener.own_endings_until(&connection) => until.unwrap().is_some(),
        ended = async { axum::serve(socket, answers).await } => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn an_engine_that_has_filled_its_memory_since_it_began_is_told_by_who_lives_on() {
    let moment = |ns: i64| jiff::Timestamp::from_nanosecond(ns.into()).unwrap().to_string();
    let runs = |since| json!({ "Running": true, "StartedAt": moment(since) });
    let ended = json!({ "Running": false, "StartedAt": moment(at(0)), "FinishedAt": moment(at(3)) });
    let full = memory(at(2), KEPT_EVENTS);
    assert!(is_another(full.clone(), ended.clone()).await, "nobody lives on");
    assert!(is_another(full.clone(), runs(at(9))).await, "it was started again");
    assert!(is_another(full.clone(), json!(null)).await, "it is gone");
    assert!(!is_another(full.clone(), runs(at(0))).await, "it lives on");
    assert!(!is_another_after(at(2) + 1, full, ended.clone()).await, "it knows what was before it was lost");
    assert!(!is_another(memory(at(0), KEPT_EVENTS), ended).await, "it knows what was before");
    assert!(is_another(memory(at(2), KEPT_EVENTS - 1), runs(at(0))).await, "that is all since it began");
}
