//! Where every value and key of a configuration stands: JSON pointer to file, line and column, or to an environment variable.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::problem::Problem;

/// A stretch of one line of one source, counted from 1 in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) source: usize,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) width: usize,
}

impl Spot {
    /// Where a source begins: for what is wrong with all of it.
    pub(super) const fn start(source: usize) -> Self {
        Self { source, line: 1, column: 1, width: 1 }
    }
}

/// What was read: a file, or an environment variable.
#[derive(Clone, Debug)]
struct Source {
    path: PathBuf,
    variable: Option<String>,
    lines: Vec<String>,
}

/// The places of everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Places {
    sources: Vec<Source>,
    values: HashMap<String, Spot>,
    keys: HashMap<String, Spot>,
}

/// What stands for the path of an environment variable.
const ENVIRONMENT: &str = "environment";

impl Places {
    /// One more file.
    pub(super) fn file(&mut self, path: &Path, text: &str) -> usize {
        self.source(Source { path: path.to_owned(), variable: None, lines: text.split('\n').map(str::to_owned).collect() })
    }

    /// One more environment variable, and the place of its value.
    pub(super) fn variable(&mut self, name: &str, value: &str) -> Spot {
        let source = self.source(Source {
            path: ENVIRONMENT.into(),
            variable: Some(name.to_owned()),
            lines: vec![format!("{name}={value}")],
        });
        Spot { source, line: 1, column: name.chars().count() + 2, width: value.chars().count().max(1) }
    }

    fn source(&mut self, source: Source) -> usize {
        self.sources.push(source);
        self.sources.len() - 1
    }

    pub(super) fn value(&mut self, pointer: &str, spot: Spot) {
        self.values.insert(pointer.to_owned(), spot);
    }

    pub(super) fn key(&mut self, pointer: &str, spot: Spot) {
        self.keys.insert(pointer.to_owned(), spot);
    }

    /// What contains it stands there too, unless it stands somewhere already.
    pub(super) fn parents(&mut self, pointer: &str, spot: Spot) {
        let mut pointer = pointer;
        while let Some((parent, _)) = pointer.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
            self.values.entry(parent.to_owned()).or_insert(spot);
            pointer = parent;
        }
    }

    /// Forgets what stands at `pointer` and below it.
    pub(super) fn forget(&mut self, pointer: &str) {
        self.values.retain(|at, _| !is_within(at, pointer));
        self.keys.retain(|at, _| !is_within(at, pointer));
    }

    /// From now on what stands at `from`, and below it, stands at `to` as well.
    pub(super) fn alias(&mut self, from: &str, to: &str) {
        for places in [&mut self.values, &mut self.keys] {
            let below = places.iter().filter(|(at, _)| is_within(at, from));
            let moved: Vec<_> = below.map(|(at, spot)| (format!("{to}{}", &at[from.len()..]), *spot)).collect();
            places.extend(moved);
        }
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
        let source = self.sources.get(spot.source);
        Problem {
            path: source.map(|source| source.path.clone()).unwrap_or_default(),
            variable: source.and_then(|source| source.variable.clone()),
            line: spot.line,
            column: spot.column,
            width: spot.width,
            pointer: pointer.to_owned(),
            message,
            help,
            source: self.line(spot).to_owned(),
            order: spot.source,
        }
    }

    /// The file that the value at `pointer`, or its nearest ancestor, stands in.
    pub fn path(&self, pointer: &str) -> Option<&Path> {
        let source = self.sources.get(self.nearest(pointer).source)?;
        source.variable.is_none().then_some(source.path.as_path())
    }

    /// `registry.yaml:3:5`, if anything stands there.
    pub(super) fn shown(&self, pointer: &str) -> Option<String> {
        let spot = self.values.get(pointer)?;
        let source = self.sources.get(spot.source)?;
        match &source.variable {
            Some(variable) => Some(format!("the environment variable {variable}")),
            None => Some(format!("{}:{}:{}", source.path.display(), spot.line, spot.column)),
        }
    }

    /// What was written there: for messages, because a value may hold a secret from the environment.
    pub(super) fn written(&self, pointer: &str) -> Option<String> {
        let spot = self.values.get(pointer)?;
        let written: String = self.line(*spot).chars().skip(spot.column - 1).take(spot.width).collect();
        (!written.is_empty()).then_some(written)
    }

    fn line(&self, spot: Spot) -> &str {
        let lines = self.sources.get(spot.source).map(|source| source.lines.as_slice()).unwrap_or_default();
        lines.get(spot.line.saturating_sub(1)).map_or("", String::as_str)
    }

    fn nearest(&self, pointer: &str) -> Spot {
        let mut pointer = pointer;
        loop {
            if let Some(spot) = self.values.get(pointer) {
                return *spot;
            }
            match pointer.rfind('/') {
                Some(end) => pointer = &pointer[..end],
                None => return Spot::start(0),
            }
        }
    }
}

/// Whether `pointer` is `outer`, or below it.
pub(super) fn is_within(pointer: &str, outer: &str) -> bool {
    pointer.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `pointer` with one more step, escaped as RFC 6901 wants it.
pub(super) fn step(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The last step of a pointer, as it was written.
pub(super) fn last_step(pointer: &str) -> String {
    pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~")
}
