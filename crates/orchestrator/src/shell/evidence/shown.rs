//! What was found, as it is shown: without secrets, without control characters, not too long.

use health_spec::incident::{Answer, Change, LogLine, Logs, RuntimeState};

use super::answers::Kept;
use super::found::{Found, RAW_BYTES, RawLine};
use crate::shell::secrets::Mask;
use crate::shell::text::{LINE_BYTES, beginning, cut, decoded, escaped, looked_at};

/// As much of an error as has the end of what a hook printed in it.
const ERROR_BYTES: usize = 1_536;

/// A longer word is none.
const WORD_BYTES: usize = 64;

/// Where a line was cut may stand the beginning of a secret that nothing recognises any more: so much before that is not shown either.
const UNSURE_BYTES: usize = 1024;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) answers: Vec<Answer>,
    pub(super) state: Option<RuntimeState>,
    pub(super) logs: Option<Logs>,
    pub(super) missing: Vec<String>,
    pub(super) changed: Vec<Change>,
}

/// Takes its time: not for a thread that others wait for.
pub(super) fn all(found: Found, answers: &[Kept], changed: Vec<Change>, mask: &Mask) -> Shown {
    let word = |word: Option<String>| word.map(|word| line(&word, mask));
    Shown {
        answers: answers.iter().map(|kept| kept.shown(mask)).collect(),
        state: found.state.map(|found| state(found, mask)),
        logs: found.lines.map(|found_lines| lines(&found.log_source, &found_lines, mask)).filter(|logs| !logs.lines.is_empty()),
        missing: found.missing.iter().chain(&found.holes).map(|missing| line(missing, mask)).collect(),
        changed: changed.into_iter().map(|it| Change { before: word(it.before), after: word(it.after), ..it }).collect(),
    }
}

fn line(text: &str, mask: &Mask) -> String {
    let looked_at = looked_at(text);
    without_its_end(&mask.text(&looked_at), text.len() - looked_at.len(), LINE_BYTES, escaped)
}

/// The same of what should be a word: the name of a check, a version.
pub fn told_word(text: &str, mask: &Mask) -> String {
    if text.len() <= WORD_BYTES {
        return mask.text(text);
    }
    let masked = mask.text(beginning(text, 4 * WORD_BYTES));
    // As of a line: a secret may have been cut.
    let sure = beginning(&masked, masked.len().saturating_sub(2 * WORD_BYTES));
    format!("{}…", beginning(sure, WORD_BYTES))
}

/// What a stranger says in one breath, as it is told: cut, then without its secrets, then as long as a line.
pub fn told(text: &str, mask: &Mask) -> String {
    let looked_at = looked_at(text);
    without_its_end(&mask.text(&looked_at), text.len() - looked_at.len(), LINE_BYTES, str::to_owned)
}

/// The same of why an action has failed: what it says at its end is told, too.
pub fn told_error(text: &str, mask: &Mask) -> String {
    let looked_at = looked_at(text);
    without_its_end(&mask.text(&looked_at), text.len() - looked_at.len(), ERROR_BYTES, str::to_owned)
}

fn state(state: RuntimeState, mask: &Mask) -> RuntimeState {
    let error = state.error.as_deref().map(|error| line(error, mask));
    RuntimeState { error, ..state }
}

fn lines(source: &str, lines: &[RawLine], mask: &Mask) -> Logs {
    let texts: Vec<String> = lines.iter().map(|line| decoded(&line.text[..line.text.len().min(RAW_BYTES)])).collect();
    let masked = mask.lines(texts.iter().map(String::as_str));
    let shown = |(line, text): (&RawLine, String)| LogLine {
        at: line.at,
        stream: line.stream.map(str::to_owned),
        text: if line.before > 0 {
            without_its_beginning(&text, line.before)
        } else {
            without_its_end(&text, line.more + line.text.len().saturating_sub(RAW_BYTES), LINE_BYTES, escaped)
        },
    };
    Logs { source: source.to_owned(), lines: lines.iter().zip(masked).map(shown).collect() }
}

