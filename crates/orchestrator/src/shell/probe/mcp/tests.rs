//! Scripted servers of every kind that real ones are (`tests/real/mcp.rs` has the real ones): what is asked, and what is made of it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use health_spec::verdict::{History, Outcome, Reason};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::super::address::Address;
use super::super::tests::{PATIENT, answering, now, question, spawned};
use super::super::{Look, Resolver, Target};
use super::*;

/// How a server behaves; changed while it runs.
#[expect(clippy::struct_excessive_bools, reason = "each is a trait of its own")]
#[derive(Clone, Debug, Default)]
struct Nature {
    is_modern: bool,
    has_sessions: bool,
    /// What a session that is not known is answered with.
    unknown: u16,
    streams: bool,
    locked: bool,
    child_is_dead: bool,
    status: Option<u16>,
    sessions: Vec<String>,
    opened: usize,
    asked: Vec<String>,
}

type Shared = Arc<Mutex<Nature>>;

async fn start(nature: Nature) -> (Shared, String) {
    let shared = Arc::new(Mutex::new(nature));
    let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    spawned(async move { axum::serve(listener, app).await.expect("it serves") });
    (shared, url)
}

async fn answer(State(shared): State<Shared>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    let mut nature = shared.lock().expect("not poisoned");
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let called = message["method"].as_str().unwrap_or(method.as_str()).to_owned();
    nature.asked.push(called.clone());
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if let Some(status) = nature.status {
        return StatusCode::from_u16(status).expect("a status").into_response();
    }
    if nature.locked {
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", "Bearer")]).into_response();
    }
    if !text("accept").is_some_and(|accept| accept.contains("json") && accept.contains("event-stream")) {
        return StatusCode::NOT_ACCEPTABLE.into_response();
    }
    let session = text("mcp-session-id");
    if method == Method::DELETE {
        nature.sessions.retain(|known| Some(known) != session.as_ref());
        return StatusCode::NO_CONTENT.into_response();
    }
    let result = |value: Value| json!({ "jsonrpc": "2.0", "id": message["id"], "result": value });
    let error =
        |code: i64, text: &str| json!({ "jsonrpc": "2.0", "id": message["id"], "error": { "code": code, "message": text } });
    let modern = text("mcp-protocol-version").as_deref() == Some("2026-07-28");
    if modern && !nature.is_modern {
        return (StatusCode::BAD_REQUEST, error(-32_600, "Unsupported protocol version").to_string()).into_response();
    }
    if called == "initialize" && nature.has_sessions {
        nature.opened += 1;
        let id = format!("s{}", nature.opened);
        nature.sessions.push(id.clone());
        return ([("mcp-session-id", id)], result(json!({ "protocolVersion": "2025-06-18" })).to_string()).into_response();
    }
    if !modern && nature.has_sessions && !session.is_some_and(|session| nature.sessions.contains(&session)) {
        let status = if headers.contains_key("mcp-session-id") { nature.unknown } else { 400 };
        return StatusCode::from_u16(status).expect("a status").into_response();
    }
    let said = match called.as_str() {
        "notifications/initialized" => return StatusCode::ACCEPTED.into_response(),
        "server/discover" | "ping" | "initialize" => result(json!({ "protocolVersion": "2025-06-18" })),
        "tools/list" if nature.child_is_dead => error(-32_603, "Not connected"),
        "tools/list" => result(json!({ "tools": [] })),
        "tools/call" if message["params"]["name"] == "add" => {
            result(json!({ "content": [{ "type": "text", "text": "sum: 5" }], "structuredContent": { "sum": 5 } }))
        }
        "tools/call" if message["params"]["name"] == "health_check" => {
            result(json!({ "content": [{ "type": "text", "text": "{\"status\":\"degraded\",\"error\":\"slow disk\"}" }] }))
        }
        "tools/call" => result(json!({ "isError": true, "content": [{ "type": "text", "text": "no such tool" }] })),
        _ => return (StatusCode::NOT_FOUND, error(-32_601, "Method not found").to_string()).into_response(),
    };
    if nature.streams {
        let stream = format!("id: 1\ndata:\n\nevent: message\ndata: {said}\n\n");
        return ([("content-type", "text/event-stream")], stream).into_response();
    }
    ([("content-type", "application/json")], said.to_string()).into_response()
}

fn target(url: &str, depth: Depth, call: Option<Call>) -> Target {
    let http = HttpTarget::new(Address::parse(url).expect("an address"));
    Target { looks: [Look::Mcp(Box::new(McpTarget::new(Channel::Http(Box::new(http)), depth, call)))].into(), trace_id: None }
}

