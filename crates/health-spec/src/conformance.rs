//! The quality gate: looks at a running server from outside, and judges its `/health` rule by rule.
//!
//! [`inspect`] asks, [`judge`] is pure: the same evidence, the same report. The rules are [`RULES`]; they are the
//! condition for joining an ecosystem (`docs/spec/quality-standards.md`). What it finds is never held against a server
//! by a monitor, which reads more than this accepts.

mod client;
mod evidence;
mod inspect;
mod report;
mod rules;
mod secret;

pub use client::{Client, ClientError, Token};
pub use evidence::{Evidence, Exchange, Failure, Received};
pub use inspect::{Asked, inspect};
pub use report::{Counts, Finding, Level, Outcome, Report};
pub use rules::{RULES, Rule};

use jiff::Timestamp;

/// Judges `evidence`, gathered at `now`, by every rule.
pub fn judge(evidence: &Evidence, now: Timestamp) -> Report {
    let findings: Vec<_> = RULES.iter().map(|rule| rule.apply(evidence)).collect();
    Report::new(evidence, now, findings)
}

#[cfg(test)]
mod tests;
