//! What the tests of all kinds share, and every row of the verdict table (contract, section 1.1) against real sockets.

use health_spec::verdict::{History, Outcome, Reason};
use health_spec::{Dialect, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::address::Address;
use super::http::HttpTarget;
use super::*;
use crate::shell::runtime::life::Life;

/// Longer than any exchange that is meant to end.
pub(super) const PATIENT: Duration = Duration::from_secs(30);

/// Nothing is known of what runs the server.
#[derive(Debug)]
pub(super) struct Nobody;

impl Lives for Nobody {
    fn life(&self, _: ServerId) -> Life {
        Life::Unknown("nobody runs it".to_owned())
    }

    fn known(&self, _: ServerId) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn wire(&self, _: ServerId) -> Option<crate::shell::runtime::process::wire::Wire> {
        None
    }
}

pub(super) fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().expect("a timestamp")
}

pub(super) fn question<'a>(timeout: Duration, history: &'a History, resolver: &'a Resolver) -> Question<'a> {
    Question { server: ServerId(0), timeout, history, clock: now, resolver, lives: &Nobody, trace: Trace::default() }
}

/// One `GET`.
pub(super) async fn check(target: &HttpTarget, timeout: Duration, history: &History) -> Result<Checked, Impaired> {
    let resolver = Resolver::default();
    super::check(&Target::http(target.clone()), &question(timeout, history, &resolver)).await
}

/// A server that answers each connection with the same bytes, for ever.
pub(super) async fn answering(answer: String) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let serve = async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { break };
                head.push(byte);
            }
            // The check may hang up in the middle.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    };
    (format!("http://{address}/health"), spawned(serve))
}

