//! From the machine's state to what everyone sees: names, wall times, and the last check.

use health_spec::status::Observed;
use health_spec::verdict::Probed;
use health_spec::view::{Held, LastCheck, Paused, Planned, Recovery, Restarts, Streak, Uptime, Why};
use health_spec::{EventKind, Outcome, Phase, ServerView, Status, Verdict};
use jiff::Timestamp;

use super::clock::Clock;
use super::server_file::ServerFile;
use crate::machine::memory::{self, Attempt};
use crate::machine::server::Server;
use crate::machine::{Fleet, ServerId, why};

/// How the evidence begins that says why a server cannot be looked at.
pub const IN_THE_WAY: &str = "in the way of its checks: ";
/// How the evidence begins that says how its process or container ended.
pub const LAST_END: &str = "it ended at ";

/// Why a server cannot be looked at, as its view says.
pub fn in_the_way(view: &ServerView) -> Option<&str> {
    view.why.evidence.iter().find_map(|line| line.strip_prefix(IN_THE_WAY))
}

/// What a view needs beside the machine's state.
#[derive(Clone, Debug)]
pub struct Known {
    /// The orchestrator's instance name.
    pub source: String,
    /// Names this life of the log.
    pub epoch: String,
}

/// The server as everyone sees it.
pub fn view(known: &Known, fleet: &Fleet, place: usize, file: &ServerFile, clock: &Clock) -> ServerView {
    let server = &fleet.servers()[place];
    let state = server.state();
    ServerView {
        name: server.policy().name.clone(),
        source: known.source.clone(),
        group: file.group.clone(),
        status: state.status,
        phase: state.phase,
        reason: state.reason.clone().filter(|_| state.status != Observed::Ok),
        since: clock.wall_of(state.since),
        paused: state.paused.as_ref().map(|pause| Paused {
            until: pause.until.map(|until| clock.wall_of(until)),
            by: pause.by.clone(),
            reason: pause.reason.clone(),
        }),
        held: state.held.as_ref().map(|hold| Held { reason: hold.reason.as_str().to_owned(), on: hold.on.clone() }),
        requires_manual: state.phase == Phase::Failed,
        last_check: file.last_check.clone(),
        streak: Streak { failures: state.failures, successes: state.successes },
        recovery: recovery(server, clock),
        restarts: Restarts { ours: state.restarts_ours, engine: state.restarts_engine },
        incident_id: state.incident.map(|incident| incident_id(known, incident.number)),
        uptime: Uptime::default(),
        maintenance_until: server.maintenance().map(|until| clock.wall_of(until)),
        why: explain(fleet, ServerId(place), file, clock),
        stale: false,
        as_of: clock.wall_of(clock.now()),
    }
}

fn explain(fleet: &Fleet, id: ServerId, file: &ServerFile, clock: &Clock) -> Why {
    let now = clock.wall_of(clock.now());
    let why = fleet.why(id, &|at| moment(clock.wall_of(at), now));
    let planned = |step: why::Step| Planned { what: step.what, at: step.at.map(|at| clock.wall_of(at)) };
    let last = file.last_check.as_ref().map(|check| answer(check, now));
    let blind = file.blind.as_ref().map(|error| format!("{IN_THE_WAY}{error}"));
    let end = file.end.as_ref().map(|end| format!("{LAST_END}{}{}", moment(clock.wall_of(end.0), now), end.1));
    Why {
        believes: why.believes,
        evidence: [last, blind, end].into_iter().flatten().chain(why.evidence).collect(),
        next: why.next.into_iter().map(planned).collect(),
        waiting_for: why.waiting_for,
    }
}

/// `12:01:07 UTC`, with the date when it is not today's.
fn moment(at: Timestamp, now: Timestamp) -> String {
    let today = at.strftime("%F").to_string() == now.strftime("%F").to_string();
    at.strftime(if today { "%T UTC" } else { "%F %T UTC" }).to_string()
}

