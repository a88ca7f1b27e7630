//! Incidents as their events tell them.

use health_spec::event::REPO;
use health_spec::incident::{AttemptResult, Change};

use super::*;

/// About server `a`, of epoch `e`.
pub(crate) fn event(second: i64, incident: Option<u64>, kind: EventKind) -> Event {
    Event {
        kind,
        trace_id: "t".into(),
        timestamp: Timestamp::from_second(second).expect("a timestamp"),
        repo: REPO.into(),
        source: "here".into(),
        epoch: "e".into(),
        seq: 1,
        server_name: Some("a".into()),
        phase: None,
        incident_id: incident.map(|number| format!("e-{number}")),
        otel_trace_id: None,
        otel_span_id: None,
    }
}

fn down(reason: &str) -> EventKind {
    EventKind::ServerDown { reason: reason.into(), first_failure_at: Timestamp::from_second(7).ok(), detection_ms: 3_000 }
}

fn started(attempt: u32) -> EventKind {
    EventKind::RecoveryStarted { attempt, strategy: "restart".into(), reason: "down".into(), delay_ms: 0 }
}

fn failed(attempt: u32, error: &str) -> EventKind {
    EventKind::RecoveryFailed { attempt, error: error.into(), recovery_successful: false }
}

fn well() -> EventKind {
    EventKind::RecoverySuccessful { attempts: 2, recovery_successful: true, recovery_ms: 9_000 }
}

fn book(kinds: Vec<EventKind>) -> Book {
    let book = Book::default();
    for (second, kind) in (10..).zip(kinds) {
        book.fold(&event(second, Some(3), kind), || Teller { death: DetectedBy::Process, mask: Mask::default() });
    }
    book
}

fn outcome(kinds: Vec<EventKind>) -> (Outcome, Vec<AttemptResult>, bool) {
    let incident = book(kinds).incident(3).expect("it is there");
    (incident.outcome, incident.attempts.iter().map(|attempt| attempt.result).collect(), incident.exhausted)
}

#[test]
fn each_ending_has_its_word() {
    use AttemptResult::{Failed, Interrupted, Running, Successful};
    let exhausted = EventKind::RecoveryExhausted { attempts: 1, reason: "attempts".into(), requires_manual: true };
    let recovered = EventKind::ServerRecovered { recovery_ms: 1 };
    let stopped = EventKind::ServerStopped { reason: "operator".into() };
    for (kinds, expected) in [
        (vec![down("container_died")], (Outcome::Open, vec![], false)),
        (vec![down("x"), started(1)], (Outcome::Open, vec![Running], false)),
        (vec![down("x"), started(1), failed(1, "e"), started(2), well()], (Outcome::Successful, vec![Failed, Successful], false)),
        (vec![down("x"), started(1), failed(1, "e"), exhausted, recovered], (Outcome::Recovered, vec![Failed], true)),
        (vec![down("x"), started(1), stopped], (Outcome::Stopped, vec![Interrupted], false)),
        (vec![down("x"), EventKind::ServerDeregistered], (Outcome::Deregistered, vec![], false)),
        // An older program did not keep incidents.
        (vec![started(2), well()], (Outcome::Successful, vec![Successful], false)),
    ] {
        let named = format!("{kinds:?}");
        assert_eq!(outcome(kinds), expected, "{named}");
    }
}

#[test]
fn times_and_words_are_those_of_the_events() {
    let book =
        book(vec![down("3_consecutive_failures"), started(1), failed(1, "action: password=hunter2\n"), started(2), well()]);
    let incident = book.incident(3).expect("it is there");
    assert_eq!((incident.id.as_str(), incident.server_name.as_str()), ("e-3", "a"));
    assert_eq!((incident.opened_at.as_second(), incident.closed_at.map(Timestamp::as_second)), (10, Some(14)));
    assert_eq!((incident.detected_by, incident.detection_ms, incident.recovery_ms), (DetectedBy::Probe, 3_000, Some(9_000)));
    assert_eq!(incident.attempts[0].error.as_deref(), Some("action: password=***\\n"));
    assert_eq!(incident.attempts[0].ended_at.map(Timestamp::as_second), Some(12));
    let noticed = incident.evidence.and_then(|evidence| evidence.noticed).expect("somebody noticed");
    assert_eq!((noticed.at.as_second(), noticed.how.as_str()), (7, "3 checks in a row failed"));
}

