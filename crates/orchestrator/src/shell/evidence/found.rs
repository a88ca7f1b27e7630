//! What a source has told, before anything of it is shown.

use std::time::Duration;

use health_spec::incident::{EngineLoad, RuntimeState};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::shell::store::Facts;

/// So much of a line is looked at: eight times what is shown, since hiding secrets makes it shorter.
pub(super) const RAW_BYTES: usize = 4 * 1024;

/// Which lines of a log are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// None.
    Nothing,
    /// The last so many.
    Last(usize),
    /// The first since the server was last started.
    FirstSinceStart {
        /// So many at most.
        most: usize,
        /// Where the log of a process ended before that.
        mark: Option<Mark>,
    },
}

/// The end of a log file at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Tells a file from one that has taken its place.
    pub(super) inode: u64,
    /// How long it was.
    pub(super) length: u64,
}

/// What a source has told.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) state: Option<RuntimeState>,
    pub(super) engine: Option<EngineLoad>,
    pub(super) lines: Option<Vec<RawLine>>,
    pub(super) log_source: String,
    pub(super) mark: Option<Mark>,
    pub(super) facts: Facts,
    pub(super) secrets: Vec<String>,
    /// What could not be had this time.
    pub(super) missing: Vec<String>,
    /// What nobody can tell of it here, this time or another. It is no reason not to compare the rest.
    pub(super) holes: Vec<String>,
}

/// A line as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RawLine {
    pub(super) at: Option<Timestamp>,
    pub(super) stream: Option<&'static str>,
    pub(super) text: Vec<u8>,
    /// So many bytes more were there, behind these.
    pub(super) more: usize,
    /// So many were there before these.
    pub(super) before: usize,
}

/// When a capture has to be at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Found {
    /// What is there; or why it is not, which is noted.
    pub(super) fn part<T>(&mut self, what: &str, had: Result<T, String>) -> Option<T> {
        had.map_err(|why| self.missing.push(format!("{what}: {why}"))).ok()
    }
}

impl Deadline {
    /// That long from now.
    pub(super) fn within(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    pub(super) fn at(self) -> Instant {
        self.0
    }
}

impl RawLine {
    /// A line without anything else.
    pub(super) fn plain(text: &[u8]) -> Self {
        Self { text: text.strip_suffix(b"\r").unwrap_or(text).to_owned(), ..Self::default() }
    }

    /// No more of it than is looked at: many that are long would take much memory.
    pub(super) fn cut(self) -> Self {
        let more = self.text.len().saturating_sub(RAW_BYTES);
        let text = if more > 0 { self.text[..RAW_BYTES].to_owned() } else { self.text };
        Self { text, more: self.more + more, ..self }
    }

    /// The end of it, when its beginning is too far away to be read.
    pub(super) fn end_of(self, before: usize) -> Self {
        let far = self.text.len().saturating_sub(RAW_BYTES);
        Self { text: self.text[far..].to_owned(), before: before + far, ..self }
    }

    /// A line behind its time.
    pub(super) fn stamped(line: &[u8], stream: Option<&'static str>) -> Self {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let space = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let at = std::str::from_utf8(&line[..space]).ok().and_then(|text| text.parse().ok());
        let text = if at.is_some() { line.get(space + 1..).unwrap_or_default() } else { line };
        Self { at, stream, text: text.to_owned(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_a_line_is_taken_off() {
        let line = RawLine::stamped(b"2026-01-02T03:04:05.123456789Z hello there\r", Some("stderr"));
        assert_eq!((line.text.as_slice(), line.at.map(Timestamp::as_second)), (&b"hello there"[..], Some(1_767_323_045)));
        assert_eq!(RawLine::stamped(b"hello there", None).text, b"hello there");
        assert_eq!(RawLine::stamped(b"2026-01-02T03:04:05Z", None).text, b"");
    }
}