/// The last answer, in words.
fn answer(check: &LastCheck, now: Timestamp) -> String {
    let verdict = match check.verdict {
        Status::Ok => "was ok",
        Status::Degraded => "was degraded",
        Status::Down => "failed",
    };
    let why: Vec<_> = [&check.reason, &check.message].into_iter().flatten().map(String::as_str).collect();
    let why = if why.is_empty() { String::new() } else { format!(", {}", why.join(": ")) };
    format!("the last check, at {}, {verdict} after {} ms{why}", moment(check.at, now), check.response_time_ms)
}

/// The wire name of an incident.
pub fn incident_id(known: &Known, number: u64) -> String {
    format!("{}-{number}", known.epoch)
}

fn recovery(server: &Server, clock: &Clock) -> Option<Recovery> {
    let state = server.state();
    let of = server.policy().recovery.backoff.attempts();
    let running = |attempt| {
        let attempt = match attempt {
            Attempt::Counted(number) => number,
            Attempt::Operator | Attempt::Foreign | Attempt::Follows(_) => 0,
        };
        Some(Recovery { attempt, of, next_at: None, running: true })
    };
    match state.recovery {
        memory::Recovery::Idle => None,
        memory::Recovery::Waiting { due, .. } => {
            Some(Recovery { attempt: state.attempts + 1, of, next_at: Some(clock.wall_of(due)), running: false })
        }
        memory::Recovery::Acting { attempt, .. } | memory::Recovery::Verifying { attempt, .. } => running(attempt),
    }
}

/// The last check as everyone sees it: from the verdict, and the event that it led to.
pub fn last_check(verdict: &Verdict, kind: &EventKind, ended: Timestamp) -> Option<LastCheck> {
    let EventKind::HealthCheckCompleted { response_time_ms, .. } = kind else { return None };
    let reading = verdict.reading.as_ref();
    let took = jiff::SignedDuration::from_millis(i64::try_from(*response_time_ms).unwrap_or(0));
    Some(LastCheck {
        at: ended.checked_sub(took).unwrap_or(ended),
        verdict: match verdict.outcome {
            Outcome::Ok => Status::Ok,
            Outcome::Degraded => Status::Degraded,
            Outcome::Failed => Status::Down,
        },
        reason: verdict.reason.map(|reason| reason.as_str().to_owned()),
        message: verdict.message.clone(),
        response_time_ms: *response_time_ms,
        dialect: reading.map(|reading| reading.dialect),
        checks: reading.into_iter().flat_map(|reading| reading.checks.iter().cloned()).collect(),
        version: reading.and_then(|reading| reading.version.clone()),
        uptime_seconds: reading.and_then(|reading| reading.uptime_seconds),
        probes: verdict.probed.iter().map(Probed::shown).collect(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A server that is well.
    pub(crate) fn sample(name: &str) -> ServerView {
        let (name, source) = (name.into(), "here".into());
        ServerView { name, source, status: Observed::Ok, phase: Phase::Healthy, ..ServerView::default() }
    }

    #[test]
    fn a_moment_of_another_day_has_its_date() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a timestamp");
        let now = at("2026-01-02T12:00:00Z");
        assert_eq!(moment(at("2026-01-02T03:04:05Z"), now), "03:04:05 UTC");
        assert_eq!(moment(at("2026-01-01T23:59:59Z"), now), "2026-01-01 23:59:59 UTC");
    }

    #[test]
    fn the_last_answer_is_evidence() {
        let verdict = Verdict::failed(health_spec::Reason::ConnectRefused, "nothing listens");
        let failure = None;
        let kind = EventKind::HealthCheckCompleted { status: Status::Down, response_time_ms: 3, checks: [].into(), failure };
        let ended = "2026-01-02T03:04:05.003Z".parse().expect("a timestamp");
        let check = last_check(&verdict, &kind, ended).expect("a check");
        let said = "the last check, at 03:04:05 UTC, failed after 3 ms, connect_refused: nothing listens";
        assert_eq!(answer(&check, ended), said);
    }
}
