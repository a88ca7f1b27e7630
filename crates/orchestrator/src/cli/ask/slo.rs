//! `orchestrator slo`: what was promised, and what was measured.

use health_spec::slo::{Metric, Slo, Unit};

use super::super::args::Levels;
use super::super::{End, Outcome, print};
use super::{get, print_raw, printable};

pub(super) fn run(arguments: &Levels) -> Outcome {
    let (slo, body) = get(&arguments.daemon, &format!("/slo?window={}", arguments.window.as_str()))?;
    if arguments.json {
        print_raw(&body)?;
    } else {
        print(&table(&slo))?;
    }
    Ok(End::Fine)
}

fn table(slo: &Slo) -> String {
    let mut lines = vec![format!(
        "{:<16}  {:>10}  {:>10}  {:<4}  SAMPLES",
        format!("LAST {}", slo.window.as_str()),
        "TARGET",
        "MEASURED",
        "MET"
    )];
    for metric in &slo.metrics {
        let measured = metric.measured.map_or_else(|| "-".to_owned(), |measured| value(metric, measured));
        let met = metric.met.map_or("-", |met| if met { "yes" } else { "no" });
        let target = value(metric, metric.target);
        lines.push(format!("{:<16}  {target:>10}  {measured:>10}  {met:<4}  {}", metric.id.as_str(), metric.samples));
    }
    let width = slo.servers.iter().map(|server| server.name.len()).max().unwrap_or(0).max(6);
    lines.push(format!("\n{:<width$}  {:>9}  {:>9}  {:>15}  ADOPTED", "SERVER", "UPTIME", "INCIDENTS", "MANUAL RESTARTS"));
    for server in &slo.servers {
        let uptime = server.uptime.map_or_else(|| "-".to_owned(), |uptime| format!("{uptime:.3} %"));
        let adopted = server.adopted.map_or("n/a", |adopted| if adopted { "yes" } else { "no" });
        let (incidents, restarts) = (server.incidents, server.manual_restarts);
        lines.push(format!("{:<width$}  {uptime:>9}  {incidents:>9}  {restarts:>15}  {adopted}", printable(&server.name)));
    }
    lines.join("\n") + "\n"
}

fn value(metric: &Metric, value: f64) -> String {
    match metric.unit {
        Unit::Percent => format!("{value} %"),
        Unit::Seconds => format!("{value} s"),
        Unit::PerWeek => format!("{value} a week"),
    }
}
