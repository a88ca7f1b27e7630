//! Every rule, held and broken, on evidence that is written down here. Real servers are asked in `tests/conformance`.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::verdict::Reason;

fn at(millis: i64) -> Timestamp {
    let start: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a timestamp");
    start + Duration::from_millis(u64::try_from(millis).expect("later"))
}

fn body(millis: i64) -> Value {
    json!({"status": "ok", "timestamp": at(millis).to_string(), "uptime_seconds": 100 + millis / 1000})
}

fn exchange(request: &str, millis: i64, http_status: u16, headers: &[(&str, &str)], body: &str) -> Exchange {
    let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let outcome = Ok(Received { http_status, headers, body: body.into() });
    Exchange { request: request.to_owned(), asked_at: at(millis), took: Duration::from_millis(3), outcome }
}

const JSON: [(&str, &str); 2] = [("content-type", "application/json"), ("cache-control", "no-store")];
const HEALTH: [(&str, &str); 2] = [("content-type", "application/health+json"), ("cache-control", "no-store")];

fn get(millis: i64) -> Exchange {
    exchange("GET /health", millis, 200, &JSON, &body(millis).to_string())
}

/// A server without fault.
fn good() -> Evidence {
    Evidence {
        url: "http://127.0.0.1:8082/health".to_owned(),
        took: Duration::from_secs(3),
        plain: get(0),
        series: (1..=20).map(|number| get(number * 120)).collect(),
        concurrent: (0..10).map(|_| get(2500)).collect(),
        head: Some(exchange("HEAD /health", 10, 200, &JSON, "")),
        negotiated: Some(exchange("GET /health", 20, 200, &HEALTH, &body(20).to_string())),
        root: Some(exchange("GET /", 30, 200, &HEALTH, &body(30).to_string())),
        post: Some(exchange("POST /health", 40, 405, &[("allow", "GET, HEAD")], "")),
        query: Some(exchange("GET /health?x", 50, 200, &JSON, &body(50).to_string())),
        anonymous: None,
    }
}

fn broken(evidence: &Evidence) -> Vec<&'static str> {
    let report = judge(evidence, at(3000));
    report.findings.iter().filter(|finding| finding.result == Outcome::Broken).map(|finding| finding.name).collect()
}

/// The evidence of a good server with one thing changed.
fn but(change: impl FnOnce(&mut Evidence)) -> Evidence {
    let mut evidence = good();
    change(&mut evidence);
    evidence
}

fn all_bodies(evidence: &mut Evidence, change: impl Fn(&mut Value)) {
    let exchanges = std::iter::once(&mut evidence.plain)
        .chain(&mut evidence.series)
        .chain(&mut evidence.concurrent)
        .chain(&mut evidence.query)
        .chain(&mut evidence.negotiated)
        .chain(&mut evidence.root);
    for exchange in exchanges {
        let received = exchange.outcome.as_mut().expect("an answer");
        let mut body = serde_json::from_slice(&received.body).expect("JSON");
        change(&mut body);
        received.body = body.to_string().into_bytes();
    }
}

fn lost(exchange: &mut Exchange) {
    exchange.outcome = Err(Failure { reason: Reason::Timeout, message: "no whole answer within 10 s".to_owned() });
    exchange.took = Duration::from_secs(10);
}

fn received(exchange: &mut Exchange) -> &mut Received {
    exchange.outcome.as_mut().expect("an answer")
}

#[test]
fn a_server_without_fault_passes_every_rule() {
    let report = judge(&good(), at(3000));
    assert_eq!(broken(&good()), [""; 0]);
    assert_eq!(report.counts, Counts { passed: RULES.len(), ..Counts::default() });
    assert!(report.conformant && report.passes(true));
}

