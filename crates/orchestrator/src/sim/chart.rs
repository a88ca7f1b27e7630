//! States over time: one line a server, one character a time slice, a legend below. Plain ASCII; colours on demand.
//!
//! A slice shows the worst of what happened in it, so that nothing short is lost.

use std::fmt::Write as _;

use health_spec::Phase;
use health_spec::status::Observed;

use super::trace::Trace;
use crate::machine::Mono;

/// What a slice can show, from the most harmless to the worst: character, meaning, ANSI colour.
const SHADES: [(char, &str, &str); 8] = [
    (' ', "not known yet", "0"),
    ('-', "healthy", "32"),
    ('~', "degraded", "33"),
    ('s', "stopped", "90"),
    ('?', "suspect", "33"),
    ('r', "recovering", "36"),
    ('D', "down, nothing is done", "31"),
    ('F', "given up, a person is needed", "35"),
];

/// Never narrower, or nothing can be seen.
const NARROWEST: usize = 20;

/// The chart of a trace, at most `width` characters wide; with `colour`, ANSI escapes.
pub fn chart(trace: &Trace, width: usize, colour: bool) -> String {
    let names = trace.states.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let slices = width.saturating_sub(names + 4).max(NARROWEST);
    let mut text = String::new();
    let mut seen = [false; SHADES.len()];
    for (name, states) in &trace.states {
        let row = row(states, trace.end, slices);
        for shade in &row {
            seen[*shade] = true;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<names$}  |{}|", painted(&row, colour));
    }
    let _ = writeln!(text, "{:names$}  {}", "", scale(trace.end, slices));
    let meanings = SHADES.iter().zip(seen).filter(|((shade, ..), seen)| *seen && *shade != ' ');
    let meanings: Vec<_> = meanings.map(|((shade, meaning, _), _)| format!("{shade} {meaning}")).collect();
    let _ = writeln!(text, "{:names$}  {}", "", meanings.join("   "));
    text
}

fn row(states: &[(Mono, Phase, Observed)], end: Mono, slices: usize) -> Vec<usize> {
    let mut row = vec![0; slices];
    for (index, (from, phase, status)) in states.iter().enumerate() {
        let until = states.get(index + 1).map_or(end, |(next, ..)| *next);
        let last = if until < end { slice(until, end, slices) } else { slices - 1 };
        for place in &mut row[slice(*from, end, slices)..=last] {
            *place = (*place).max(shade(*phase, *status));
        }
    }
    row
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place on a screen")]
fn slice(at: Mono, end: Mono, slices: usize) -> usize {
    let share = at.0.as_secs_f64() / end.0.as_secs_f64().max(f64::MIN_POSITIVE);
    ((share * slices as f64) as usize).min(slices - 1)
}

fn shade(phase: Phase, status: Observed) -> usize {
    match (phase, status) {
        (Phase::Starting, _) => 0,
        (Phase::Healthy, Observed::Degraded) => 2,
        (Phase::Healthy, _) => 1,
        (Phase::Stopped, _) => 3,
        (Phase::Suspect, _) => 4,
        (Phase::Recovering, _) => 5,
        (Phase::Down, _) => 6,
        (Phase::Failed, _) => 7,
    }
}

fn painted(row: &[usize], colour: bool) -> String {
    let plain = |shades: &[usize]| shades.iter().map(|shade| SHADES[*shade].0).collect::<String>();
    if !colour {
        return plain(row);
    }
    let mut text = String::new();
    for run in row.chunk_by(|one, next| one == next) {
        let _ = write!(text, "\u{1b}[{}m{}\u{1b}[0m", SHADES[run[0]].2, plain(run));
    }
    text
}

fn scale(end: Mono, slices: usize) -> String {
    let last = format!("{} s", end.0.as_secs());
    format!("0 s{last:>width$}", width = (slices + 2).saturating_sub(3))
}
