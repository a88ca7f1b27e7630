//! The numbers as text, and beside them what is so now.

use std::fmt;
use std::sync::Arc;

use health_spec::{Phase, ServerView, Status};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::{BUCKETS, Counted, Metrics, OfServer};
use crate::shell::published::Published;

/// What `state` may be: the status, or `stopped`.
const STATES: [&str; 5] = ["ok", "degraded", "down", "unknown", "stopped"];

/// How the text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4, for readers that ask for plain text only.
    Prometheus,
}

impl Format {
    /// What the `Accept` header of a request asks for.
    pub fn accepted(header: Option<&str>) -> Self {
        match header {
            Some(accept) if accept.contains("text/plain") && !accept.contains("openmetrics") => Self::Prometheus,
            _ => Self::OpenMetrics,
        }
    }

    /// Its media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl Metrics {
    /// All of it.
    pub fn text(self: &Arc<Self>, published: &Arc<Published>, format: Format) -> String {
        let mut registry = Registry::with_prefix("mcp_health");
        registry.register_collector(Box::new(Scrape { metrics: Arc::clone(self), published: Arc::clone(published) }));
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = match format {
            Format::OpenMetrics => text::encode(&mut text, &registry),
            Format::Prometheus => prometheus_text::encode(&mut text, &registry),
        };
        text
    }
}

#[derive(Debug)]
struct Scrape {
    metrics: Arc<Metrics>,
    published: Arc<Published>,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = To(&mut encoder);
        let views = self.published.snapshot().servers;
        of_ours(&self.published, &mut to)?;
        of_servers(&views, &mut to)?;
        // A copy: the driver counts on while this becomes text.
        let numbers = self.metrics.counted().clone();
        counted(&numbers, &mut to)
    }
}

/// The families, one after another.
struct To<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl To<'_, '_> {
    fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        each: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        each(&mut self.0.encode_descriptor(name, help, None, kind)?)
    }

    fn gauge(&mut self, name: &str, help: &str, value: bool) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, |metric| metric.encode_gauge(&u32::from(value)))
    }
}

fn of_ours(published: &Published, to: &mut To<'_, '_>) -> fmt::Result {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    to.family("build", "The orchestrator's version", MetricType::Info, |metric| metric.encode_info(&version))?;
    to.gauge("state_impaired", "Whether what happens does not all reach the disk", published.trouble().is_some())?;
    let rejected = published.config_error().is_some();
    to.gauge("configuration_rejected", "Whether a changed configuration was rejected; the one before is in force", rejected)
}

fn of_servers(views: &[ServerView], to: &mut To<'_, '_>) -> fmt::Result {
    to.family("server_state", "1 for the state that the server is in", MetricType::Gauge, |metric| {
        for view in views {
            let state = if view.phase == Phase::Stopped { "stopped" } else { view.status.as_str() };
            for word in STATES {
                let labels = [("server", view.name.as_str()), ("state", word)];
                metric.encode_family(&labels)?.encode_gauge(&u32::from(state == word))?;
            }
        }
        Ok(())
    })?;
    to.family("consecutive_failures", "Failed checks in a row", MetricType::Gauge, |metric| {
        views.iter().try_for_each(|view| gauge(metric, view, f64::from(view.streak.failures)))
    })?;
    to.family("probe_success", "Whether the last check found the server alive", MetricType::Gauge, |metric| {
        let checked = views.iter().filter_map(|view| Some((view, view.last_check.as_ref()?)));
        checked.into_iter().try_for_each(|(view, check)| {
            let labels = [("server", view.name.as_str()), ("group", view.group.as_deref().unwrap_or_default())];
            metric.encode_family(&labels)?.encode_gauge(&u32::from(check.verdict != Status::Down))
        })
    })?;
    to.family("last_probe_timestamp_seconds", "When the last check started", MetricType::Gauge, |metric| {
        let checked = views.iter().filter_map(|view| Some((view, view.last_check.as_ref()?.at)));
        checked.into_iter().try_for_each(|(view, at)| gauge(metric, view, at.as_duration().as_secs_f64()))
    })
}

fn gauge(metric: &mut MetricEncoder<'_>, view: &ServerView, value: f64) -> fmt::Result {
    metric.encode_family(&[("server", view.name.as_str())])?.encode_gauge(&value)
}

