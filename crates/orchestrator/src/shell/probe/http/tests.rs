//! Real sockets on port 0, with answers written byte by byte.

use health_spec::Dialect;
use health_spec::verdict::Outcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::tests::check;
use super::*;

/// Longer than any exchange that is meant to end.
const PATIENT: Duration = Duration::from_secs(20);

/// For exchanges that are meant to outlast it.
const SHORT: Duration = Duration::from_millis(60);

const OK_BODY: &str = r#"{"status":"ok","timestamp":"2026-01-02T03:04:05Z","uptime_seconds":7}"#;

/// A server that was read well before: nothing is forgiven as `not_conformant`.
fn known() -> History {
    History { spoke: Some(Dialect::V1), ..History::default() }
}

fn target_of(url: &str) -> HttpTarget {
    HttpTarget::new(Address::parse(url).expect("an address"))
}

async fn listen() -> (TcpListener, HttpTarget) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, target_of(&format!("http://{address}/health")))
}

/// Takes one connection and reads the request's head.
async fn accept(listener: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a whole request"));
    }
    (stream, String::from_utf8(head).expect("text"))
}

/// Checks a server that sends `answer` and closes.
async fn check_against(answer: impl AsRef<[u8]>) -> Verdict {
    let (listener, target) = listen().await;
    let serve = async {
        let (mut stream, _) = accept(&listener).await;
        // The check may hang up in the middle of a long answer.
        let _ = stream.write_all(answer.as_ref()).await;
    };
    let history = known();
    let ((), checked) = tokio::join!(serve, check(&target, PATIENT, &history));
    checked.expect("a verdict").verdict
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

fn failed(verdict: &Verdict, reason: Reason, message: &str) {
    let found = (verdict.outcome, verdict.reason, verdict.message.as_deref());
    assert_eq!(found, (Outcome::Failed, Some(reason), Some(message)));
}

#[tokio::test]
async fn a_good_answer_is_read() {
    let verdict = check_against(http("200 OK", "", OK_BODY)).await;
    assert_eq!((verdict.outcome, verdict.reason), (Outcome::Ok, None));
    assert_eq!(verdict.reading.expect("a reading").dialect, Dialect::V1);
}

#[tokio::test]
async fn the_request_says_who_asks_what() {
    let (listener, target) = listen().await;
    let serve = async {
        let (mut stream, head) = accept(&listener).await;
        stream.write_all(http("200 OK", "", OK_BODY).as_bytes()).await.expect("sent");
        head
    };
    let history = known();
    let (head, checked) = tokio::join!(serve, check(&target, PATIENT, &history));
    checked.expect("a verdict");
    assert!(head.starts_with("GET /health HTTP/1.1\r\n"), "{head}");
    let host = format!("host: {}", target.address.authority());
    for line in [
        host.as_str(),
        "user-agent: mcp-health/0.1.0",
        "connection: close",
        "accept: application/health+json, application/json;q=0.9, */*;q=0.1",
    ] {
        assert!(head.contains(&format!("{line}\r\n")), "{line} in {head}");
    }
}

#[tokio::test]
async fn a_503_keeps_what_its_body_says() {
    let body = r#"{"status":"down","timestamp":"2026-01-02T03:04:05Z","uptime_seconds":7,"error":"no database"}"#;
    let verdict = check_against(http("503 Service Unavailable", "", body)).await;
    failed(&verdict, Reason::HttpStatus, "no database");
}

#[tokio::test]
async fn a_port_without_listener_refuses() {
    let (listener, target) = listen().await;
    drop(listener);
    let checked = check(&target, PATIENT, &known()).await.expect("a verdict");
    failed(&checked.verdict, Reason::ConnectRefused, &format!("nothing listens at {}", target.address.authority()));
}

#[tokio::test]
async fn a_server_that_never_answers_times_out() {
    let (listener, target) = listen().await;
    let hang = async {
        let (mut stream, _) = accept(&listener).await;
        // Ends when the check closes its connection.
        stream.read_to_end(&mut Vec::new()).await.expect("closed in an orderly way");
    };
    let history = known();
    let ((), checked) = tokio::join!(hang, check(&target, SHORT, &history));
    let checked = checked.expect("a verdict");
    failed(&checked.verdict, Reason::Timeout, "no answer within 0.06 s");
    assert!(checked.response_time >= SHORT);
}

#[tokio::test]
async fn a_body_that_drips_past_the_deadline_times_out() {
    let (listener, target) = listen().await;
    let drip = async {
        let (mut stream, _) = accept(&listener).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n").await.expect("sent");
        let mut pace = tokio::time::interval(SHORT / 20);
        while stream.write_all(b" ").await.is_ok() {
            pace.tick().await;
        }
    };
    let history = known();
    let ((), checked) = tokio::join!(drip, check(&target, SHORT, &history));
    failed(&checked.expect("a verdict").verdict, Reason::Timeout, "no whole answer within 0.06 s");
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read_to_its_end() {
    let verdict = check_against(http("200 OK", "", &" ".repeat(70 * 1024))).await;
    failed(&verdict, Reason::BodyTooLarge, "the body is larger than 65536 bytes");
}

#[tokio::test]
async fn endless_headers_are_cut() {
    let (listener, target) = listen().await;
    let flood = async {
        let (mut stream, _) = accept(&listener).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await.expect("sent");
        while stream.write_all(&[b'a'; 4096]).await.is_ok() {}
    };
    let history = known();
    let ((), checked) = tokio::join!(flood, check(&target, PATIENT, &history));
    failed(&checked.expect("a verdict").verdict, Reason::InvalidBody, "its headers are too large");
}

#[tokio::test]
async fn many_headers_are_cut() {
    let headers = "x: y\r\n".repeat(500);
    let verdict = check_against(http("200 OK", &headers, OK_BODY)).await;
    failed(&verdict, Reason::InvalidBody, "its headers are too large");
}

#[tokio::test]
async fn garbage_is_not_http() {
    for garbage in ["SSH-2.0-OpenSSH_9.6\r\n", "\0\u{1}\u{2}\u{3}\r\n\r\n", "{\"status\":\"ok\"}\r\n\r\n"] {
        let verdict = check_against(garbage).await;
        assert_eq!(verdict.reason, Some(Reason::InvalidBody), "{garbage:?}: {:?}", verdict.message);
        let message = verdict.message.expect("a message");
        assert!(message.starts_with("it does not speak HTTP: "), "{garbage:?}: {message}");
    }
}

#[tokio::test]
async fn a_connection_that_closes_early_is_a_reset() {
    let cut = format!("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{OK_BODY}");
    for partial in ["", "HTTP/1.1 200 OK\r\ncontent-", cut.as_str()] {
        let verdict = check_against(partial).await;
        failed(&verdict, Reason::ConnectionReset, "the connection closed before a whole answer");
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_at_once_is_a_reset() {
    let (listener, target) = listen().await;
    let slam = async {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_zero_linger().expect("a reset instead of an orderly end");
    };
    let history = known();
    let ((), checked) = tokio::join!(slam, check(&target, PATIENT, &history));
    failed(&checked.expect("a verdict").verdict, Reason::ConnectionReset, "the connection closed before a whole answer");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    // Followed, it would be refused: nothing listens on port 1.
    let verdict = check_against(http("302 Found", "location: http://127.0.0.1:1/\r\n", "")).await;
    failed(&verdict, Reason::HttpStatus, "it answers 302");
}

#[tokio::test]
async fn a_chunked_body_is_joined() {
    let (first, second) = OK_BODY.split_at(10);
    let chunks = format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
    let verdict = check_against(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}")).await;
    assert_eq!(verdict.outcome, Outcome::Ok);
}

#[tokio::test]
async fn broken_chunks_are_not_http() {
    let verdict = check_against("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n").await;
    assert_eq!(verdict.reason, Some(Reason::InvalidBody), "{:?}", verdict.message);
}

#[tokio::test]
async fn an_http_1_0_body_lasts_until_the_close() {
    let verdict = check_against(format!("HTTP/1.0 200 OK\r\n\r\n{OK_BODY}")).await;
    assert_eq!(verdict.outcome, Outcome::Ok);
}

#[tokio::test]
async fn a_name_that_cannot_exist_is_a_dns_failure() {
    // Longer than DNS allows, so that no resolver is asked.
    let name = vec!["a".repeat(60); 5].join(".");
    let target = target_of(&format!("http://{name}/"));
    let checked = check(&target, PATIENT, &known()).await.expect("a verdict");
    assert_eq!(checked.verdict.reason, Some(Reason::Dns), "{:?}", checked.verdict.message);
}

#[tokio::test]
async fn the_age_of_an_answer_is_told_by_its_own_clock() {
    let body = OK_BODY.replace("2026-01-02T03:04:05Z", "2020-05-04T00:00:00Z");
    let verdict = check_against(http("200 OK", "date: Mon, 04 May 2020 00:00:01 GMT\r\n", &body)).await;
    assert_eq!((verdict.outcome, verdict.clock_skew), (Outcome::Ok, false), "{:?}", verdict.message);
}

#[tokio::test]
async fn an_overloaded_server_says_for_how_long() {
    for (value, expected) in [("7", Some(7)), ("Fri, 02 Jan 2026 03:04:35 GMT", Some(30)), ("soon", None)] {
        let verdict = check_against(http("429 Too Many Requests", &format!("retry-after: {value}\r\n"), "")).await;
        assert_eq!(verdict.reason, Some(Reason::Overloaded));
        assert_eq!(verdict.retry_after, expected.map(Duration::from_secs), "{value}");
    }
}

#[tokio::test]
async fn a_pinned_target_reads_no_other_dialect() {
    let (listener, target) = listen().await;
    let target = HttpTarget { dialect: Some(Dialect::V1), ..target };
    let serve = async {
        let (mut stream, _) = accept(&listener).await;
        stream.write_all(http("200 OK", "", r#"{"status":"healthy"}"#).as_bytes()).await.expect("sent");
    };
    let history = known();
    let ((), checked) = tokio::join!(serve, check(&target, PATIENT, &history));
    failed(&checked.expect("a verdict").verdict, Reason::Schema, "the body is in the dialect words, and 1.0 is wanted");
}

#[tokio::test]
async fn every_phase_of_an_answer_is_timed() {
    let verdict = check_against(http("200 OK", "", OK_BODY)).await;
    let [probed] = &verdict.probed[..] else { panic!("one probe: {:?}", verdict.probed) };
    let phases = probed.phases;
    assert!(phases.connect_ms.is_some() && phases.answer_ms.is_some() && phases.body_ms.is_some(), "{phases:?}");
    assert_eq!((phases.dns_ms, phases.tls_ms), (None, None), "a literal address, not secured");
}

#[tokio::test]
async fn a_unix_socket_is_asked_like_a_port() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.sock");
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    let serve = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a whole request"));
        }
        stream.write_all(http("200 OK", "", OK_BODY).as_bytes()).await.expect("sent");
        String::from_utf8(head).expect("text")
    };
    let (target, history) = (target_of(&format!("unix://{}:/health", path.display())), known());
    let (head, checked) = tokio::join!(serve, check(&target, PATIENT, &history));
    assert_eq!(checked.expect("a verdict").verdict.outcome, Outcome::Ok);
    assert!(head.starts_with("GET /health HTTP/1.1\r\n") && head.contains("host: localhost\r\n"), "{head}");
    std::fs::remove_file(&path).expect("removed");
    let gone = check(&target, PATIENT, &known()).await.expect("a verdict").verdict;
    assert_eq!(gone.reason, Some(Reason::ConnectRefused), "{:?}", gone.message);
}