/// The end of one. What was cut at its beginning is not shown: a name that says that a secret follows may be what is missing.
fn without_its_beginning(text: &str, before: usize) -> String {
    let from = (text.len().saturating_sub(LINE_BYTES)..=text.len()).find(|at| text.is_char_boundary(*at));
    let kept = &text[from.unwrap_or(text.len())..];
    format!("(+{} bytes) …{}", before + text.len() - kept.len(), escaped(kept))
}

/// A text without its secrets, of which so many bytes more were there.
fn without_its_end(text: &str, more: usize, most: usize, written: fn(&str) -> String) -> String {
    if more == 0 {
        return cut(&written(text), most);
    }
    let sure = written(beginning(text, text.len().saturating_sub(UNSURE_BYTES)));
    let kept = beginning(&sure, most);
    format!("{kept}… (+{} bytes)", (text.len() + more).saturating_sub(kept.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        lines("a log", &[RawLine::plain(text.as_bytes())], &Mask::default()).lines.swap_remove(0).text
    }

    #[test]
    fn a_long_line_is_cut_before_its_secrets_are_looked_for() {
        assert_eq!(shown(&"x ".repeat(2_048)), format!("{}… (+3584 bytes)", "x ".repeat(256)), "as long as is looked at");
        assert_eq!(shown(&"x ".repeat(1_000_000)), format!("{}… (+1999488 bytes)", "x ".repeat(256)));
    }

    #[test]
    fn what_changed_is_told_without_secrets_on_both_sides() {
        let changed = Change {
            what: "registry.endpoint".into(),
            before: Some("http://a/?token=hunter2".into()),
            after: Some("swordfish".into()),
        };
        let shown = all(Found::default(), &[], vec![changed], &Mask::of(["swordfish".to_owned()])).changed.swap_remove(0);
        assert_eq!((shown.before.as_deref(), shown.after.as_deref()), (Some("http://a/?token=***"), Some("***")));
    }

    #[test]
    fn of_a_line_whose_beginning_is_far_away_the_end_is_shown() {
        let line = RawLine::plain(format!("{} token=hunter2 the end", "x".repeat(9_000)).as_bytes()).end_of(60_000);
        let shown = lines("a log", &[line], &Mask::default()).lines.swap_remove(0).text;
        assert!(shown.starts_with("(+68") && shown.ends_with("x token=*** the end"), "{shown}");
    }

    #[test]
    fn a_word_that_is_none_is_cut() {
        let mask = Mask::of(["swordfish".to_owned()]);
        assert_eq!(told_word("1.26.0", &mask), "1.26.0");
        assert_eq!(told_word("a-swordfish", &mask), "a-***");
        assert_eq!(told_word(&"y.".repeat(100_000), &mask), format!("{}…", "y.".repeat(32)));
    }

    #[test]
    fn a_message_is_cut_before_its_secrets_are_looked_for() {
        let mask = Mask::of(["swordfish".to_owned()]);
        assert_eq!(told("no swordfish here", &mask), "no *** here");
        assert_eq!(told(&"x ".repeat(500_000), &mask), format!("{}… (+999488 bytes)", "x ".repeat(256)));
        let split = format!("{}swordfish and more", "a".repeat(2_044));
        assert!(!told(&split, &mask).contains("swo"));
    }

    #[test]
    fn a_secret_that_is_cut_is_not_shown() {
        // The first one makes room for the second, which is cut in its middle.
        let line = format!("password={} AKIAIOSFODNN7EXAMPLE and more", "a".repeat(RAW_BYTES - 20));
        assert_eq!(shown(&line), format!("… (+{} bytes)", "password=*** AKIAIOSFOD".len() + line.len() - RAW_BYTES));
    }
}
