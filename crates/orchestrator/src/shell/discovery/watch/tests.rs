//! An engine that tells nothing, hangs, or cannot be read.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::http::Uri;
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

/// What it lists; `None`: it does not answer.
type Lists = Arc<Mutex<Option<Value>>>;

async fn answer(lists: Lists, uri: Uri) -> Response {
    let words: Vec<_> = uri.path().split('/').collect();
    match words[..] {
        [.., "version"] => Json(json!({ "ApiVersion": "1.41", "Version": "0" })).into_response(),
        [.., "info"] => Json(json!({ "SystemTime": "2026-01-01T00:00:00Z" })).into_response(),
        [.., "events"] => Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()).into_response(),
        _ => {
            let listed = lists.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let Some(listed) = listed else { return std::future::pending().await };
            Json(listed).into_response()
        }
    }
}

/// An engine that lists this and says nothing of itself, and what is reported about it.
async fn engine(listed: Value) -> (Lists, mpsc::Receiver<Report>, TaskTracker) {
    let (lists, tasks) = (Lists::new(Mutex::new(Some(listed))), TaskTracker::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let shared = Arc::clone(&lists);
    let answers = axum::Router::new().fallback(move |uri: Uri| answer(Arc::clone(&shared), uri));
    tasks.spawn(async move { axum::serve(listener, answers).await });
    let engine = Engine { name: "silent".to_owned(), kind: EngineKind::Docker, address, tls: None };
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
