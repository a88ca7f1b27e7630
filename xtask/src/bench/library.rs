//! What the two library crates and the machine cost, from their own benchmarks: each measures itself beside a bare baseline in one run.

use serde_json::Value;

use super::report::{Cell, Measurement};
use crate::command;
use crate::outcome::{Context, Failure, Outcome};

/// Reading an answer, beside bare `serde_json` into the type.
pub(super) fn reading() -> Outcome<Measurement> {
    let figures = figures("health-spec", "validate", "read")?;
    let bare = number(&figures, "/bare_serde_json_ns")?;
    let row = |what: &str, pointer: &str| -> Outcome<Vec<Cell>> {
        let cost = number(&figures, pointer)?;
        Ok(vec![Cell::Text(what.to_owned()), Cell::Nanoseconds(cost), Cell::Ratio(Some(cost / bare))])
    };
    let rows = vec![
        row("bare serde_json into the type", "/bare_serde_json_ns")?,
        row("classify, as a monitor does", "/classify_ns")?,
        row("validate strictly, then classify", "/validate_and_classify_ns")?,
        row("the JSON Schema alone, as for a body that is not valid", "/json_schema_ns")?,
    ];
    let note = "A typical answer of 270 bytes with three components; medians of 41 interleaved rounds, one thread.".to_owned();
    Ok(Measurement { title: "Reading an answer", note, columns: &["what", "time", "times the bare"], rows })
}

/// Serving one, beside a bare handler; and what the traffic layer adds.
pub(super) fn serving() -> Outcome<Measurement> {
    let figures = figures("health-endpoint", "axum", "endpoint")?;
    let row = |what: &str, cell: Cell, ratio: Option<f64>| vec![Cell::Text(what.to_owned()), cell, Cell::Ratio(ratio)];
    let rate = |pointer: &str| number(&figures, pointer).map(Cell::PerSecond);
    let time = |pointer: &str| number(&figures, pointer).map(Cell::Nanoseconds);
    let rows = vec![
        row("a bare axum handler with a constant body of the same size", rate("/health/bare_requests_per_second")?, None),
        row("/health", rate("/health/requests_per_second")?, Some(number(&figures, "/health/ratio")?)),
        row("what the traffic layer adds to a request", time("/traffic/added_ns")?, None),
    ];
    let note = "Over loopback on kept connections, client and server in one process; medians of interleaved rounds.".to_owned();
    Ok(Measurement { title: "Serving an answer", note, columns: &["what", "figure", "times the bare"], rows })
}

/// Deciding: the machine of the orchestrator, without anything around it.
pub(super) fn deciding() -> Outcome<Measurement> {
    let figures = figures("orchestrator", "sim", "machine")?;
    let row = |what: &str, cell: Cell| vec![Cell::Text(what.to_owned()), cell];
    let time = |pointer: &str| number(&figures, pointer).map(Cell::Nanoseconds);
    let rows = vec![
        row("a step of 10,000 servers, median", time("/step/p50_ns")?),
        row("the same, 99.9th percentile", time("/step/p999_ns")?),
        row("state of a server, bytes", Cell::Count(figures["bytes_per_server"].as_u64().unwrap_or_default())),
        row("a day of 1,000 servers, checked every 30 s", time("/day_ns")?),
    ];
    let note = "Nine servers in ten are well, some hang and some die; the virtual world is part of the day, not of the steps. One thread.".to_owned();
    Ok(Measurement { title: "Deciding", note, columns: &["what", "figure"], rows })
}

/// The JSON object that a crate's benchmark prints last.
fn figures(package: &str, features: &str, bench: &str) -> Outcome<Value> {
    let words = ["bench", "--quiet", "-p", package, "--features", features, "--bench", bench, "--", "--json"];
    let output = command::capture(command::cargo().args(words))?;
    let line = output.lines().rfind(|line| line.starts_with('{')).unwrap_or_default();
    serde_json::from_str(line).context(format_args!("read the figures of {package}"))
}

fn number(figures: &Value, pointer: &str) -> Outcome<f64> {
    let number = figures.pointer(pointer).and_then(Value::as_f64);
    number.ok_or_else(|| Failure::new(format!("the benchmark gives no {pointer}")))
}
