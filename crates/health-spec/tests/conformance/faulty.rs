//! Servers that break rules, over real sockets. What each rule makes of an answer is held in `src/conformance/tests.rs`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::command::{broken, conformance, run};
use crate::server::{http, scripted};

const JSON: &str = "Content-Type: application/json\r\nCache-Control: no-store\r\n";

/// A valid body, now.
fn body(status: &str) -> String {
    let now = SystemTime::now();
    let uptime = now.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let timestamp = jiff::Timestamp::try_from(now).expect("a timestamp").to_string();
    json!({"status": status, "timestamp": timestamp, "uptime_seconds": uptime, "error": "why"}).to_string()
}

#[test]
fn a_server_that_says_healthy_is_not_conformant_and_told_what_is_missing() {
    let url = scripted(|_| http("200 OK", JSON, r#"{"status":"healthy","service":"mcp-server"}"#));
    let (code, report) = conformance(&url, &[]);
    assert_eq!((code, &report["conformant"]), (1, &false.into()));
    assert!(broken(&report).contains(&"schema"));
    let schema = report["findings"].as_array().expect("findings").iter().find(|finding| finding["name"] == "schema");
    let evidence = schema.expect("a finding")["evidence"].as_str().expect("text");
    assert!(evidence.contains(r#"/status: found "healthy", allowed is "ok", "degraded" or "down""#), "{evidence}");
}

#[test]
fn down_with_503_is_conformant_and_with_200_is_not() {
    let honest = scripted(|_| http("503 Service Unavailable", JSON, &body("down")));
    assert_eq!(conformance(&honest, &[]).0, 0);
    let dishonest = scripted(|_| http("200 OK", JSON, &body("down")));
    let (code, report) = conformance(&dishonest, &[]);
    assert_eq!(code, 1);
    assert!(broken(&report).contains(&"http_status"), "{report:#}");
}

#[test]
fn a_redirect_is_not_followed() {
    let url = scripted(|_| http("308 Permanent Redirect", "Location: /healthz\r\n", ""));
    let (code, report) = conformance(&url, &[]);
    assert_eq!((code, broken(&report)), (1, vec!["route", "no_redirect"]));
}

#[test]
fn a_server_that_never_answers_is_given_up_at_the_deadline() {
    let url = scripted(|_| {
        std::thread::park_timeout(Duration::from_secs(600));
        Vec::new()
    });
    let (code, report) = conformance(&url, &["--timeout", "0.3"]);
    assert_eq!((code, broken(&report)), (1, vec!["route"]));
    let evidence = report["findings"][0]["evidence"].as_str().expect("text");
    assert!(evidence.contains("timeout: no whole answer within 0.3 s"), "{evidence}");
}

#[test]
fn answers_that_are_no_http_or_never_end_are_survived() {
    let nonsense = scripted(|_| b"\x00\xffgarbage\r\n\r\n".to_vec());
    let endless = scripted(|_| http("200 OK", JSON, &"x".repeat(10 << 20)));
    let cut = scripted(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec());
    for (url, expected) in [(nonsense, "invalid_body"), (cut, "connection_reset")] {
        let (code, report) = conformance(&url, &[]);
        let evidence = report["findings"][0]["evidence"].as_str().expect("text");
        assert!(code == 1 && evidence.contains(expected), "{evidence}");
    }
    let (code, report) = conformance(&endless, &[]);
    assert!(code == 1 && broken(&report).contains(&"size"), "{report:#}");
}

#[test]
fn a_token_is_sent_and_never_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    std::fs::write(&file, "correct-horse-battery\n").expect("written");
    let url = scripted(|head| {
        if head.to_ascii_lowercase().contains("authorization: bearer correct-horse-battery\r\n") {
            http("200 OK", JSON, &body("ok"))
        } else {
            http("401 Unauthorized", "WWW-Authenticate: Bearer\r\n", "")
        }
    });
    let (code, report) = conformance(&url, &[]);
    assert_eq!((code, broken(&report)), (1, vec!["route", "no_authentication"]));
    let (code, report) = conformance(&url, &["--token-file", file.to_str().expect("a path")]);
    assert_eq!(code, 0, "{report:#}");
    assert!(broken(&report).contains(&"no_authentication") && !report.to_string().contains("correct-horse"));
}

#[test]
fn what_a_server_sends_does_not_steer_the_terminal() {
    let url = scripted(|_| http("200 OK", JSON, "{\"status\":\"\\u001b[2J\\u001b]0;x\\u0007\"}"));
    let table = run(&["conformance", &url]).stdout;
    assert!(!table.contains('\u{1b}'), "{table:?}");
}