async fn look(target: &Target) -> Verdict {
    let (resolver, history) = (Resolver::default(), History::default());
    crate::shell::probe::check(target, &question(PATIENT, &history, &resolver)).await.expect("a verdict").verdict
}

fn asked(shared: &Shared) -> Vec<String> {
    std::mem::take(&mut shared.lock().expect("not poisoned").asked)
}

fn sessions(unknown: u16) -> Nature {
    Nature { has_sessions: true, unknown, ..Nature::default() }
}

#[tokio::test]
async fn a_modern_server_is_asked_without_sessions() {
    for streams in [false, true] {
        let (shared, url) =
            start(Nature { is_modern: true, has_sessions: true, unknown: 404, streams, ..Nature::default() }).await;
        let target = target(&url, Depth::List, None);
        for _ in 0..3 {
            let found = look(&target).await;
            assert_eq!((found.outcome, found.session), (Outcome::Ok, None), "{:?}", found.message);
        }
        assert_eq!(asked(&shared), ["server/discover", "tools/list", "tools/list", "tools/list"]);
    }
}

#[tokio::test]
async fn a_server_without_sessions_is_pinged() {
    let (shared, url) = start(Nature::default()).await;
    let target = target(&url, Depth::Discover, None);
    assert_eq!(look(&target).await.outcome, Outcome::Ok);
    assert_eq!(look(&target).await.outcome, Outcome::Ok);
    assert_eq!(asked(&shared), ["server/discover", "ping", "ping", "ping"]);
}

#[tokio::test]
async fn one_session_is_kept_and_ended_and_its_loss_is_a_restart() {
    for unknown in [404, 400] {
        let (shared, url) = start(sessions(unknown)).await;
        let target = target(&url, Depth::List, None);
        for _ in 0..4 {
            let found = look(&target).await;
            assert_eq!((found.outcome, found.session), (Outcome::Ok, Some(Session::Kept)), "{:?}", found.message);
        }
        assert_eq!(shared.lock().expect("not poisoned").opened, 1);
        shared.lock().expect("not poisoned").sessions.clear();
        assert_eq!(look(&target).await.session, Some(Session::Lost), "{unknown}");
        assert_eq!(look(&target).await.session, Some(Session::Kept));
        assert_eq!(shared.lock().expect("not poisoned").sessions, ["s2"]);
        let (resolver, history) = (Resolver::default(), History::default());
        for session in target.sessions() {
            session.close(&question(PATIENT, &history, &resolver)).await;
        }
        assert!(shared.lock().expect("not poisoned").sessions.is_empty());
    }
}

#[tokio::test]
async fn a_server_that_changes_its_era_is_met_anew() {
    let (shared, url) = start(Nature { is_modern: true, ..Nature::default() }).await;
    let target = target(&url, Depth::Discover, None);
    assert_eq!(look(&target).await.outcome, Outcome::Ok);
    *shared.lock().expect("not poisoned") = sessions(404);
    let found = look(&target).await;
    assert_eq!((found.outcome, found.session), (Outcome::Ok, Some(Session::Kept)), "{:?}", found.message);
}

#[tokio::test]
async fn only_a_list_sees_a_dead_child_behind_a_bridge() {
    let (_, url) = start(Nature { child_is_dead: true, ..sessions(404) }).await;
    assert_eq!(look(&target(&url, Depth::Discover, None)).await.outcome, Outcome::Ok);
    let found = look(&target(&url, Depth::List, None)).await;
    assert_eq!((found.outcome, found.reason), (Outcome::Failed, Some(Reason::McpError)));
    assert_eq!(found.message.as_deref(), Some("it answers with error -32603: Not connected"));
}

#[tokio::test]
async fn of_several_answers_the_one_that_the_verdict_is_about_is_kept() {
    let (_, url) = start(Nature { child_is_dead: true, ..sessions(404) }).await;
    let (resolver, history) = (Resolver::default(), History::default());
    for depths in [[Depth::Discover, Depth::List], [Depth::List, Depth::Discover]] {
        let looks = depths.map(|depth| target(&url, depth, None).looks[0].clone());
        let target = Target { looks: looks.into(), trace_id: None };
        let checked = crate::shell::probe::check(&target, &question(PATIENT, &history, &resolver)).await.expect("a verdict");
        let glimpse = checked.glimpse.expect("an answer");
        assert!(String::from_utf8_lossy(&glimpse.body).contains("Not connected"), "{depths:?}: {glimpse:?}");
    }
}

