//! `GET /health/ecosystem`, the gateway's own health, and who is turned away.

use health_spec::status::Observed;

use crate::client::{answer_until, ecosystem_until, get, get_with};
use crate::sample::{known, said, server};
use crate::{start, start_with_channel};

#[tokio::test]
async fn the_ecosystem_is_counted_and_cached() {
    let (running, sender) = start_with_channel().await;
    sender.send(known(1, vec![server("a", Observed::Ok), server("b", Observed::Down)])).await.expect("taken");
    let seen = ecosystem_until(running.address, |seen| seen["servers"]["total"] == 2).await;
    assert_eq!(
        (&seen["status"], &seen["servers"]["healthy"], &seen["servers"]["down"]),
        (&"degraded".into(), &1.into(), &1.into())
    );
    assert_eq!(seen["sources"][0]["name"], "local");

    let first = get(running.address, "/health/ecosystem").await;
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with('"'), "strong: {etag}");
    let again = get_with(running.address, "/health/ecosystem", &[("if-none-match", &etag)]).await;
    assert_eq!((again.status.as_u16(), again.body.len(), again.header("etag")), (304, 0, etag.as_str()));

    sender.send(said(2, "b", Observed::Ok)).await.expect("taken");
    ecosystem_until(running.address, |seen| seen["status"] == "ok").await;
    let changed = get_with(running.address, "/health/ecosystem", &[("if-none-match", &etag)]).await;
    assert_eq!(changed.status.as_u16(), 200);
}

#[tokio::test]
async fn one_server_is_found_in_both_forms() {
    let (running, sender) = start_with_channel().await;
    sender.send(known(1, vec![server("a", Observed::Ok)])).await.expect("taken");
    ecosystem_until(running.address, |seen| seen["servers"]["total"] == 1).await;
    for id in ["a", "local%2Fa"] {
        assert_eq!(get(running.address, &format!("/health/ecosystem/{id}")).await.json()["name"], "a", "{id}");
    }
    let missing = get(running.address, "/health/ecosystem/z").await;
    assert_eq!((missing.status.as_u16(), missing.header("content-type")), (404, "application/problem+json"));
    assert_eq!(missing.json()["code"], "unknown_server");
}

#[tokio::test]
async fn a_name_of_two_sources_is_ambiguous() {
    let (one, first) = tokio::sync::mpsc::channel(1);
    let (two, second) = tokio::sync::mpsc::channel(1);
    let running = start([first, second].map(gateway::source::Source::Channel).into()).await;
    one.send(known(1, vec![server("a", Observed::Ok)])).await.expect("taken");
    let mut other = crate::sample::snapshot(1, vec![server("a", Observed::Ok)]);
    other.source = "far".into();
    two.send(gateway::source::Frame::Snapshot(Box::new(other))).await.expect("taken");
    ecosystem_until(running.address, |seen| seen["servers"]["total"] == 2).await;
    let answer = get(running.address, "/health/ecosystem/a").await;
    assert_eq!(answer.status.as_u16(), 409);
    assert_eq!(answer.json()["candidates"], serde_json::json!(["local/a", "far/a"]));
    assert_eq!(get(running.address, "/health/ecosystem/far%2Fa").await.status.as_u16(), 200);
}

#[tokio::test]
async fn its_own_health_tells_of_missing_orchestrators() {
    let (running, sender) = start_with_channel().await;
    answer_until(running.address, "/health", |health| health["status"] == "degraded").await;
    sender.send(known(1, vec![])).await.expect("taken");
    ecosystem_until(running.address, |seen| seen["sources"][0]["status"] == "connected").await;
    answer_until(running.address, "/health", |health| health["status"] == "ok").await;
    let root = get_with(running.address, "/", &[("accept", "application/health+json")]).await;
    assert_eq!((root.header("content-type"), root.header("cache-control")), ("application/health+json", "no-store"));
    assert_eq!(gateway::healthcheck(&format!("http://{}", running.address)).await.expect("reached"), health_spec::Status::Ok);
}

#[tokio::test]
async fn foreign_hosts_and_unknown_paths_are_turned_away() {
    let (running, _sender) = start_with_channel().await;
    for path in ["/", "/health/ecosystem", "/health/stream"] {
        let answer = get_with(running.address, path, &[("host", "evil.example")]).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (403, &"host_not_allowed".into()), "{path}");
    }
    assert_eq!(get(running.address, "/nothing/here").await.json()["code"], "unknown_route");
    assert_eq!(get(running.address, "/..%2FCargo.toml").await.status.as_u16(), 404);
}

#[tokio::test]
async fn the_dashboard_comes_with_a_strict_policy() {
    let (running, _sender) = start_with_channel().await;
    let page = get(running.address, "/").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    let script = get(running.address, "/app.js").await;
    assert_eq!((script.status.as_u16(), script.header("content-type")), (200, "text/javascript; charset=utf-8"));
}
