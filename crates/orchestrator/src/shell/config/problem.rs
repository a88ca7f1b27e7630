//! A mistake in the configuration: where it is, what is wrong, what would be right.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::shell::secrets::credentials::starred;

/// The most characters of a source line that are shown; a longer one is cut around the place.
const SHOWN: usize = 120;

/// A mistake with its place. `Display` shows the line with a caret under the offending text:
///
/// ```text
/// registry.yaml:7:5: unknown key `interval` in `health_check`
///   7 |     interval: 5
///     |     ^^^^^^^^
///   help: did you mean `interval_seconds`?
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file; `environment` for what an environment variable says.
    pub path: PathBuf,
    /// The environment variable.
    pub variable: Option<String>,
    /// From 1; 0 for a file that could not be read.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// How many characters are meant.
    pub width: usize,
    /// The JSON pointer of the value or key, such as `/servers/0/health_url`; empty for the whole file.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// The line itself. Shown without who asks in a URL.
    pub source: String,
    /// The how manieth source it is, since files are read in an order of their own.
    pub(super) order: usize,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.variable {
            Some(variable) => write!(f, "environment variable {variable}: {}", self.message)?,
            None if self.line == 0 => write!(f, "{}", self.message)?,
            None => write!(f, "{}:{}:{}: {}", self.path.display(), self.line, self.column, self.message)?,
        }
        if !self.source.trim().is_empty() {
            self.snippet(f)?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl Problem {
    /// What is wrong with all of a file, of which there is no line to show; `message` names it.
    pub(super) fn of_file(path: &Path, message: String) -> Self {
        let (variable, help, pointer, source) = (None, None, String::new(), String::new());
        Self { path: path.to_owned(), variable, line: 0, column: 0, width: 0, pointer, message, help, source, order: 0 }
    }

    fn snippet(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = if self.variable.is_some() { String::new() } else { self.line.to_string() };
        let before = self.column.saturating_sub(1);
        // A place far to the right is shown with some of what stands before it.
        let skipped = before.saturating_sub(SHOWN / 2);
        let shown: String = starred(&self.source).chars().skip(skipped).take(SHOWN).map(printable).collect();
        let indent = before - skipped;
        let room = shown.chars().count().saturating_sub(indent);
        let carets = "^".repeat(self.width.min(room).max(1));
        write!(f, "\n  {number} | {}", shown.trim_end())?;
        write!(f, "\n  {:gutter$} | {:indent$}{carets}", "", "", gutter = number.len())
    }
}

/// One column for each character, and nothing that could steer a terminal.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}
