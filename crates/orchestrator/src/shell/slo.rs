//! The five success metrics, from what is published and kept. Pure: the same incidents and views, the same levels.

use std::collections::HashMap;

use health_spec::incident::{Incident, Outcome};
use health_spec::registry::ProbeKind;
use health_spec::slo::{Metric, MetricId, ServerLevel, Slo, Unit, Window};
use health_spec::view::LastCheck;
use health_spec::{Dialect, ServerView};
use jiff::{SignedDuration, Timestamp};

/// An incident that was over within this time was short (contract, section 5).
const SHORT_MS: u64 = 120_000;

/// Of so many of a hundred incidents detection was faster than what is told.
const PERCENTILE: usize = 95;

/// The levels of the window that ends at `now`; of `incidents` and `manual` (the servers of manual restarts), those in it.
pub fn levels(window: Window, views: &[ServerView], incidents: &[Incident], manual: &[String], now: Timestamp) -> Slo {
    let servers: Vec<ServerLevel> = servers(window, views, incidents, manual);
    let metrics =
        vec![uptime(&servers), recovered(incidents, now), detection(incidents), restarts(window, manual), adoption(&servers)];
    Slo { window, metrics, servers }
}

/// When a window that ends at `now` began.
pub fn beginning(window: Window, now: Timestamp) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(window.hours().into())).unwrap_or(Timestamp::MIN)
}

fn servers(window: Window, views: &[ServerView], incidents: &[Incident], manual: &[String]) -> Vec<ServerLevel> {
    let (mut broken, mut restarted) = (HashMap::<&str, u64>::new(), HashMap::<&str, u64>::new());
    for incident in incidents {
        *broken.entry(&incident.server_name).or_default() += 1;
    }
    for name in manual {
        *restarted.entry(name).or_default() += 1;
    }
    let level = |view: &ServerView| ServerLevel {
        name: view.name.clone(),
        uptime: share(window, view).map(|share| share * 100.0),
        incidents: broken.get(view.name.as_str()).copied().unwrap_or_default(),
        manual_restarts: restarted.get(view.name.as_str()).copied().unwrap_or_default(),
        adopted: view.last_check.as_ref().and_then(adopts),
    };
    views.iter().map(level).collect()
}

/// `None`: it has no such answer to give, since it is spoken with through its pipes, say, and never asked over HTTP.
fn adopts(check: &LastCheck) -> Option<bool> {
    let is_asked = check.probes.is_empty() || check.probes.iter().any(|probed| probed.kind == ProbeKind::Http);
    let answers = check.dialect.is_some_and(|dialect| dialect != Dialect::Plain);
    (answers || is_asked).then_some(answers)
}

fn share(window: Window, view: &ServerView) -> Option<f64> {
    match window {
        Window::Day => view.uptime.day,
        Window::Week => view.uptime.week,
        Window::Month => view.uptime.month,
    }
}

fn uptime(servers: &[ServerLevel]) -> Metric {
    let known: Vec<f64> = servers.iter().filter_map(|server| server.uptime).collect();
    at_least(MetricId::Uptime, 99.5, known.iter().sum(), known.len())
}

fn adoption(servers: &[ServerLevel]) -> Metric {
    let known: Vec<bool> = servers.iter().filter_map(|server| server.adopted).collect();
    at_least(MetricId::Adoption, 100.0, percent(known.iter().filter(|adopted| **adopted).count()), known.len())
}

fn recovered(incidents: &[Incident], now: Timestamp) -> Metric {
    let short = |incident: &Incident| match incident.outcome {
        Outcome::Successful | Outcome::Recovered => Some(incident.recovery_ms.is_some_and(|took| took <= SHORT_MS)),
        Outcome::Open => (milliseconds(now.duration_since(incident.opened_at)) > SHORT_MS).then_some(false),
        Outcome::Stopped | Outcome::Deregistered => None,
    };
    let counted: Vec<bool> = incidents.iter().filter_map(short).collect();
    at_least(MetricId::Recovered, 90.0, percent(counted.iter().filter(|short| **short).count()), counted.len())
}

fn detection(incidents: &[Incident]) -> Metric {
    let mut took: Vec<u64> = incidents.iter().map(|incident| incident.detection_ms).collect();
    took.sort_unstable();
    let place = (took.len() * PERCENTILE).div_ceil(100).saturating_sub(1);
    let measured = took.get(place).map(|took| number(*took) / 1000.0);
    at_most(MetricId::Detection, Unit::Seconds, 30.0, measured, took.len())
}

fn restarts(window: Window, manual: &[String]) -> Metric {
    let weeks = f64::from(window.hours()) / f64::from(Window::Week.hours());
    let measured = number(manual.len() as u64) / weeks;
    at_most(MetricId::ManualRestarts, Unit::PerWeek, 0.0, Some(measured), manual.len())
}