#[test]
fn each_rule_is_broken_by_what_it_is_about() {
    type Case = (&'static [&'static str], fn(&mut Evidence));
    let cases: [Case; 32] = [
        (&["no_redirect", "route"], |e| received(&mut e.plain).http_status = 307),
        (&["no_authentication", "route"], |e| received(&mut e.plain).http_status = 401),
        (&["route"], |e| received(&mut e.plain).http_status = 404),
        (&["route"], |e| lost(&mut e.plain)),
        (&["no_authentication"], |e| e.anonymous = Some(exchange("GET /health", 5, 401, &[], ""))),
        (&["schema"], |e| received(&mut e.series[7]).body = b"{}".to_vec()),
        (&["schema"], |e| received(&mut e.concurrent[1]).body = vec![b' '; 10]),
        (&["http_status", "head", "root", "unknown_query"], |e| received(&mut e.plain).http_status = 503),
        (&["http_status"], |e| all_bodies(e, |body| body["status"] = "down".into())),
        (&["http_status"], |e| all_bodies(e, |body| body["metadata"] = json!({"draining": true}))),
        (&["content_type", "head"], |e| received(&mut e.plain).headers.clear()),
        (&["content_type", "head"], |e| received(&mut e.plain).headers = vec![("content-type".into(), "text/html".into())]),
        (&["no_store"], |e| received(&mut e.plain).headers[1].1 = "max-age=60".into()),
        (&["negotiation"], |e| received(e.negotiated.as_mut().expect("made")).headers.clear()),
        (&["root"], |e| received(e.root.as_mut().expect("made")).http_status = 404),
        (&["root"], |e| received(e.root.as_mut().expect("made")).body.clear()),
        (&["head"], |e| received(e.head.as_mut().expect("made")).http_status = 405),
        (&["route"], |e| received(&mut e.series[4]).http_status = 500),
        (&["content_type"], |e| received(&mut e.plain).headers[0].1 = "application/json; charset=utf-16".into()),
        (&["status_of_checks"], |e| all_bodies(e, |body| body["checks"] = json!({"db": "down"}))),
        (&["unknown_query"], |e| {
            received(e.query.as_mut().expect("made")).body = body(50).to_string().replace("ok", "degraded").into();
        }),
        (&["other_methods"], |e| received(e.post.as_mut().expect("made")).http_status = 200),
        (&["other_methods"], |e| received(e.post.as_mut().expect("made")).headers.clear()),
        (&["unknown_query", "route", "http_status"], |e| received(e.query.as_mut().expect("made")).http_status = 400),
        (&["fresh_timestamp", "timestamp_advances"], |e| all_bodies(e, |body| body["timestamp"] = "2026-01-02T03:00:00Z".into())),
        (&["timestamp_advances"], |e| all_bodies(e, |body| body["timestamp"] = at(0).to_string().into())),
        (&["timestamp_advances"], |e| e.series[3] = get(100)),
        (&["uptime_grows"], |e| all_bodies(e, |body| body["uptime_seconds"] = 7.into())),
        (&["uptime_grows"], |e| received(&mut e.series[19]).body = body(2400).to_string().replace("102", "0").into_bytes()),
        (&["answer_time", "answer_time_spread"], |e| e.series[3].took = Duration::from_secs(6)),
        (&["answer_time_spread"], |e| e.series[3].took = Duration::from_secs(2)),
        (&["no_secrets"], |e| all_bodies(e, |body| body["error"] = "cannot reach postgres://app:hunter22@db".into())),
    ];
    for (number, (expected, change)) in cases.into_iter().enumerate() {
        let mut found = broken(&but(change));
        found.sort_unstable();
        // An answer that is no longer the first one's twin may break more; what it is about must be among it.
        for name in expected {
            assert!(found.contains(name), "case {number}: {name} in {found:?}");
        }
        assert!(found.len() <= expected.len() + 1, "case {number}: {found:?} for {expected:?}");
    }
}

#[test]
fn a_body_that_is_too_large_and_requests_that_get_lost_are_seen() {
    let large = but(|evidence| received(&mut evidence.series[0]).body = vec![b' '; crate::MAX_BODY_BYTES + 1]);
    assert_eq!(broken(&large), ["schema", "size"]);
    let stuck = but(|evidence| lost(&mut evidence.concurrent[9]));
    assert_eq!(broken(&stuck), ["route", "answer_time", "concurrent_requests"]);
}

#[test]
fn what_cannot_be_seen_is_not_judged() {
    let mut evidence = good();
    lost(&mut evidence.plain);
    (evidence.series, evidence.concurrent) = (Vec::new(), Vec::new());
    (evidence.head, evidence.negotiated, evidence.root, evidence.post, evidence.query) = (None, None, None, None, None);
    let report = judge(&evidence, at(3000));
    assert_eq!(report.counts, Counts { must_broken: 1, not_judged: RULES.len() - 1, ..Counts::default() });
    assert!(!report.conformant);
    assert_eq!(report.findings[0].evidence, "GET /health: no answer (timeout: no whole answer within 10 s)");
}

#[test]
fn a_should_counts_in_strict_mode_only() {
    let report = judge(&but(|evidence| received(&mut evidence.plain).headers[1].1 = "public".into()), at(3000));
    assert_eq!(report.counts.should_broken, 1);
    assert!(report.passes(false) && !report.passes(true));
}

#[test]
fn ids_and_names_are_unique() {
    for (number, rule) in RULES.iter().enumerate() {
        assert_eq!(rule.id, format!("HC-{:02}", number + 1));
        assert_eq!(RULES.iter().filter(|other| other.name == rule.name).count(), 1, "{}", rule.name);
    }
}
