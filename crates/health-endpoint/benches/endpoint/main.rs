//! What health costs a server: `/health` against a bare handler, and what the traffic layer adds to a request.
//!
//! `cargo bench -p health-endpoint --bench endpoint -- --json`. Both sides of a comparison take turns, so that a
//! machine that slows down slows both.

mod endpoint;
mod traffic;

use std::time::{Duration, Instant};

/// Enough for a median that a burst of other work does not move.
const ROUNDS: usize = 21;

fn main() {
    let (health, bare) = endpoint::rates(ROUNDS);
    let made = endpoint::making(ROUNDS);
    let (with, without) = traffic::costs(ROUNDS);
    let result = serde_json::json!({
        "rounds": ROUNDS,
        "health": {
            "requests_per_second": health.round(),
            "bare_requests_per_second": bare.round(),
            "ratio": hundredths(health / bare),
            "new_answer_ns": made.round(),
        },
        "traffic": {"with_ns": with.round(), "without_ns": without.round(), "added_ns": (with - without).round()},
    });
    if std::env::args().any(|argument| argument == "--json") {
        println!("{result}");
    } else {
        println!("/health        {health:9.0} requests/s, a bare handler {bare:9.0}, ratio {:.2}", health / bare);
        println!("a new answer   {made:9.0} ns, at most one in a millisecond");
        println!("traffic layer  {:9.0} ns added to a request", with - without);
    }
}

/// How long `work` takes.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// The medians of both.
fn interleaved(rounds: usize, mut first: impl FnMut() -> f64, mut second: impl FnMut() -> f64) -> (f64, f64) {
    let (mut firsts, mut seconds): (Vec<_>, Vec<_>) = (0..rounds).map(|_| (first(), second())).unzip();
    (median(&mut firsts), median(&mut seconds))
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