fn counted(counted: &Counted, to: &mut To<'_, '_>) -> fmt::Result {
    to.family("events", "Events so far", MetricType::Counter, |metric| {
        counted.events.iter().try_for_each(|(name, count)| counter(metric, &[("event_type", name)], *count))
    })?;
    to.family("monitor_impaired", "How often the monitor itself failed", MetricType::Counter, |metric| {
        counted.impaired.iter().try_for_each(|(reason, count)| counter(metric, &[("reason", reason)], *count))
    })?;
    let recoveries = &counted.recoveries;
    let ends = BUCKETS.into_iter().chain([f64::INFINITY]);
    let buckets: Vec<_> = ends.zip(recoveries.buckets).collect();
    to.family("recovery_duration_seconds", "From server_down to recovery_successful", MetricType::Histogram, |metric| {
        metric.encode_histogram::<NoLabelSet>(recoveries.sum, recoveries.count, &buckets, None)
    })?;
    to.family("probes", "Checks so far", MetricType::Counter, |metric| {
        for (name, server) in &counted.servers {
            for (result, reason, count) in &server.probes {
                counter(metric, &[("server", name), ("result", result), ("reason", reason)], *count)?;
            }
        }
        Ok(())
    })?;
    to.family("failures", "How often the server was found down", MetricType::Counter, |metric| {
        each(metric, counted, |server| server.failures)
    })?;
    to.family("restarts", "Recoveries of ours, by how they ended", MetricType::Counter, |metric| {
        for (name, server) in &counted.servers {
            counter(metric, &[("server", name), ("outcome", "successful")], server.successful)?;
            counter(metric, &[("server", name), ("outcome", "failed")], server.failed)?;
        }
        Ok(())
    })?;
    to.family("recoveries_exhausted", "How often no attempt was left", MetricType::Counter, |metric| {
        each(metric, counted, |server| server.exhausted)
    })
}

fn each(metric: &mut MetricEncoder<'_>, counted: &Counted, number: impl Fn(&OfServer) -> u64) -> fmt::Result {
    counted.servers.iter().try_for_each(|(name, server)| counter(metric, &[("server", name)], number(server)))
}

fn counter<const N: usize>(metric: &mut MetricEncoder<'_>, labels: &[(&str, &str); N], value: u64) -> fmt::Result {
    metric.encode_family(labels)?.encode_counter::<NoLabelSet, u64, u64>(&value, None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::shell::view::Known;

    fn event(server: &str, kind: &serde_json::Value) -> health_spec::Event {
        let mut event = json!({
            "trace_id": "t", "timestamp": "2026-01-02T03:04:05Z", "repo": "r", "source": "s", "epoch": "e", "seq": 1,
            "server_name": server,
        });
        event.as_object_mut().expect("a mapping").extend(kind.as_object().expect("a mapping").clone());
        serde_json::from_value(event).expect("an event")
    }

    fn published() -> Arc<Published> {
        let known = Known { source: "here".into(), epoch: "e".into() };
        Arc::new(Published::new(known, 0, "2026-01-02T03:04:05Z".parse().expect("a time"), vec![], &[]))
    }

    #[test]
    fn events_become_numbers_and_a_server_that_goes_takes_its_own_along() {
        let metrics = Arc::new(Metrics::default());
        let failure = json!({ "event_type": "health_check_completed", "status": "down", "response_time_ms": 3,
            "failure": { "reason": "timeout", "message": "m" } });
        let back = json!({ "event_type": "recovery_successful", "attempts": 1, "recovery_successful": true, "recovery_ms": 4_000, "incident_id": "e-1" });
        let wanted = json!({ "event_type": "recovery_successful", "attempts": 0, "recovery_successful": true, "recovery_ms": 0 });
        for kind in [&failure, &failure, &back, &wanted] {
            metrics.count(&event("a\"b", kind));
        }
        let published = published();
        published.set_trouble(Some("the disk is full".into()));
        let text = metrics.text(&published, Format::OpenMetrics);
        for line in [
            r#"mcp_health_probes_total{server="a\"b",result="down",reason="timeout"} 2"#,
            r#"mcp_health_restarts_total{server="a\"b",outcome="successful"} 2"#,
            r#"mcp_health_recovery_duration_seconds_bucket{le="1.0"} 0"#,
            r#"mcp_health_recovery_duration_seconds_bucket{le="5.0"} 1"#,
            r#"mcp_health_recovery_duration_seconds_bucket{le="+Inf"} 1"#,
            "mcp_health_state_impaired 1",
            concat!("mcp_health_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
        }
        metrics.count(&event("a\"b", &json!({ "event_type": "server_deregistered" })));
        assert!(!metrics.text(&published, Format::OpenMetrics).contains("server="));
    }

    #[test]
    fn plain_text_is_for_those_who_ask_for_it() {
        assert_eq!(Format::accepted(None), Format::OpenMetrics);
        assert_eq!(Format::accepted(Some("*/*")), Format::OpenMetrics);
        assert_eq!(Format::accepted(Some("application/openmetrics-text;version=1.0.0,text/plain;q=0.5")), Format::OpenMetrics);
        assert_eq!(Format::accepted(Some("text/plain;version=0.0.4")), Format::Prometheus);
    }
}
