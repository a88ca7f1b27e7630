//! What the rules found.

use jiff::Timestamp;
use serde::Serialize;

use super::evidence::Evidence;

/// How binding a rule is (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// A server that breaks it is not conformant.
    Must,
    /// A server that breaks it is conformant, and worse than it could be.
    Should,
}

/// What a rule found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not.
    Broken,
    /// Nothing was seen that it could judge.
    NotJudged,
}

/// One rule, applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable, such as `HC-01`.
    pub id: &'static str,
    /// Stable, such as `route`.
    pub name: &'static str,
    /// How binding it is.
    pub level: Level,
    /// What it found.
    pub result: Outcome,
    /// What it wants.
    pub requirement: &'static str,
    /// Why it wants that.
    pub reason: &'static str,
    /// What was seen.
    pub evidence: String,
}

/// A server's conformance with health-check v1.0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was looked at.
    pub url: String,
    /// The version of the contract.
    pub spec_version: &'static str,
    /// When.
    #[serde(with = "crate::time::millis")]
    pub checked_at: Timestamp,
    /// How long it took.
    pub duration_ms: u64,
    /// Whether no MUST is broken.
    pub conformant: bool,
    /// How many rules found what.
    pub counts: Counts,
    /// Rule by rule.
    pub findings: Vec<Finding>,
}

/// How many rules found what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Hold.
    pub passed: usize,
    /// MUST rules that do not hold.
    pub must_broken: usize,
    /// SHOULD rules that do not hold.
    pub should_broken: usize,
    /// Could not be judged.
    pub not_judged: usize,
}

impl Level {
    /// RFC 2119's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
        }
    }
}

impl Report {
    pub(super) fn new(evidence: &Evidence, now: Timestamp, findings: Vec<Finding>) -> Self {
        let counts = Counts::of(&findings);
        Self {
            url: evidence.url.clone(),
            spec_version: "1.0",
            checked_at: now,
            duration_ms: u64::try_from(evidence.took.as_millis()).unwrap_or(u64::MAX),
            conformant: counts.must_broken == 0,
            counts,
            findings,
        }
    }

    /// Whether it passes as a gate: no MUST broken, with `strict` no SHOULD either.
    pub fn passes(&self, strict: bool) -> bool {
        self.conformant && !(strict && self.counts.should_broken > 0)
    }
}

impl Counts {
    fn of(findings: &[Finding]) -> Self {
        let mut counts = Self::default();
        for finding in findings {
            *match (finding.result, finding.level) {
                (Outcome::Passed, _) => &mut counts.passed,
                (Outcome::Broken, Level::Must) => &mut counts.must_broken,
                (Outcome::Broken, Level::Should) => &mut counts.should_broken,
                (Outcome::NotJudged, _) => &mut counts.not_judged,
            } += 1;
        }
        counts
    }
}
