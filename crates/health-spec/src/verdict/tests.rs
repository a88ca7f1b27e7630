use super::*;
use crate::MAX_BODY_BYTES;

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().expect("a timestamp")
}

fn history() -> History {
    History { spoke: Some(Dialect::V1), ..History::default() }
}

fn body(status: &str, extra: &str) -> String {
    format!(r#"{{"status":"{status}","timestamp":"2026-01-02T03:04:00Z","uptime_seconds":1{extra}}}"#)
}

fn answer(http_status: u16, body: &str) -> Answer<'_> {
    let content_type = Some("application/json");
    Answer { http_status, content_type, challenged: false, date: None, retry_after: None, body: body.as_bytes() }
}

fn verdict(http_status: u16, body: &str, history: &History) -> (Outcome, Option<Reason>) {
    let verdict = classify(&answer(http_status, body), None, history, now());
    (verdict.outcome, verdict.reason)
}

#[test]
fn the_table_line_by_line() {
    use Outcome::{Degraded, Failed, Ok};
    let known = &history();
    let cases = [
        (200, body("ok", ""), (Ok, None)),
        (200, body("degraded", ""), (Degraded, Some(Reason::Reported))),
        (200, body("down", ""), (Failed, Some(Reason::Reported))),
        (503, body("down", ""), (Failed, Some(Reason::HttpStatus))),
        (503, body("ok", r#","metadata":{"draining":true}"#), (Degraded, Some(Reason::Draining))),
        (401, String::new(), (Degraded, Some(Reason::NeedsAuth))),
        (403, String::new(), (Failed, Some(Reason::HttpStatus))),
        (429, String::new(), (Degraded, Some(Reason::Overloaded))),
        (302, String::new(), (Failed, Some(Reason::HttpStatus))),
        (404, String::new(), (Failed, Some(Reason::HttpStatus))),
        (200, "{".into(), (Failed, Some(Reason::InvalidBody))),
        (200, "{}".into(), (Failed, Some(Reason::Schema))),
        (200, " ".repeat(MAX_BODY_BYTES + 1), (Failed, Some(Reason::BodyTooLarge))),
    ];
    for (code, body, expected) in cases {
        assert_eq!(verdict(code, &body, known), expected, "{code} {}", body.get(..40).unwrap_or(&body));
    }
}

#[test]
fn a_server_that_was_never_read_well_is_not_conformant() {
    let expected = (Outcome::Degraded, Some(Reason::NotConformant));
    for (code, body) in [(404, ""), (405, ""), (501, ""), (200, "{"), (200, "{}")] {
        assert_eq!(verdict(code, body, &History::default()), expected, "{code} {body}");
    }
}

#[test]
fn a_plain_answer_is_fine_until_another_dialect_was_spoken() {
    let plain = Answer { content_type: Some("text/plain"), ..answer(200, "OK") };
    assert_eq!(classify(&plain, None, &History::default(), now()).outcome, Outcome::Ok);
    assert_eq!(classify(&plain, None, &history(), now()).reason, Some(Reason::InvalidBody));
}

#[test]
fn a_plain_server_has_been_read_well_and_one_that_was_never_found_has_not() {
    let plain = |code| Answer { content_type: Some("text/plain"), ..answer(code, "OK") };
    let mut history = History::default();
    for (code, expected) in [(404, Outcome::Degraded), (404, Outcome::Degraded), (200, Outcome::Ok), (404, Outcome::Failed)] {
        let verdict = classify(&plain(code), None, &history, now());
        assert_eq!(verdict.outcome, expected, "{code}");
        history.learn(&verdict, now());
    }
    assert_eq!(history.spoke, Some(Dialect::Plain));
}

#[test]
fn a_challenge_makes_403_alive() {
    let challenged = Answer { challenged: true, ..answer(403, "") };
    assert_eq!(classify(&challenged, None, &history(), now()).reason, Some(Reason::NeedsAuth));
}

#[test]
fn draining_is_forgiven_for_a_minute() {
    let since = "2026-01-02T03:03:05Z".parse().expect("a timestamp");
    let history = History { draining_since: Some(since), ..history() };
    let body = body("down", r#","metadata":{"draining":true}"#);
    assert_eq!(verdict(503, &body, &history), (Outcome::Failed, Some(Reason::HttpStatus)));
}

#[test]
fn a_frozen_timestamp_is_stale_and_one_that_advances_is_skew() {
    let old = |at: &str| format!(r#"{{"status":"ok","timestamp":"{at}","uptime_seconds":1}}"#);
    let seen = "2026-01-02T03:03:35Z".parse().expect("a timestamp");
    let last = "2026-01-02T01:00:00Z".parse().expect("a timestamp");
    let history = History { last_timestamp: Some((last, seen)), ..history() };
    let frozen = old("2026-01-02T01:00:00Z");
    assert_eq!(verdict(200, &frozen, &history), (Outcome::Failed, Some(Reason::Stale)));
    let advanced = old("2026-01-02T01:00:30Z");
    let verdict = classify(&answer(200, &advanced), None, &history, now());
    assert_eq!((verdict.outcome, verdict.clock_skew), (Outcome::Ok, true));
}

#[test]
fn a_future_timestamp_is_skew() {
    let body = r#"{"status":"ok","timestamp":"2026-01-02T05:00:00Z","uptime_seconds":1}"#;
    let verdict = classify(&answer(200, body), None, &history(), now());
    assert_eq!((verdict.outcome, verdict.clock_skew), (Outcome::Ok, true));
}

#[test]
fn a_pinned_dialect_is_the_only_one_that_counts() {
    let words = r#"{"status":"healthy"}"#;
    let classified = |pinned, http_status, body: &str, history: &History| {
        let verdict = classify(&answer(http_status, body), pinned, history, now());
        (verdict.outcome, verdict.reason)
    };
    let v1 = Some(Dialect::V1);
    assert_eq!(classified(None, 200, words, &history()), (Outcome::Ok, None));
    assert_eq!(classified(v1, 200, words, &history()), (Outcome::Failed, Some(Reason::Schema)));
    assert_eq!(classified(v1, 200, words, &History::default()), (Outcome::Degraded, Some(Reason::NotConformant)));
    assert_eq!(classified(v1, 200, &body("ok", ""), &history()), (Outcome::Ok, None));
    let text = Answer { content_type: Some("text/plain"), ..answer(200, "OK") };
    assert_eq!(classify(&text, v1, &History::default(), now()).reason, Some(Reason::NotConformant));
    assert_eq!(classified(Some(Dialect::Plain), 200, "{", &history()), (Outcome::Ok, None));
    assert_eq!(classified(Some(Dialect::Plain), 500, "{", &history()), (Outcome::Failed, Some(Reason::HttpStatus)));
}

#[test]
fn each_probe_learns_from_its_own_answers() {
    use crate::registry::ProbeKind;
    let probed = |kind, outcome, reading: Option<&Reading>| Probed {
        kind,
        outcome: Some(outcome),
        reason: None,
        message: None,
        took_ms: 1.0,
        phases: Phases::default(),
        reading: reading.cloned().map(Box::new),
    };
    let well = classify(&answer(200, &body("ok", "")), None, &History::default(), now());
    let read = well.reading.as_ref();
    let mut learnt = History::default();
    let several = vec![
        probed(ProbeKind::Http, Outcome::Degraded, None),
        probed(ProbeKind::Mcp, Outcome::Ok, read),
        probed(ProbeKind::Http, Outcome::Ok, read),
    ];
    learnt.learn(&Verdict { probed: several, ..well.clone() }, now());
    let spoke = |kind, nth| learnt.of(kind, nth).spoke;
    assert_eq!((spoke(ProbeKind::Http, 0), spoke(ProbeKind::Mcp, 0)), (None, Some(Dialect::V1)));
    assert_eq!((spoke(ProbeKind::Http, 1), spoke(ProbeKind::Mcp, 1)), (Some(Dialect::V1), None));
    let text = serde_json::to_string(&learnt).expect("JSON");
    assert_eq!(serde_json::from_str::<History>(&text).expect("a history"), learnt);
    // One that is alone keeps its place when others come beside it.
    let mut alone = History::default();
    alone.learn(&Verdict { probed: vec![probed(ProbeKind::Mcp, Outcome::Ok, None)], ..well }, now());
    assert_eq!((alone.spoke, alone.of(ProbeKind::Mcp, 0).spoke), (None, Some(Dialect::V1)));
    // Most answers in MCP say nothing that could be read.
    let mut spoken = History::default();
    let second = vec![probed(ProbeKind::Mcp, Outcome::Degraded, None), probed(ProbeKind::Mcp, Outcome::Ok, None)];
    spoken.learn(&Verdict { probed: second, ..Verdict::new(Outcome::Degraded, None, None) }, now());
    assert_eq!((spoken.of(ProbeKind::Mcp, 0).was_well, spoken.of(ProbeKind::Mcp, 1).was_well), (false, true));
}
