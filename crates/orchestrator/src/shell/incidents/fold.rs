//! What each event makes of its incident (contract, section 4: a `server_down` is closed by exactly one of four).

use health_spec::incident::{Attempt, AttemptResult, Death, DetectedBy, Incident, Noticed, Outcome};
use health_spec::{Event, EventKind};
use jiff::Timestamp;

use super::Teller;
use crate::shell::text::ending::ending;
use crate::shell::text::escaped;

/// More attempts than these are not listed; the first ones go.
const MOST_ATTEMPTS: usize = 100;

/// How the reason of a `server_down` ends that only checks have decided.
const BY_CHECKS: &str = "_consecutive_failures";

/// Whether an event says something about incidents at all.
pub(super) fn concerns(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::ServerDown { .. }
            | EventKind::RecoveryStarted { .. }
            | EventKind::RecoveryFailed { .. }
            | EventKind::RecoverySuccessful { .. }
            | EventKind::RecoverySuperseded { .. }
            | EventKind::RecoveryExhausted { .. }
            | EventKind::ServerRecovered { .. }
            | EventKind::ServerStopped { .. }
            | EventKind::ServerDeregistered
            | EventKind::ContainerDied { .. }
    )
}

/// The incident that an event is the first sign of. Its beginning may have been told to an older program, which kept no incidents.
pub(super) fn opened(event: &Event, teller: &Teller) -> Incident {
    let (reason, detection_ms) = match &event.kind {
        EventKind::ServerDown { reason, detection_ms, .. } => (reason.clone(), *detection_ms),
        _ => ("unknown".to_owned(), 0),
    };
    let by_checks = reason.ends_with(BY_CHECKS) || reason == "restart_failed" || reason == "unknown";
    Incident {
        id: event.incident_id.clone().unwrap_or_default(),
        server_name: event.server_name.clone().unwrap_or_default(),
        opened_at: event.timestamp,
        closed_at: None,
        outcome: Outcome::Open,
        exhausted: false,
        detected_by: if by_checks { DetectedBy::Probe } else { teller.death },
        reason,
        detection_ms,
        recovery_ms: None,
        attempts: vec![],
        evidence: None,
    }
}

/// Takes an event of the incident.
pub(super) fn take(incident: &mut Incident, event: &Event, teller: &Teller) {
    let at = event.timestamp;
    match &event.kind {
        EventKind::RecoveryStarted { attempt, strategy, .. } => {
            settle(incident, AttemptResult::Interrupted, None, at);
            incident.attempts.push(Attempt {
                attempt: *attempt,
                strategy: strategy.clone(),
                started_at: at,
                ended_at: None,
                result: AttemptResult::Running,
                error: None,
            });
            let excess = incident.attempts.len().saturating_sub(MOST_ATTEMPTS);
            incident.attempts.drain(..excess);
        }
        EventKind::RecoveryFailed { error, .. } => {
            let error = escaped(&teller.mask.text(error));
            settle(incident, AttemptResult::Failed, Some(error), at);
        }
        EventKind::RecoverySuperseded { .. } => settle(incident, AttemptResult::Interrupted, None, at),
        EventKind::RecoverySuccessful { recovery_ms, .. } => {
            settle(incident, AttemptResult::Successful, None, at);
            incident.recovery_ms = Some(*recovery_ms);
            close(incident, Outcome::Successful, at);
        }
        EventKind::RecoveryExhausted { .. } => incident.exhausted = true,
        EventKind::ServerRecovered { recovery_ms } => {
            incident.recovery_ms = Some(*recovery_ms);
            close(incident, Outcome::Recovered, at);
        }
        EventKind::ServerStopped { .. } => close(incident, Outcome::Stopped, at),
        EventKind::ServerDeregistered => close(incident, Outcome::Deregistered, at),
        _ => {}
    }
}

/// How the attempt that runs went.
fn settle(incident: &mut Incident, result: AttemptResult, error: Option<String>, at: Timestamp) {
    if let Some(attempt) = incident.attempts.last_mut().filter(|attempt| attempt.result == AttemptResult::Running) {
        (attempt.result, attempt.error, attempt.ended_at) = (result, error, Some(at));
    }
}

fn close(incident: &mut Incident, outcome: Outcome, at: Timestamp) {
    settle(incident, AttemptResult::Interrupted, None, at);
    incident.outcome = outcome;
    incident.closed_at = Some(at);
}

/// Who noticed first, and how, in a sentence.
pub(super) fn noticed(incident: &Incident, first_failure_at: Option<Timestamp>, death: Option<&Death>) -> Noticed {
    let by = incident.detected_by;
    let who = match by {
        DetectedBy::Probe => "checks",
        DetectedBy::Engine => "the engine",
        DetectedBy::Process => "the supervisor of the process",
    };
    let how = match (by, death) {
        (DetectedBy::Probe, _) => match incident.reason.strip_suffix(BY_CHECKS) {
            Some(count) => format!("{count} checks in a row failed"),
            None => format!("{who}: {}", incident.reason.replace('_', " ")),
        },
        (_, Some(death)) => format!("{who} reported that it ended{}", in_words(death)),
        (_, None) => format!("{who} reported: {}", incident.reason.replace('_', " ")),
    };
    let at = first_failure_at.filter(|_| by == DetectedBy::Probe).or(death.map(|death| death.at)).unwrap_or(incident.opened_at);
    Noticed { by, at, how }
}

fn in_words(death: &Death) -> String {
    ending(death.exit_code, death.signal, death.oom_killed, death.error.as_deref())
}