#[test]
fn a_death_before_the_incident_is_its_cause() {
    let book = Book::default();
    let teller = || Teller { death: DetectedBy::Engine, mask: Mask::default() };
    let died = EventKind::ContainerDied { exit_code: Some(137), signal: None, oom_killed: true, core_dumped: false, error: None };
    book.fold(&event(10, None, died), teller);
    book.fold(&event(10, Some(1), down("container_died")), teller);
    let evidence = book.incident(1).and_then(|incident| incident.evidence).expect("evidence");
    let death = evidence.death.expect("a death");
    assert_eq!((death.exit_code, death.oom_killed, death.at.as_second()), (Some(137), true, 10));
    let noticed = evidence.noticed.expect("somebody noticed");
    assert_eq!(noticed.how, "the engine reported that it ended, exit code 137 (as after SIGKILL), killed for memory");
}

#[test]
fn a_page_stays_until_it_is_closed_written_and_no_longer_looked_at() {
    let book = Arc::new(book(vec![down("x")]));
    let rows = book.unwritten();
    assert_eq!(rows.len(), 1);
    assert!(rows[0].evidence.is_some(), "who noticed goes with the first batch");
    book.written(&rows);
    assert!(book.unwritten().is_empty() && book.incident(3).is_some(), "it is open");

    let hold = book.hold(3);
    book.fold(&event(20, Some(3), well()), Teller::default);
    assert_eq!(book.open_of("a"), None);
    book.written(&book.unwritten());
    assert!(book.incident(3).is_some(), "it is looked at");
    let (version, _) = book.amend(3, |evidence| evidence.left_out.push("x".into())).expect("it is there");
    drop(hold);
    assert!(book.incident(3).is_some(), "its evidence is not written");
    assert!(book.unwritten()[0].evidence.is_some(), "and goes with the next batch");
    book.evidence_written(3, version);
    book.written(&book.unwritten());
    assert!(book.incident(3).is_none(), "the database has it");
}

#[test]
fn a_change_while_the_disk_was_busy_is_not_taken_for_written() {
    let book = book(vec![down("x")]);
    let rows = book.unwritten();
    book.fold(&event(11, Some(3), started(1)), Teller::default);
    book.written(&rows);
    assert_eq!(book.unwritten()[0].incident.attempts.len(), 1);
}

#[test]
fn what_is_offered_again_is_not_made_again() {
    let book = book(vec![down("x")]);
    let (first, second) = (book.unwritten().swap_remove(0), book.unwritten().swap_remove(0));
    assert!(Arc::ptr_eq(&first.json, &second.json));
    assert!(first.evidence.zip(second.evidence).is_some_and(|(first, second)| Arc::ptr_eq(&first, &second)));
    book.fold(&event(11, Some(3), started(1)), Teller::default);
    assert!(book.unwritten()[0].json.contains("attempts\":[{"), "it has changed");
}

/// The disk has the first one as open, and nothing of the others.
#[test]
fn while_the_disk_takes_nothing_the_book_does_not_grow_for_ever() {
    let most = MOST_PAGES as u64;
    let book = book(vec![]);
    for number in 0..=most + 10 {
        book.fold(&event(10, Some(number), down("x")), Teller::default);
        if number == 0 {
            book.written(&book.unwritten());
        }
        book.amend(number, |evidence| evidence.left_out.push("a capture".into()));
        book.amend(number, |evidence| evidence.changed.push(Change { what: "image".into(), before: None, after: None }));
        book.fold(&event(11, Some(number), well()), Teller::default);
    }
    book.bound();
    assert_eq!(book.incidents().len(), MOST_PAGES + 1);
    assert!(book.incident(0).is_some() && book.incident(10).is_none() && book.incident(11).is_some());
    let evidence = |number| book.incident(number).and_then(|incident| incident.evidence).expect("evidence");
    let (bare, kept) = (evidence(most - 90), evidence(most - 89));
    assert_eq!((bare.changed.len(), bare.left_out.len(), bare.noticed.is_some()), (0, 1, true));
    assert_eq!((bare.left_out[0].as_str(), kept.changed.len()), (FORGOTTEN, 1));
    let row = book.unwritten().into_iter().find(|row| row.number == 11).expect("it is unwritten");
    assert!(row.evidence.is_some_and(|evidence| evidence.contains(FORGOTTEN)), "the disk is told, once it listens");
}

#[test]
fn how_a_server_died_is_forgotten_with_it() {
    let book = Book::default();
    let died = EventKind::ContainerDied { exit_code: Some(1), signal: None, oom_killed: false, core_dumped: false, error: None };
    book.fold(&event(10, None, died), Teller::default);
    assert_eq!(book.lock().deaths.len(), 1);
    book.fold(&event(11, None, EventKind::ServerDeregistered), Teller::default);
    assert_eq!(book.lock().deaths.len(), 0);
}