/// Percent, as a mean.
fn at_least(id: MetricId, target: f64, sum: f64, samples: usize) -> Metric {
    let measured = (samples > 0).then(|| rounded(sum / number(samples as u64)));
    Metric { id, unit: Unit::Percent, target, measured, met: measured.map(|it| it >= target), samples: samples as u64 }
}

fn at_most(id: MetricId, unit: Unit, target: f64, measured: Option<f64>, samples: usize) -> Metric {
    let measured = measured.map(rounded);
    Metric { id, unit, target, measured, met: measured.map(|it| it <= target), samples: samples as u64 }
}

fn percent(count: usize) -> f64 {
    number(count as u64) * 100.0
}

#[expect(clippy::cast_precision_loss, reason = "counts and times far below 2^52")]
fn number(count: u64) -> f64 {
    count as f64
}

/// Towards zero, so that 99.4999 is not told as 99.5.
fn rounded(value: f64) -> f64 {
    (value * 1000.0 + 1e-6).floor() / 1000.0
}

fn milliseconds(duration: SignedDuration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use health_spec::incident::DetectedBy;

    use super::*;

    fn incident(outcome: Outcome, detection_ms: u64, recovery_ms: Option<u64>) -> Incident {
        Incident {
            id: "e-1".into(),
            server_name: "a".into(),
            opened_at: Timestamp::from_second(1_000).expect("a timestamp"),
            closed_at: None,
            outcome,
            exhausted: false,
            reason: "container_died".into(),
            detected_by: DetectedBy::Engine,
            detection_ms,
            recovery_ms,
            attempts: vec![],
            evidence: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a timestamp")
    }

    #[test]
    fn what_is_promised_is_compared_with_what_was() {
        let incidents = [
            incident(Outcome::Successful, 2_000, Some(60_000)),
            incident(Outcome::Recovered, 90_000, Some(120_001)),
            incident(Outcome::Stopped, 0, None),
            incident(Outcome::Open, 1_000, None),
        ];
        let slo = levels(Window::Day, &[], &incidents, &["a".into()], at(1_060));
        let found: Vec<_> = slo.metrics.iter().map(|it| (it.id.as_str(), it.measured, it.met, it.samples)).collect();
        assert_eq!(
            found,
            [
                ("uptime", None, None, 0),
                ("recovered_120s", Some(50.0), Some(false), 2),
                ("detection", Some(90.0), Some(false), 4),
                ("manual_restarts", Some(7.0), Some(false), 1),
                ("adoption", None, None, 0),
            ]
        );
        let later = levels(Window::Week, &[], &incidents, &[], at(1_121));
        assert_eq!((later.metrics[1].measured, later.metrics[1].samples), (Some(33.333), 3), "the open one has taken too long");
        assert_eq!((later.metrics[3].measured, later.metrics[3].met), (Some(0.0), Some(true)));
    }

    #[test]
    fn adoption_is_measured_of_those_that_are_asked_over_http() {
        let checked = |name: &str, kinds: &[ProbeKind], dialect: Option<Dialect>| {
            let probed = |kind: &ProbeKind| serde_json::json!({ "kind": kind, "outcome": "ok", "took_ms": 1.0, "phases": {} });
            let check = serde_json::json!({
                "at": "2026-01-02T03:04:05.000Z", "verdict": "ok", "reason": null, "message": null, "response_time_ms": 1,
                "dialect": dialect, "checks": {}, "version": null, "uptime_seconds": null,
                "probes": kinds.iter().map(probed).collect::<Vec<_>>(),
            });
            let check = serde_json::from_value(check).expect("a check");
            ServerView { name: name.to_owned(), last_check: Some(check), ..ServerView::default() }
        };
        let views = [
            checked("health", &[ProbeKind::Http], Some(Dialect::V1)),
            checked("plain", &[ProbeKind::Http, ProbeKind::Mcp], Some(Dialect::Plain)),
            checked("down", &[ProbeKind::Http], None),
            checked("stdio", &[ProbeKind::Mcp], None),
            checked("port", &[ProbeKind::Tcp, ProbeKind::Process], None),
            ServerView { name: "new".to_owned(), ..ServerView::default() },
        ];
        let slo = levels(Window::Day, &views, &[], &[], at(1_060));
        let adopted: Vec<_> = slo.servers.iter().map(|server| server.adopted).collect();
        assert_eq!(adopted, [Some(true), Some(false), Some(false), None, None, None]);
        assert_eq!((slo.metrics[4].measured, slo.metrics[4].samples), (Some(33.333), 3));
    }

    #[test]
    fn nearly_is_not_met() {
        assert_eq!([99.4999, 99.5].map(rounded).map(Some), [Some(99.499), Some(99.5)]);
        let metric = at_least(MetricId::Uptime, 99.5, 99.4999, 1);
        assert_eq!((metric.measured, metric.met), (Some(99.499), Some(false)));
    }

    #[test]
    fn a_window_begins_its_length_before_now() {
        assert_eq!(beginning(Window::Day, at(86_400)), at(0));
    }
}
