//! What reading a typical response costs, beside bare `serde_json` in the same rounds. Prints one JSON object; `cargo xtask bench` shows it.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use health_spec::HealthResponse;
use health_spec::dialect::Dialect;
use health_spec::validate::{validate, validate_body};
use health_spec::verdict::{Answer, History, classify};
use jiff::Timestamp;

/// As health-endpoint sends it for a server with three components.
const BODY: &[u8] = br#"{"status":"degraded","timestamp":"2026-01-02T03:04:05.678Z","uptime_seconds":86400,"last_check":"2026-01-02T03:04:01.002Z","version":"1.2.3","checks":{"database":"ok","cache":"degraded","task_queue":"ok"},"error":"cache: cold","metadata":{"name":"my-server","region":"eu"}}"#;

const ROUNDS: usize = 41;
const ROUND: Duration = Duration::from_millis(25);

fn main() {
    let now = Timestamp::constant(1_767_323_046, 0);
    let history = History { spoke: Some(Dialect::V1), ..History::default() };
    let answer = Answer {
        http_status: 200,
        content_type: Some("application/json"),
        challenged: false,
        date: Some(now),
        retry_after: None,
        body: BODY,
    };
    let mut bare = || drop(black_box(serde_json::from_slice::<HealthResponse>(black_box(BODY))));
    let mut checked = || {
        // Strict validation with its violations, then the verdict: each reads the body by itself.
        drop(black_box(validate_body(black_box(BODY))));
        drop(black_box(classify(black_box(&answer), None, &history, now)));
    };
    let mut monitor = || drop(black_box(classify(black_box(&answer), None, &history, now)));
    let mut by_schema = || {
        let value = serde_json::from_slice(black_box(BODY)).unwrap_or_default();
        drop(black_box(validate(&value)));
    };
    let mut cases: [&mut dyn FnMut(); 4] = [&mut bare, &mut monitor, &mut checked, &mut by_schema];
    let medians = medians(&mut cases);
    let names = ["bare_serde_json_ns", "classify_ns", "validate_and_classify_ns", "json_schema_ns"];
    let figures = names.into_iter().zip(medians).map(|(name, ns)| (name.to_owned(), ns.round().into()));
    println!("{}", serde_json::Value::Object(figures.collect()));
}

/// Nanoseconds a call, the median of interleaved rounds.
fn medians(cases: &mut [&mut dyn FnMut(); 4]) -> [f64; 4] {
    let mut rounds: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        for (case, figures) in cases.iter_mut().zip(&mut rounds) {
            figures.push(round(case));
        }
    }
    rounds.map(|mut figures| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    })
}

#[expect(clippy::cast_precision_loss, reason = "a figure")]
fn round(case: &mut dyn FnMut()) -> f64 {
    let began = Instant::now();
    let mut calls = 0_u64;
    while began.elapsed() < ROUND {
        (0..64).for_each(|_| case());
        calls += 64;
    }
    began.elapsed().as_nanos() as f64 / calls as f64
}