#[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
pub(super) fn spawned(task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(task)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn body(status: &str, timestamp: &str, more: &str) -> String {
    format!(r#"{{"status":"{status}","timestamp":"{timestamp}","uptime_seconds":7{more}}}"#)
}

fn well_before() -> History {
    History { spoke: Some(Dialect::V1), ..History::default() }
}

async fn verdict(text: String, history: &History) -> Verdict {
    let (url, server) = answering(text).await;
    let target = HttpTarget::new(Address::parse(&url).expect("an address"));
    let checked = check(&target, PATIENT, history).await.expect("a verdict");
    server.abort();
    checked.verdict
}

const NOW: &str = "2026-01-02T03:04:00Z";

#[tokio::test]
async fn every_row_of_the_table() {
    use Outcome::{Degraded, Failed, Ok};
    let draining = body("ok", NOW, r#","metadata":{"draining":true}"#);
    let rows = [
        ("200 OK", "", body("ok", NOW, ""), Ok, None),
        ("204 No Content", "", String::new(), Failed, Some(Reason::InvalidBody)),
        ("200 OK", "", body("degraded", NOW, ""), Degraded, Some(Reason::Reported)),
        ("200 OK", "", body("down", NOW, ""), Failed, Some(Reason::Reported)),
        ("200 OK", "", draining.clone(), Degraded, Some(Reason::Draining)),
        ("503 Service Unavailable", "", draining, Degraded, Some(Reason::Draining)),
        ("503 Service Unavailable", "", body("down", NOW, ""), Failed, Some(Reason::HttpStatus)),
        ("500 Internal Server Error", "", body("ok", NOW, ""), Failed, Some(Reason::HttpStatus)),
        ("401 Unauthorized", "", String::new(), Degraded, Some(Reason::NeedsAuth)),
        ("403 Forbidden", "www-authenticate: Bearer\r\n", String::new(), Degraded, Some(Reason::NeedsAuth)),
        ("403 Forbidden", "", String::new(), Failed, Some(Reason::HttpStatus)),
        ("429 Too Many Requests", "retry-after: 7\r\n", String::new(), Degraded, Some(Reason::Overloaded)),
        ("301 Moved Permanently", "location: http://127.0.0.1:1/\r\n", String::new(), Failed, Some(Reason::HttpStatus)),
        ("302 Found", "location: /health\r\n", String::new(), Failed, Some(Reason::HttpStatus)),
        ("502 Bad Gateway", "", String::new(), Failed, Some(Reason::HttpStatus)),
        ("200 OK", "", "x".repeat(65 * 1024), Failed, Some(Reason::BodyTooLarge)),
        ("200 OK", "", "{".to_owned(), Failed, Some(Reason::InvalidBody)),
        ("200 OK", "", r#"{"hello":1}"#.to_owned(), Failed, Some(Reason::Schema)),
        ("404 Not Found", "", String::new(), Failed, Some(Reason::HttpStatus)),
    ];
    for (status, headers, body, outcome, reason) in rows {
        let found = verdict(answer(status, headers, &body), &well_before()).await;
        let shown = body.get(..60).unwrap_or(&body);
        assert_eq!((found.outcome, found.reason), (outcome, reason), "{status} {shown}: {:?}", found.message);
    }
}

#[tokio::test]
async fn a_server_that_was_never_read_well_has_no_such_endpoint() {
    let new = History::default();
    let rows =
        [("404 Not Found", ""), ("405 Method Not Allowed", ""), ("501 Not Implemented", ""), ("200 OK", "{"), ("200 OK", "{}")];
    for (status, body) in rows {
        let found = verdict(answer(status, "", body), &new).await;
        assert_eq!((found.outcome, found.reason), (Outcome::Degraded, Some(Reason::NotConformant)), "{status} {body}");
    }
    let found = verdict("SSH-2.0-OpenSSH_9.6\r\n\r\n".to_owned(), &new).await;
    assert_eq!(found.reason, Some(Reason::NotConformant));
}

#[tokio::test]
async fn an_answer_from_the_past_is_stale_and_one_that_advances_is_a_clock() {
    let old = "2026-01-02T03:00:00Z";
    let seen = |said: &str| History {
        last_timestamp: Some((said.parse().expect("a timestamp"), "2026-01-02T03:03:55Z".parse().expect("a timestamp"))),
        ..well_before()
    };
    let frozen = verdict(answer("200 OK", "", &body("ok", old, "")), &seen(old)).await;
    assert_eq!((frozen.outcome, frozen.reason), (Outcome::Failed, Some(Reason::Stale)));
    let advancing = verdict(answer("200 OK", "", &body("ok", old, "")), &seen("2026-01-02T02:59:50Z")).await;
    assert_eq!((advancing.outcome, advancing.clock_skew), (Outcome::Ok, true), "{:?}", advancing.message);
    let future = verdict(answer("200 OK", "", &body("ok", "2026-01-02T04:00:00Z", "")), &well_before()).await;
    assert_eq!((future.outcome, future.clock_skew), (Outcome::Ok, true));
}

#[tokio::test]
async fn several_probes_are_made_at_once_and_the_worst_counts() {
    let (url, server) = answering(answer("200 OK", "", &body("ok", NOW, ""))).await;
    let http = HttpTarget::new(Address::parse(&url).expect("an address"));
    let open = http.address.to().clone();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        address::To::parse(&listener.local_addr().expect("an address").to_string()).expect("an address")
    };
    let (resolver, history) = (Resolver::default(), well_before());
    let question = question(PATIENT, &history, &resolver);
    let target = |looks: Vec<Look>| Target { looks: looks.into(), trace_id: None };
    let well =
        super::check(&target(vec![Look::Http(http.clone()), Look::Tcp(open.clone())]), &question).await.expect("a verdict");
    assert_eq!((well.verdict.outcome, well.verdict.probed.len()), (Outcome::Ok, 2));
    let ill = super::check(&target(vec![Look::Http(http.clone()), Look::Tcp(closed)]), &question).await.expect("a verdict");
    assert_eq!((ill.verdict.outcome, ill.verdict.reason), (Outcome::Failed, Some(Reason::ConnectRefused)));
    assert!(ill.verdict.reading.is_some(), "what the body said is kept");
    let blind = super::check(&target(vec![Look::Http(http), Look::Container]), &question).await;
    assert!(matches!(blind, Err(Impaired::Engine(_))), "{blind:?}");
    server.abort();
}

mod hostile;
mod secured;
