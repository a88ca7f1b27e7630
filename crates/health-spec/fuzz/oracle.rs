//! What must hold for any bytes that a server may send. Shared by the fuzz target and the plain test over its corpus.

use health_spec::dialect::{self, Dialect, MAX_LOSSES};
use health_spec::validate::validate_body;
use health_spec::verdict::{Answer, History, Outcome, Reason, classify};
use health_spec::{HealthResponse, MAX_BODY_BYTES};

const CODES: [u16; 8] = [200, 204, 302, 401, 403, 404, 429, 503];
const TYPES: [Option<&str>; 3] = [None, Some("text/plain"), Some("application/health+json; charset=utf-8")];

/// Gives `body` to every reader.
pub(crate) fn check(body: &[u8]) {
    let strict = HealthResponse::parse(body).ok();
    match validate_body(body) {
        Ok(response) => assert_eq!(Some(response), strict),
        Err(violations) => assert!(strict.is_none() && !violations.is_empty()),
    }
    let reading = dialect::read(body);
    assert_eq!(reading.as_ref().is_ok_and(|reading| reading.dialect == Dialect::V1), strict.is_some());
    assert!(reading.is_err() || body.len() <= MAX_BODY_BYTES);
    assert!(reading.is_ok_and(|reading| reading.lost.len() > MAX_LOSSES).eq(&false));
    for http_status in CODES {
        for content_type in TYPES {
            judge(&Answer { http_status, content_type, challenged: false, date: None, retry_after: None, body });
        }
    }
}

fn judge(answer: &Answer<'_>) {
    let now = jiff::Timestamp::constant(1_767_323_045, 0);
    let known = History { spoke: Some(Dialect::V1), last_timestamp: Some((now, now)), ..History::default() };
    for history in [History::default(), known] {
        for pinned in [None, Some(Dialect::V1), Some(Dialect::Words), Some(Dialect::Plain)] {
            let verdict = classify(answer, pinned, &history, now);
            assert_eq!(verdict, classify(answer, pinned, &history, now), "same arguments, same verdict");
            assert_eq!(verdict.outcome == Outcome::Ok, verdict.reason.is_none(), "a reason unless all is fine");
            let draining = verdict.reason == Some(Reason::Draining);
            assert!(verdict.outcome != Outcome::Ok || (200..300).contains(&answer.http_status) || draining);
            let mut learned = history.clone();
            learned.learn(&verdict, now);
        }
    }
}
