//! Decides what `/health` says: what the checks found, what the traffic shows, and now, become a response.
//!
//! Pure: no clock, no IO. Order in, order out.

use std::collections::BTreeMap;
use std::time::Duration;

use health_spec::response::Component as Shown;
use health_spec::{HealthResponse, Status};
use http::StatusCode;
use jiff::{Timestamp, Unit};
use serde_json::{Map, Value};

use crate::check::CheckResult;
use crate::clock::Moment;

/// The longest reason that is shown for one component, in characters: a monitor keeps 512 bytes of an answer
/// as evidence and reads 64 KiB at most (contract, sections 1.1 and 3.2).
const LONGEST_REASON: usize = 300;

/// What the server says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity<'a> {
    pub(crate) version: Option<&'a str>,
    pub(crate) metadata: Map<String, Value>,
}

/// What is known of one check.
#[derive(Clone, Debug)]
pub(crate) struct Observation<'a> {
    pub(crate) name: &'a str,
    pub(crate) critical: bool,
    /// What it is until its first run has ended.
    pub(crate) initial: Status,
    /// How long after a run's start the next result is overdue.
    pub(crate) patience: Duration,
    pub(crate) seen: Seen,
}

/// The last result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Its runs have not begun.
    Nothing,
    /// Its first run began then, and has not ended.
    Begun(Moment),
    /// Its last ended run began then, and found this.
    Ended(Moment, CheckResult),
}

/// The circumstances of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) moment: Moment,
    pub(crate) uptime: Duration,
    pub(crate) draining: bool,
}

/// A component's status, and why it is not `ok`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged<'a> {
    pub(crate) name: &'a str,
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
}

/// The response. The status is the worst component's.
pub(crate) fn evaluate(identity: Identity<'_>, judged: &[Judged<'_>], last_check: Option<Timestamp>, now: Now) -> HealthResponse {
    let status = Status::worst(judged.iter().map(|component| component.status));
    let mut response = HealthResponse::new(status, now.moment.wall, now.uptime.as_secs());
    response.last_check = last_check;
    response.version = identity.version.map(str::to_owned);
    response.checks = shown(judged);
    response.error = error(judged);
    response.metadata = metadata(identity.metadata, now.draining);
    response
}

/// The HTTP status that carries a response (contract, section 1).
pub(crate) fn http_status(response: &HealthResponse) -> StatusCode {
    if response.status == Status::Down || response.is_draining() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

/// A check as a component.
///
/// - One that has not ended its first run is what it is initially: not known to be well, and no reason to restart.
/// - One whose next result is overdue is `down`: an old success proves nothing.
/// - One that is not critical is `degraded` at worst.
pub(crate) fn judge<'a>(observation: &Observation<'a>, now: Moment) -> Judged<'a> {
    let (status, reason) = found(observation, now);
    let worst = if observation.critical { Status::Down } else { Status::Degraded };
    Judged { name: observation.name, status: status.min(worst), reason }
}

fn found(observation: &Observation<'_>, now: Moment) -> (Status, Option<String>) {
    match &observation.seen {
        Seen::Begun(at) | Seen::Ended(at, _) if now.elapsed.saturating_sub(at.elapsed) > observation.patience => {
            let silent = now.elapsed.saturating_sub(at.elapsed).as_secs();
            (Status::Down, Some(format!("no result for {silent} s")))
        }
        Seen::Nothing | Seen::Begun(_) => {
            let unwell = observation.initial != Status::Ok;
            (observation.initial, unwell.then(|| "has not run yet".to_owned()))
        }
        Seen::Ended(_, Ok(())) => (Status::Ok, None),
        Seen::Ended(_, Err(error)) => (error.status(), Some(error.reason().chars().take(LONGEST_REASON).collect())),
    }
}

