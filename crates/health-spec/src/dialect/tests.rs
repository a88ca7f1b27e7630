use super::*;

fn reading(body: &str) -> Option<(Dialect, Status)> {
    read(body.as_bytes()).ok().map(|reading| (reading.dialect, reading.status))
}

fn lost(body: &str) -> Vec<(String, LossKind)> {
    let reading = read(body.as_bytes()).expect("it reads");
    reading.lost.into_iter().map(|loss| (loss.path, loss.kind)).collect()
}

#[test]
fn each_dialect_is_recognised() {
    use Status::{Degraded, Down, Ok};
    let cases = [
        (r#"{"status":"ok","timestamp":"2026-01-02T03:04:05Z","uptime_seconds":1}"#, Dialect::V1, Ok),
        (r#"{"status":"ok","uptime":3.5}"#, Dialect::Draft, Ok),
        (r#"{"status":"down","error":"x"}"#, Dialect::Draft, Down),
        (r#"{"status":"healthy","service":"mcp-server"}"#, Dialect::Words, Ok),
        (r#"{"status":"unhealthy"}"#, Dialect::Words, Down),
        (r#"{"status":"degraded","timestamp":1767323045}"#, Dialect::Words, Degraded),
        (r#"{"status":"warn"}"#, Dialect::Ietf, Degraded),
        (r#"{"status":"UP"}"#, Dialect::Ietf, Ok),
        (r#"{"status":"error"}"#, Dialect::Ietf, Down),
    ];
    for (body, dialect, status) in cases {
        assert_eq!(reading(body), Some((dialect, status)), "{body}");
    }
}

#[test]
fn a_broken_v1_answer_is_no_other_dialect() {
    let cases = [
        (r#"{"status":"ok","timestamp":"yesterday","uptime_seconds":1}"#, "RFC 3339"),
        (r#"{"status":"ok","timestamp":"2026-01-02T03:04:05Z","uptime_seconds":1,"status":"down"}"#, "duplicate field"),
        (r#"{"status":"fine"}"#, "fine"),
        (r#"{"health":"ok"}"#, "no `status`"),
        (r#"["ok","2026-01-02T03:04:05Z",10]"#, "no object"),
        ("[]", "no object"),
        ("null", "no object"),
    ];
    for (body, said) in cases {
        let error = read(body.as_bytes()).expect_err(body);
        assert!(matches!(&error, ReadError::NotHealth(message) if message.contains(said)), "{body}: {error}");
    }
    for body in ["", "{", "OK", "{\"status\":\"ok\"", "\u{feff}{}"] {
        assert!(matches!(read(body.as_bytes()), Err(ReadError::NotJson(_))), "{body}");
    }
    assert!(matches!(read(b"{\"status\":\"ok\",\"a\":\"\xff\"}"), Err(ReadError::NotJson(_))));
    assert!(matches!(read(&vec![b' '; MAX_BODY_BYTES + 1]), Err(ReadError::TooLarge)));
}

#[test]
fn components_of_other_dialects_are_kept() {
    let body = r#"{"status":"pass","checks":{"db:time":[{"status":"pass"},{"status":"warn"}],"cache":{"status":"up"}}}"#;
    let checks = read(body.as_bytes()).map(|reading| reading.checks).ok();
    assert_eq!(checks, Some(vec![("cache".into(), Status::Ok), ("db:time".into(), Status::Degraded)]));
}

#[test]
fn what_was_lost_is_said() {
    use LossKind::{Ignored, Missing, Unreadable};
    let of = |losses: &[(&str, LossKind)]| losses.iter().map(|&(path, kind)| (path.to_owned(), kind)).collect::<Vec<_>>();
    let v1 = r#"{"status":"ok","timestamp":"2026-01-02T03:04:05Z","uptime_seconds":1,"checks":{"A/b":42,"c":"ok"}}"#;
    assert_eq!(lost(v1), of(&[("/checks/A~1b", Unreadable)]));
    let words = r#"{"status":"healthy","service":"x","uptime":"2h","checks":[1]}"#;
    let expected = [
        ("/uptime", Unreadable),
        ("/checks", Unreadable),
        ("/timestamp", Missing),
        ("/uptime_seconds", Missing),
        ("/service", Ignored),
    ];
    assert_eq!(lost(words), of(&expected));
    let ietf = r#"{"status":"fail","output":"disk full","releaseId":"7","notes":[]}"#;
    assert_eq!(lost(ietf), of(&[("/timestamp", Missing), ("/uptime_seconds", Missing), ("/notes", Ignored)]));
    let many = (0..1000).fold(String::new(), |text, at| text + &format!("\"k{at}\":0,"));
    assert_eq!(lost(&format!("{{{many}\"status\":\"healthy\"}}")).len(), MAX_LOSSES);
}

#[test]
fn a_pinned_dialect_is_the_only_one_that_reads() {
    let words = br#"{"status":"healthy"}"#;
    assert!(read_as(Dialect::Words, words).is_ok());
    let error = read_as(Dialect::V1, words).expect_err("another dialect");
    assert_eq!(error.to_string(), "the body is in the dialect words, and 1.0 is wanted");
    assert_eq!(read_as(Dialect::Plain, b"OK").ok(), Some(Reading::plain()));
}
