//! An engine that tells nothing, hangs, or cannot be read, or one of whose containers cannot.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use futures_util::stream;
use health_spec::config::EngineKind;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::*;

const QUICK: Paces = Paces {
    round: Duration::from_millis(50),
    answer: Duration::from_millis(500),
    first_pause: Duration::from_millis(1),
    last_pause: Duration::from_millis(10),
};

/// Far beyond what anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

/// What it lists; `None`: it does not answer. A container that is to be inspected says so itself, in `tells`.
type Lists = Arc<Mutex<Option<Value>>>;

async fn answer(lists: Lists, uri: Uri) -> Response {
    let words: Vec<_> = uri.path().split('/').collect();
    let listed = lists.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match words[..] {
        [.., "version"] => Json(json!({ "ApiVersion": "1.41", "Version": "0" })).into_response(),
        [.., "info"] => Json(json!({ "SystemTime": "2026-01-01T00:00:00Z" })).into_response(),
        [.., "events"] => Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()).into_response(),
        [.., "containers", "json"] => match listed {
            Some(listed) => Json(listed).into_response(),
            None => std::future::pending().await,
        },
        [.., id, "json"] => match inspection(&listed.unwrap_or_default(), id) {
            Some(answer) => answer,
            None => std::future::pending().await,
        },
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `None`: it does not answer.
fn inspection(listed: &Value, id: &str) -> Option<Response> {
    let found = listed.as_array().into_iter().flatten().find(|one| one["Id"] == id);
    Some(match found.and_then(|one| one["tells"].as_str()) {
        Some("nothing") => return None,
        Some("everything") => {
            Json(json!({ "Id": id, "State": { "Running": true, "StartedAt": "2026-01-01T00:00:00Z" } })).into_response()
        }
        Some("a word that nobody knows") => Json(json!({ "Id": id, "State": { "Status": "bewitched" } })).into_response(),
        Some(error) => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "message": error }))).into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({ "message": "no such container" }))).into_response(),
    })
}

/// An engine that lists this and says nothing of itself.
async fn silent(listed: Value, tasks: &TaskTracker) -> (Lists, Engine) {
    let lists = Lists::new(Mutex::new(Some(listed)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let shared = Arc::clone(&lists);
    let answers = axum::Router::new().fallback(move |uri: Uri| answer(Arc::clone(&shared), uri));
    tasks.spawn(async move { axum::serve(listener, answers).await });
    (lists, Engine { name: "silent".to_owned(), kind: EngineKind::Docker, address, tls: None })
}

/// The same, and what is reported about it.
async fn engine(listed: Value) -> (Lists, mpsc::Receiver<Report>, TaskTracker) {
    let tasks = TaskTracker::new();
    let (lists, engine) = silent(listed, &tasks).await;
    let (sender, reports) = mpsc::channel(8);
    tasks.spawn(watch_at(QUICK, engine, sender));
    (lists, reports, tasks)
}

fn list(lists: &Lists, listed: Option<Value>) {
    *lists.lock().unwrap_or_else(PoisonError::into_inner) = listed;
}

fn one(state: &str) -> Value {
    json!([{ "Id": "1", "Names": ["/one"], "State": state }])
}

async fn next(reports: &mut mpsc::Receiver<Report>) -> Result<Vec<String>, String> {
    let report = timeout(DEADLINE, reports.recv()).await.expect("in time").expect("it watches");
    report.news.map(|all| all.into_iter().map(|container| container.name).collect())
}

#[tokio::test]
async fn what_no_event_tells_is_seen_in_a_round() {
    let (lists, mut reports, _tasks) = engine(json!([])).await;
    assert_eq!(next(&mut reports).await, Ok(vec![]));
    list(&lists, Some(one("running")));
    assert_eq!(next(&mut reports).await, Ok(vec!["one".to_owned()]));
}

#[tokio::test]
async fn one_that_hangs_without_closing_anything_is_away_until_it_answers() {
    let (lists, mut reports, _tasks) = engine(json!([])).await;
    assert_eq!(next(&mut reports).await, Ok(vec![]));
    list(&lists, None);
    let away = next(&mut reports).await.unwrap_err();
    assert!(away.contains("has not answered"), "{away}");
    list(&lists, Some(one("running")));
    while next(&mut reports).await != Ok(vec!["one".to_owned()]) {}
}

#[tokio::test]
async fn lists_that_cannot_be_read_are_told_of_once() {
    let (lists, mut reports, _tasks) = engine(one("a state that nobody knows")).await;
    let unreadable = next(&mut reports).await.unwrap_err();
    assert!(unreadable.contains("does not list its containers"), "{unreadable}");
    list(&lists, Some(one("running")));
    assert_eq!(next(&mut reports).await, Ok(vec!["one".to_owned()]), "and nothing in between");
}

/// One that asks to be watched, and what its inspection tells.
fn asking(id: &str, tells: &str) -> Value {
    json!({ "Id": id, "Names": [format!("/{id}")], "State": "running", "Labels": { "mcp.health.enable": "true" }, "tells": tells })
}

/// The containers, and of which of them something is known.
async fn known(reports: &mut mpsc::Receiver<Report>) -> Vec<(String, bool)> {
    let report = timeout(DEADLINE, reports.recv()).await.expect("in time").expect("it watches");
    let all = report.news.expect("the engine is well");
    all.into_iter().map(|container| (container.name, container.details.is_some_and(|details| details.has_run))).collect()
}

#[tokio::test]
async fn a_container_that_cannot_be_inspected_is_nobody_elses_affair() {
    for unreadable in ["its layer is missing", "a word that nobody knows", "nothing"] {
        let (lists, mut reports, _tasks) = engine(json!([asking("a", "everything"), asking("b", unreadable)])).await;
        let of = |name: &str, is_known| (name.to_owned(), is_known);
        assert_eq!(known(&mut reports).await, [of("a", true), of("b", false)]);
        list(&lists, Some(json!([asking("b", unreadable), asking("c", "everything")])));
        assert_eq!(known(&mut reports).await, [of("b", false), of("c", true)], "others come and go");
        list(&lists, Some(json!([asking("b", "everything")])));
        // Its list is read before it: one of them may be the old one.
        while known(&mut reports).await != [of("b", true)] {}
    }
}

async fn all(client: &Docker, engine: &Engine, inspected: &mut Inspected) -> Vec<Container> {
    let listed = inspect::list(client).await.unwrap();
    inspect_all(client, engine, listed, inspected).await.unwrap()
}

#[tokio::test]
async fn what_was_known_of_a_container_stays_while_it_cannot_be_inspected() {
    let tasks = TaskTracker::new();
    let (lists, engine) = silent(json!([asking("a", "everything")]), &tasks).await;
    let client = connect(&engine).await.unwrap();
    let mut inspected = Inspected::default();
    let before = all(&client, &engine, &mut inspected).await;
    assert!(before[0].details.as_ref().is_some_and(|details| details.runs));
    assert_eq!(inspected.rest(PACES.round), PACES.round);
    list(&lists, Some(json!([asking("a", "its layer is missing")])));
    inspected.forget("a");
    assert_eq!(all(&client, &engine, &mut inspected).await, before);
    assert!(inspected.rest(PACES.round) < PACES.round, "it is asked for again soon");
    for _ in 0..20 {
        all(&client, &engine, &mut inspected).await;
    }
    assert_eq!(inspected.rest(PACES.round), PACES.round, "but not for ever");
}
