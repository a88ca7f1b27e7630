//! Colours, by what they mean.

use anstyle::{AnsiColor, Style};
use health_spec::conformance::{Finding, Level, Outcome};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default();
const FAINT: Style = Style::new().dimmed();

/// A finding's own.
pub(super) fn of(finding: &Finding) -> Style {
    match (finding.result, finding.level) {
        (Outcome::Passed, _) => GOOD,
        (Outcome::Broken, Level::Must) => BAD,
        (Outcome::Broken, Level::Should) => WARNING,
        (Outcome::NotJudged, _) => FAINT,
    }
}

/// Good news or bad news.
pub(super) fn of_news(good: bool) -> Style {
    if good { GOOD } else { BAD }
}

/// `text` in `style`.
pub(super) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
