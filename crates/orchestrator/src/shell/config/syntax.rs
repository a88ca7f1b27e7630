//! From text to trees, and to the places where the YAML breaks, in words for people who do not read parsers.

use std::io::Cursor;

use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error, Location, Spanned, alias_limits, budget, options};

use super::places::Spot;
use super::tree::{MAX_DEPTH, Node, too_deep};

/// Values and mappings of one file: ten thousand servers with a hundred keys each.
const MOST_NODES: usize = 2_000_000;

/// Of these, what aliases may repeat: a few lines can stand for very much.
const MOST_REPEATED: usize = 100_000;

/// Where and why text is no YAML of ours.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) spot: Spot,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// Parses every document of a file; empty ones are left out. A key that stands twice is there twice; `yes` and `no` are words, as in
/// YAML 1.2. A document with a mistake does not hide those of the next one, as long as the parser finds it.
pub(super) fn parse(text: &str, source: usize) -> (Vec<Spanned<Node>>, Vec<Fault>) {
    let options = options! {
        with_snippet: false,
        strict_booleans: true,
        budget: budget! { max_depth: MAX_DEPTH, max_nodes: MOST_NODES, max_events: 2 * MOST_NODES },
        alias_limits: alias_limits! { max_total_replayed_events: MOST_REPEATED },
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
    };
    let mut bytes = Cursor::new(text.as_bytes());
    let (mut documents, mut faults) = (Vec::new(), Vec::new());
    for document in serde_saphyr::read_with_options(&mut bytes, options) {
        match document {
            Ok(document) => documents.push(document),
            Err(error) => faults.push(fault(text, &error, source)),
        }
    }
    (documents, faults)
}

/// The first line of what a location spans.
pub(super) fn spot(location: &Location, source: usize) -> Spot {
    let at = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
    Spot { source, line: at(location.line()), column: at(location.column()), width: at(location.span().len()) }
}

fn fault(text: &str, error: &Error, source: usize) -> Fault {
    let error = innermost(error);
    let spot = error.location().map_or(Spot::start(source), |location| spot(&location, source));
    let line = text.split('\n').nth(spot.line - 1).unwrap_or_default();
    let (message, help) = explain(error, line);
    Fault { spot, message, help: help.map(str::to_owned) }
}

/// What is wrong in an alias is wrong where its anchor stands.
fn innermost(error: &Error) -> &Error {
    match error.without_snippet() {
        Error::AliasError { error, .. } => innermost(error),
        other => other,
    }
}

fn explain(error: &Error, line: &str) -> (String, Option<&'static str>) {
    match error {
        Error::UnknownAnchor { .. } => {
            ("this alias has no anchor".to_owned(), Some("define it before with `&name`, or quote the `*`"))
        }
        Error::NullIntoString { .. } | Error::Unexpected { .. } if line.contains("{{") => {
            ("a key must be a plain word".to_owned(), Some("a value that starts with `{{` must be quoted"))
        }
        Error::NullIntoString { .. } | Error::Unexpected { .. } => ("a key must be a plain word".to_owned(), None),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => (too_deep(), None),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            let message = "the file says more than a configuration needs: its values, and what aliases repeat, are too many";
            (message.to_owned(), Some("write it in several files, and use fewer aliases"))
        }
        _ => {
            let message = bare(error);
            let help = advice(&message);
            (format!("this is not valid YAML: {message}"), help)
        }
    }
}

/// The parser's words without the place, which stands in front already.
fn bare(error: &Error) -> String {
    let text = error.to_string();
    text.find(" at line ").map_or(text.as_str(), |end| &text[..end]).to_owned()
}

/// What usually helps against a message of the parser.
fn advice(message: &str) -> Option<&'static str> {
    const KNOWN: &[(&str, &str)] = &[
        ("tabs", "indent with spaces"),
        ("mapping values are not allowed", "a value with `: ` in it must be quoted"),
        ("illegal placement of ':'", "a bracket or brace of a line above may not be closed"),
        ("unexpected character", "a value that starts with this character must be quoted"),
        ("unclosed quote", "close the quote at the end of the value"),
        ("unknown escape", "use single quotes: a backslash means nothing in them"),
        ("did not find expected key", "keys of the same mapping start in the same column"),
    ];
    KNOWN.iter().find(|(part, _)| message.contains(part)).map(|(_, help)| *help)
}
