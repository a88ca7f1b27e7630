//! Where every value and key of a configuration stands: JSON pointer to line and column.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::problem::Problem;

/// A stretch of one line, counted from 1 in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) width: usize,
}

impl Spot {
    /// Where a file begins: for what is wrong with all of it.
    pub(super) const START: Self = Self { line: 1, column: 1, width: 1 };
}

/// The places of one file.
#[derive(Clone, Debug)]
pub struct Places {
    path: PathBuf,
    lines: Arc<[String]>,
    values: HashMap<String, Spot>,
    keys: HashMap<String, Spot>,
}

impl Places {
    pub(super) fn new(path: &Path, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            lines: text.split('\n').map(str::to_owned).collect(),
            values: HashMap::new(),
            keys: HashMap::new(),
        }
    }

    pub(super) fn value(&mut self, pointer: &str, spot: Spot) {
        self.values.insert(pointer.to_owned(), spot);
    }

    pub(super) fn key(&mut self, pointer: &str, spot: Spot) {
        self.keys.insert(pointer.to_owned(), spot);
    }

    /// A located problem for a JSON pointer such as `/servers/0/health_url`: at the value, or at the nearest
    /// ancestor that exists when the value does not.
    pub fn problem(&self, pointer: &str, message: String, help: Option<String>) -> Problem {
        self.at(self.nearest(pointer), pointer, message, help)
    }

    /// As [`Self::problem`], but at the key in front of the value.
    pub fn problem_at_key(&self, pointer: &str, message: String, help: Option<String>) -> Problem {
        let spot = self.keys.get(pointer).copied().unwrap_or_else(|| self.nearest(pointer));
        self.at(spot, pointer, message, help)
    }

    pub(super) fn at(&self, spot: Spot, pointer: &str, message: String, help: Option<String>) -> Problem {
        Problem {
            path: self.path.clone(),
            line: spot.line,
            column: spot.column,
            width: spot.width,
            pointer: pointer.to_owned(),
            message,
            help,
            source: self.line(spot).to_owned(),
        }
    }

    /// What was written there: for messages, because a value may hold a secret from the environment.
    pub(super) fn written(&self, pointer: &str) -> Option<String> {
        let spot = self.values.get(pointer)?;
        let written: String = self.line(*spot).chars().skip(spot.column - 1).take(spot.width).collect();
        (!written.is_empty()).then_some(written)
    }

    fn line(&self, spot: Spot) -> &str {
        self.lines.get(spot.line.saturating_sub(1)).map_or("", String::as_str)
    }

    fn nearest(&self, pointer: &str) -> Spot {
        let mut pointer = pointer;
        loop {
            if let Some(spot) = self.values.get(pointer) {
                return *spot;
            }
            match pointer.rfind('/') {
                Some(end) => pointer = &pointer[..end],
                None => return Spot::START,
            }
        }
    }
}

/// `pointer` with one more step, escaped as RFC 6901 wants it.
pub(super) fn step(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The last step of a pointer, as it was written.
pub(super) fn last_step(pointer: &str) -> String {
    pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~")
}
