//! Keeps the evidence of an incident within its bound: what is in the middle goes first, what opened it and what is newest stay.

use health_spec::incident::{Capture, Evidence, MAX_EVIDENCE_BYTES, Moment};

/// More captures than these are not kept of one incident.
const MOST_CAPTURES: usize = 24;

/// More changes than these say only that all is different.
const MOST_CHANGES: usize = 40;

/// More notes on what was left out say nothing more.
const MOST_NOTES: usize = 20;

/// Adds a capture. Lines that the one before has as well are not kept twice.
pub(super) fn add(evidence: &mut Evidence, mut capture: Capture) {
    let known = evidence.captures.iter().rev().find_map(|earlier| earlier.logs.as_ref());
    if capture.logs.is_some() && capture.logs.as_ref() == known {
        capture.logs = None;
        capture.missing.push("logs: nothing new since the last look".to_owned());
    }
    evidence.captures.push(capture);
    hold(evidence);
}

/// Takes something away until it fits.
fn hold(evidence: &mut Evidence) {
    evidence.changed.truncate(MOST_CHANGES);
    while evidence.captures.len() > MOST_CAPTURES {
        let gone = evidence.captures.remove(evidence.captures.len() / 2);
        note(evidence, &gone, "all of it");
    }
    while size(evidence) > MAX_EVIDENCE_BYTES && reduce(evidence) {}
    evidence.left_out.truncate(MOST_NOTES);
}

fn size<T: serde::Serialize>(value: &T) -> usize {
    serde_json::to_vec(value).map_or(0, |bytes| bytes.len())
}

/// `false` when nothing is left that could go.
fn reduce(evidence: &mut Evidence) -> bool {
    let last = evidence.captures.len().saturating_sub(1);
    let largest = |captures: &[Capture]| captures.iter().map(size).enumerate().max_by_key(|(_, size)| *size);
    let middle = evidence.captures.get(1..last).and_then(largest).map(|(at, _)| at + 1);
    if let Some(at) = middle {
        let capture = &mut evidence.captures[at];
        let what = match capture {
            Capture { logs: Some(_), .. } => {
                capture.logs = None;
                "logs"
            }
            Capture { answers, .. } if !answers.is_empty() => {
                answers.clear();
                "answers"
            }
            _ => {
                let gone = evidence.captures.remove(at);
                note(evidence, &gone, "all of it");
                return true;
            }
        };
        let of = evidence.captures[at].clone();
        note(evidence, &of, what);
        return true;
    }
    evidence.captures.iter_mut().max_by_key(|capture| size(*capture)).is_some_and(halve)
}

/// Of the lines before an attempt the last ones count, of those after it the first.
fn halve(capture: &mut Capture) -> bool {
    if let Some(logs) = capture.logs.as_mut().filter(|logs| logs.lines.len() > 1) {
        let half = logs.lines.len() / 2;
        if capture.moment == Moment::AfterAttempt {
            logs.lines.truncate(half);
        } else {
            logs.lines.drain(..half);
        }
        return true;
    }
    if !capture.answers.is_empty() {
        capture.answers.remove(0);
        return true;
    }
    let names = capture.state.as_mut().map(|state| &mut state.environment);
    names.is_some_and(|names| !std::mem::take(names).is_empty()) || capture.logs.take().is_some()
}

fn note(evidence: &mut Evidence, capture: &Capture, what: &str) {
    if evidence.left_out.len() < MOST_NOTES {
        evidence.left_out.push(format!("{what}, of what was found at {:.0}", capture.at));
    }
}

#[cfg(test)]
mod tests {
    use health_spec::incident::{Answer, LogLine, Logs};

    use super::*;

    fn capture(number: usize, lines: usize, length: usize) -> Capture {
        let text = |line: usize| format!("{number}/{line} {}", "\"".repeat(length));
        let line = |line: usize| LogLine { text: text(line), ..LogLine::default() };
        let at = jiff::Timestamp::from_second(i64::try_from(number).expect("small")).expect("a timestamp");
        let answer = Answer {
            at,
            verdict: health_spec::Status::Down,
            reason: None,
            message: Some("x".repeat(200)),
            took_ms: 1,
            http_status: None,
            phases: std::collections::BTreeMap::new(),
            body: None,
            body_bytes: 0,
        };
        Capture {
            at,
            moment: Moment::BeforeAttempt,
            attempt: None,
            took_ms: 0,
            answers: vec![answer; 10],
            state: None,
            logs: Some(Logs { source: "here".to_owned(), lines: (0..lines).map(line).collect() }),
            engine: None,
            host: None,
            orchestrator_version: "1".to_owned(),
            missing: vec![],
        }
    }

    /// Invariant: the evidence of an incident never takes more than its bound, and its first and its last capture stay.
    #[test]
    fn any_number_of_captures_fits() {
        let mut evidence = Evidence::default();
        for number in 0..60 {
            add(&mut evidence, capture(number, 50, 500));
            assert!(size(&evidence) <= MAX_EVIDENCE_BYTES, "after {number}: {}", size(&evidence));
            assert_eq!(evidence.captures[0].at.as_second(), 0);
            assert_eq!(evidence.captures.last().map(|it| it.at.as_second()), i64::try_from(number).ok());
        }
        let newest = evidence.captures.last().and_then(|it| it.logs.as_ref()).expect("its logs");
        assert!(newest.lines.last().is_some_and(|line| line.text.starts_with("59/49 ")), "the last lines are the ones that stay");
        assert!(!evidence.left_out.is_empty());
    }

    #[test]
    fn what_fits_is_kept_whole_and_nothing_is_kept_twice() {
        let mut evidence = Evidence::default();
        add(&mut evidence, capture(1, 50, 10));
        add(&mut evidence, Capture { at: jiff::Timestamp::UNIX_EPOCH, ..capture(1, 50, 10) });
        add(&mut evidence, capture(2, 50, 10));
        let lines: Vec<_> = evidence.captures.iter().map(|it| it.logs.as_ref().map(|logs| logs.lines.len())).collect();
        assert_eq!((lines, evidence.left_out.len()), (vec![Some(50), None, Some(50)], 0));
    }
}
