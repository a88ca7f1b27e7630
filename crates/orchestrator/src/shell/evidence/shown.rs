//! What was found, as it is shown: without secrets, without control characters, not too long.

use health_spec::incident::{LogLine, Logs, RuntimeState};

use super::found::RawLine;
use super::mask::Mask;
use super::text::{LINE_BYTES, cut, decoded, escaped};

pub(super) fn line(text: &str, mask: &Mask) -> String {
    cut(&escaped(&mask.text(text)), LINE_BYTES)
}

pub(super) fn state(state: RuntimeState, mask: &Mask) -> RuntimeState {
    let error = state.error.as_deref().map(|error| line(error, mask));
    RuntimeState { error, ..state }
}

pub(super) fn lines(source: &str, lines: &[RawLine], mask: &Mask) -> Logs {
    let texts: Vec<String> = lines.iter().map(|line| decoded(&line.text)).collect();
    let masked = mask.lines(texts.iter().map(String::as_str));
    let shown = |(line, text): (&RawLine, String)| LogLine {
        at: line.at,
        stream: line.stream.map(str::to_owned),
        text: cut(&escaped(&text), LINE_BYTES),
    };
    Logs { source: source.to_owned(), lines: lines.iter().zip(masked).map(shown).collect() }
}
