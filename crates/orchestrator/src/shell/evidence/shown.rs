//! What was found, as it is shown: without secrets, without control characters, not too long.

use health_spec::incident::{LogLine, Logs, RuntimeState};

use super::found::RawLine;
use super::mask::Mask;
use super::text::{LINE_BYTES, beginning, cut, decoded, escaped};

/// So much of a line is looked at: eight times what is shown, since hiding secrets makes it shorter.
const RAW_BYTES: usize = 4 * 1024;

/// Where a line was cut may stand the beginning of a secret that nothing recognises any more: so much before that is not shown either.
const UNSURE_BYTES: usize = 1024;

pub(super) fn line(text: &str, mask: &Mask) -> String {
    cut(&escaped(&mask.text(text)), LINE_BYTES)
}

pub(super) fn state(state: RuntimeState, mask: &Mask) -> RuntimeState {
    let error = state.error.as_deref().map(|error| line(error, mask));
    RuntimeState { error, ..state }
}

pub(super) fn lines(source: &str, lines: &[RawLine], mask: &Mask) -> Logs {
    let texts: Vec<String> = lines.iter().map(|line| decoded(&line.text[..line.text.len().min(RAW_BYTES)])).collect();
    let masked = mask.lines(texts.iter().map(String::as_str));
    let shown = |(line, text): (&RawLine, String)| LogLine {
        at: line.at,
        stream: line.stream.map(str::to_owned),
        text: looked_at(&text, line.text.len().saturating_sub(RAW_BYTES)),
    };
    Logs { source: source.to_owned(), lines: lines.iter().zip(masked).map(shown).collect() }
}

/// A line without its secrets, of which so many bytes more were there.
fn looked_at(text: &str, more: usize) -> String {
    if more == 0 {
        return cut(&escaped(text), LINE_BYTES);
    }
    let sure = escaped(beginning(text, text.len().saturating_sub(UNSURE_BYTES)));
    let kept = beginning(&sure, LINE_BYTES);
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
    fn a_secret_that_is_cut_is_not_shown() {
        // The first one makes room for the second, which is cut in its middle.
        let line = format!("password={} AKIAIOSFODNN7EXAMPLE and more", "a".repeat(RAW_BYTES - 20));
        assert_eq!(shown(&line), format!("… (+{} bytes)", "password=*** AKIAIOSFOD".len() + line.len() - RAW_BYTES));
    }
}