#[tokio::test]
async fn a_tool_has_to_say_what_is_expected() {
    let (_, url) = start(Nature { is_modern: true, ..Nature::default() }).await;
    let rows = [
        ("add", None, Outcome::Ok, None),
        ("add", Some(json!("sum: 5")), Outcome::Ok, None),
        ("add", Some(json!({ "sum": 5 })), Outcome::Ok, None),
        ("add", Some(json!("sum: 6")), Outcome::Failed, Some(Reason::Unexpected)),
        ("add", Some(json!({ "sum": 6 })), Outcome::Failed, Some(Reason::Unexpected)),
        ("other", None, Outcome::Failed, Some(Reason::McpError)),
        ("health_check", None, Outcome::Degraded, Some(Reason::Reported)),
    ];
    for (tool, expect, outcome, reason) in rows {
        let call = Call { tool: tool.to_owned(), arguments: Map::new(), expect: expect.clone() };
        let found = look(&target(&url, Depth::Call, Some(call))).await;
        assert_eq!((found.outcome, found.reason), (outcome, reason), "{tool} {expect:?}: {:?}", found.message);
    }
}

#[tokio::test]
async fn statuses_mean_what_they_mean_for_health() {
    let rows = [
        (429, Outcome::Degraded, Some(Reason::Overloaded)),
        (404, Outcome::Degraded, Some(Reason::NotConformant)),
        (502, Outcome::Failed, Some(Reason::HttpStatus)),
        (307, Outcome::Failed, Some(Reason::HttpStatus)),
        (200, Outcome::Degraded, Some(Reason::NotConformant)),
    ];
    for (status, outcome, reason) in rows {
        let (_, url) = start(Nature { status: Some(status), ..Nature::default() }).await;
        let found = look(&target(&url, Depth::Discover, None)).await;
        assert_eq!((found.outcome, found.reason), (outcome, reason), "{status}: {:?}", found.message);
    }
    let (shared, url) = start(Nature { locked: true, ..sessions(404) }).await;
    let target = target(&url, Depth::List, None);
    assert_eq!(look(&target).await.reason, Some(Reason::NeedsAuth));
    assert_eq!(asked(&shared), ["server/discover"], "nothing else is tried");
    // Once it has been well, an answer that was forgiven counts.
    shared.lock().expect("not poisoned").locked = false;
    assert_eq!(look(&target).await.outcome, Outcome::Ok);
    shared.lock().expect("not poisoned").status = Some(404);
    assert_eq!(look(&target).await.reason, Some(Reason::HttpStatus));
}

#[tokio::test]
async fn a_server_without_a_health_endpoint_is_not_blamed_for_what_its_tool_says() {
    let (_, url) = start(Nature { is_modern: true, ..Nature::default() }).await;
    let call = Call { tool: "health_check".to_owned(), arguments: Map::new(), expect: None };
    let Target { looks, .. } = target(&url, Depth::Call, Some(call));
    let (url, nowhere) = answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()).await;
    let http = Look::Http(HttpTarget::new(Address::parse(&url).expect("an address")));
    let both = Target { looks: [vec![http], looks.into_vec()].concat().into(), trace_id: None };
    let (resolver, mut history) = (Resolver::default(), History::default());
    for _ in 0..3 {
        let checked = crate::shell::probe::check(&both, &question(PATIENT, &history, &resolver)).await.expect("a verdict");
        let (verdict, probed) = (&checked.verdict, &checked.verdict.probed);
        assert_eq!((verdict.outcome, probed[0].reason), (Outcome::Degraded, Some(Reason::NotConformant)), "{probed:?}");
        assert!(verdict.reading.is_some());
        history.learn(verdict, now());
    }
    nowhere.abort();
}

#[tokio::test]
async fn a_check_that_outlives_its_target_leaves_no_session() {
    let (shared, url) = start(sessions(404)).await;
    let target = target(&url, Depth::List, None);
    let Look::Mcp(mcp) = &target.looks[0] else { panic!("it speaks MCP") };
    let (resolver, history) = (Resolver::default(), History::default());
    mcp.close(&question(PATIENT, &history, &resolver)).await;
    assert_eq!(look(&target).await.outcome, Outcome::Ok);
    let nature = shared.lock().expect("not poisoned");
    assert_eq!((nature.opened, nature.sessions.len()), (1, 0));
}

mod left;
