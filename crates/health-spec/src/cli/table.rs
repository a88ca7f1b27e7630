//! A report for people: a line a rule, and for a broken one what it wants and why.

use std::fmt::Write as _;

use health_spec::conformance::{Finding, Outcome, Report};

use super::style::{of, of_news, styled};

pub(super) fn table(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        line(&mut text, finding);
    }
    let _ = writeln!(text, "\n{}", summary(report));
    text
}

fn line(text: &mut String, finding: &Finding) {
    let Finding { id, name, level, evidence, .. } = finding;
    let word = styled(of(finding), &format!("{:<10}", word(finding.result)));
    let _ = writeln!(text, "{id}  {:<6}  {word}  {name:<19}  {}", level.as_str(), visible(evidence));
    if finding.result == Outcome::Broken {
        let _ = writeln!(text, "       wanted: {}. {}", finding.requirement, finding.reason);
    }
}

fn word(result: Outcome) -> &'static str {
    match result {
        Outcome::Passed => "passed",
        Outcome::Broken => "BROKEN",
        Outcome::NotJudged => "not judged",
    }
}

fn summary(report: &Report) -> String {
    let counts = report.counts;
    let verdict = if report.conformant { "conformant" } else { "not conformant" };
    let verdict = styled(of_news(report.conformant), verdict);
    format!(
        "{}: {verdict} with health-check v{}: {} passed, {} MUST broken, {} SHOULD broken, {} not judged",
        report.url, report.spec_version, counts.passed, counts.must_broken, counts.should_broken, counts.not_judged
    )
}

/// What a server sent must not steer the terminal.
pub(super) fn visible(text: &str) -> String {
    let steers =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    text.chars().flat_map(|c| if steers(c) { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}