/// When the check that ran longest ago began its last ended run, so that every component is at least as fresh as this.
/// None while one of them has no result.
pub(crate) fn last_check(observations: &[Observation<'_>]) -> Option<Timestamp> {
    let ended = observations.iter().map(|observation| match &observation.seen {
        Seen::Ended(at, _) => Some(at.wall),
        Seen::Nothing | Seen::Begun(_) => None,
    });
    let oldest = ended.collect::<Option<Vec<_>>>()?.into_iter().min()?;
    Some(oldest.round(Unit::Millisecond).unwrap_or(oldest))
}

fn shown(judged: &[Judged<'_>]) -> Option<BTreeMap<String, Shown>> {
    let shown: BTreeMap<_, _> =
        judged.iter().map(|component| (component.name.to_owned(), Shown::Status(component.status))).collect();
    (!shown.is_empty()).then_some(shown)
}

/// `database: connection refused; cache: cold`.
fn error(judged: &[Judged<'_>]) -> Option<String> {
    let reasons = judged.iter().filter_map(|component| Some((component.name, component.reason.as_deref()?)));
    let reasons: Vec<_> = reasons.map(|(name, reason)| format!("{name}: {reason}")).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

fn metadata(mut metadata: Map<String, Value>, draining: bool) -> Option<Map<String, Value>> {
    if draining {
        metadata.insert("draining".to_owned(), Value::Bool(true));
    }
    (!metadata.is_empty()).then_some(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::CheckError;

    fn at(seconds: u64) -> Moment {
        let start: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a timestamp");
        Moment { wall: start + Duration::from_secs(seconds), elapsed: Duration::from_secs(seconds) }
    }

    fn now(seconds: u64) -> Now {
        Now { moment: at(seconds), uptime: Duration::from_millis(1900), draining: false }
    }

    /// What the checks alone make of a server.
    fn response(observations: &[Observation<'_>], now: Now) -> HealthResponse {
        let judged: Vec<_> = observations.iter().map(|observation| judge(observation, now.moment)).collect();
        evaluate(Identity::default(), &judged, last_check(observations), now)
    }

    fn critical(name: &str, seen: Seen) -> Observation<'_> {
        Observation { name, critical: true, initial: Status::Degraded, patience: Duration::from_secs(14), seen }
    }

    fn other(name: &str, seen: Seen) -> Observation<'_> {
        Observation { critical: false, ..critical(name, seen) }
    }

    fn ok() -> Seen {
        Seen::Ended(at(0), Ok(()))
    }

    fn degraded() -> Seen {
        Seen::Ended(at(0), Err(CheckError::degraded("cold")))
    }

    fn down() -> Seen {
        Seen::Ended(at(0), Err(CheckError::down("refused")))
    }

    #[test]
    fn the_status_is_the_worst_component() {
        use Status::{Degraded, Down, Ok};
        let cases = [
            (vec![], Ok, None),
            (vec![critical("a", ok())], Ok, None),
            (vec![critical("a", ok()), critical("b", degraded())], Degraded, Some("b: cold")),
            (vec![critical("a", down()), critical("b", degraded())], Down, Some("a: refused; b: cold")),
            (vec![other("a", down())], Degraded, Some("a: refused")),
            (vec![other("a", down()), critical("b", ok())], Degraded, Some("a: refused")),
            (vec![critical("a", Seen::Nothing)], Degraded, Some("a: has not run yet")),
            (vec![critical("a", Seen::Begun(at(0)))], Degraded, Some("a: has not run yet")),
            (vec![critical("a", Seen::Begun(at(0))), critical("b", down())], Down, Some("a: has not run yet; b: refused")),
        ];
        for (observations, status, error) in cases {
            let response = response(&observations, now(10));
            assert_eq!((response.status, response.error.as_deref()), (status, error), "{observations:?}");
            assert_eq!(response.status, worst_shown(&response), "what is shown explains the status");
        }
    }

    fn worst_shown(response: &HealthResponse) -> Status {
        Status::worst(response.checks.iter().flatten().map(|(_, component)| match component {
            Shown::Status(status) => *status,
            Shown::Other(value) => panic!("{value} is no status"),
        }))
    }

    #[test]
    fn an_overdue_result_is_down_whatever_it_was() {
        for seen in [ok(), degraded(), Seen::Begun(at(0))] {
            let in_time = response(&[critical("a", seen.clone())], now(14));
            assert_ne!(in_time.status, Status::Down, "{seen:?}");
            let overdue = response(&[critical("a", seen)], now(15));
            assert_eq!((overdue.status, overdue.error.as_deref()), (Status::Down, Some("a: no result for 15 s")));
        }
        let other = response(&[other("a", ok())], now(15));
        assert_eq!(other.status, Status::Degraded);
    }

    #[test]
    fn before_its_first_run_a_component_is_what_its_author_says() {
        for (initial, error) in
            [(Status::Ok, None), (Status::Degraded, Some("a: has not run yet")), (Status::Down, Some("a: has not run yet"))]
        {
            for seen in [Seen::Nothing, Seen::Begun(at(0))] {
                let response = response(&[Observation { initial, ..critical("a", seen) }], now(1));
                assert_eq!((response.status, response.error.as_deref(), response.last_check), (initial, error, None));
            }
        }
    }

    #[test]
    fn last_check_is_the_oldest_and_absent_until_all_have_run() {
        let last_check = |observations: &[_]| response(observations, now(10)).last_check;
        let later = critical("b", Seen::Ended(at(5), Ok(())));
        assert_eq!(last_check(&[critical("a", ok()), later.clone()]), Some(at(0).wall));
        assert_eq!(last_check(&[critical("a", Seen::Begun(at(0))), later]), None);
        assert_eq!(last_check(&[]), None);
    }

    #[test]
    fn draining_is_503_and_says_so() {
        let metadata = Map::from_iter([("name".to_owned(), Value::from("a"))]);
        let identity = Identity { version: Some("1.2.3"), metadata };
        let response = evaluate(identity, &[], None, Now { draining: true, ..now(0) });
        assert!(response.is_draining());
        assert_eq!(response.metadata.as_ref().map(Map::len), Some(2), "the rest of the metadata stays");
        assert_eq!((response.status, http_status(&response)), (Status::Ok, StatusCode::SERVICE_UNAVAILABLE));
    }

    #[test]
    fn only_down_is_503() {
        for (seen, code) in [(ok(), 200), (degraded(), 200), (down(), 503)] {
            let response = response(&[critical("a", seen)], now(0));
            assert_eq!(http_status(&response).as_u16(), code);
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let long = Seen::Ended(at(0), Err(CheckError::down("ü".repeat(100_000))));
        let response = response(&[critical("a", long)], now(0));
        assert_eq!(response.error.map(|error| error.chars().count()), Some("a: ".len() + LONGEST_REASON));
    }

    #[test]
    fn every_response_is_valid() {
        let seen = [Seen::Nothing, Seen::Begun(at(0)), ok(), degraded(), down()];
        for (first, second) in seen.iter().flat_map(|first| seen.iter().map(move |second| (first, second))) {
            for draining in [false, true] {
                let observations = [critical("a", first.clone()), other("b_c", second.clone())];
                let response = response(&observations, Now { draining, ..now(3) });
                let body = serde_json::to_value(response).expect("a response is JSON");
                assert_eq!(health_spec::validate::validate(&body), [], "{body}");
            }
        }
    }
}
