//! From the operator's YAML to [`File`]: every mistake at once, each with its place and what would be right.
//!
//! Says whether the files are well formed. Whether their values make sense together is compiled elsewhere, with issues
//! that name a JSON pointer; [`Draft::judge`] gives them a place.

mod build;
mod damage;
mod environment;
mod explain;
mod files;
mod interpolate;
mod misspelt;
mod nearest;
mod overlay;
mod places;
mod problem;
mod reading;
mod shape;
mod stamps;
mod syntax;
mod tree;
mod unknown;
mod valueless;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use health_spec::config::File;
use serde_json::Value;
use thiserror::Error;

use crate::machine::policy::Issue;
use damage::Damage;
pub use environment::{Setting, settings};
use explain::Explainer;
use interpolate::Lookup;
pub use misspelt::misspelt;
pub use nearest::nearest;
pub use places::Places;
pub use problem::Problem;
use reading::Reading;
use shape::Shape;
pub use stamps::{Stamp, Stamps};

/// The largest file that is read: some thousand times a large registry.
pub const MAX_BYTES: u64 = 10 * 1024 * 1024;

/// A configuration that is well formed.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub file: File,
    /// The same as JSON, with the keys that only registries know. Keys without a value are left out.
    pub raw: Value,
    /// What is odd, but no mistake.
    pub warnings: Vec<Problem>,
    /// Where everything stands.
    pub places: Places,
    /// What was asked for: files and directories.
    pub paths: Vec<PathBuf>,
    /// What it depends on: every file that was read, secrets too, and the directories.
    pub watched: Vec<PathBuf>,
    /// How these were when they were read.
    pub stamps: Stamps,
}

/// Why there is no configuration. `Display` of [`Self::Invalid`] shows every mistake with its line.
#[derive(Debug, Error)]
pub enum LoadError {
    /// It is not there, or not ours to read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory without a configuration.
    #[error("{} has no file that ends in .yaml or .yml", .0.display())]
    NothingThere(PathBuf),
    /// More than [`MAX_BYTES`].
    #[error("{} is larger than {} MiB; that is no configuration", .0.display(), MAX_BYTES / (1024 * 1024))]
    TooLarge(PathBuf),
    /// Binary, or in another encoding.
    #[error("{} is no UTF-8 text: byte {offset} belongs to no character", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Where the text ends.
        offset: usize,
    },
    /// It has mistakes.
    #[error("{}", Listed(.problems))]
    Invalid {
        /// At least one, in the order of the file.
        problems: Vec<Problem>,
        /// What is odd beside them.
        warnings: Vec<Problem>,
    },
}

impl LoadError {
    /// These mistakes alone.
    pub fn of(problems: Vec<Problem>) -> Self {
        Self::Invalid { problems, warnings: Vec::new() }
    }

    /// What is odd beside the mistakes.
    pub fn warnings(&self) -> &[Problem] {
        match self {
            Self::Invalid { warnings, .. } => warnings,
            _ => &[],
        }
    }
}

struct Listed<'a>(&'a [Problem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let gap = if at == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{problem}")?;
        }
        Ok(())
    }
}

/// Everything that was found in the files, well formed or not, so that its meaning can be judged all the same.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What is well formed; the rest is left out.
    pub loaded: Loaded,
    problems: Vec<Problem>,
    damage: Damage,
}

impl Draft {
    /// What was judged before, for who has changed it.
    pub fn of(loaded: Loaded) -> Self {
        Self { loaded, problems: Vec::new(), damage: Damage::default() }
    }

    /// The configuration, unless its form is wrong, or its meaning: `issues` are what is wrong with [`Loaded::file`].
    pub fn judge(self, issues: Vec<Issue>) -> Result<Loaded, LoadError> {
        let Self { loaded, mut problems, damage } = self;
        problems.extend(issues.into_iter().filter_map(|issue| damage.believed(issue)).map(|issue| located(&loaded, issue)));
        let warnings = in_order(loaded.warnings);
        if problems.is_empty() {
            return Ok(Loaded { warnings, ..loaded });
        }
        Err(LoadError::Invalid { problems: in_order(problems), warnings })
    }

    /// Whether what is written there can be taken at its word: nothing of it is broken.
    pub(in crate::shell) fn spares(&self, pointer: &str) -> bool {
        self.damage.spares(pointer)
    }
}

/// Reads the files, and those of the directories, at `paths`; `lookup` gives the values of environment variables.
pub fn load(paths: &[PathBuf], lookup: Lookup<'_>) -> Result<Loaded, LoadError> {
    draft(paths, lookup)?.judge(Vec::new())
}

/// As [`load`], for who goes on to judge the meaning.
pub fn draft(paths: &[PathBuf], lookup: Lookup<'_>) -> Result<Draft, LoadError> {
    let stamps = Stamps::of(paths);
    let mut listing = paths.iter().map(|path| files::listed(path)).collect::<Result<Vec<_>, _>>()?.concat();
    let mut seen = HashSet::new();
    listing.retain(|path| seen.insert(path.clone()));
    let mut reading = Reading::new(lookup);
    for path in &listing {
        let text = files::read(path).and_then(|bytes| files::decode(path, &bytes));
        match text {
            Ok(text) => reading.text(path, &text, listing.len() == 1),
            Err(error) if listing.len() == 1 => return Err(error),
            Err(error) => reading.unreadable(path, &error),
        }
    }
    let directories = paths.iter().filter(|path| path.is_dir()).cloned();
    let watched = listing.into_iter().chain(directories).collect();
    let mut draft = reading.finish(paths, watched);
    draft.loaded.stamps = stamps.before(Stamps::of(&draft.loaded.watched));
    Ok(draft)
}

/// Reads `bytes` as if they stood at `path`. Pure but for `lookup`, and the files that it names.
pub fn parse(path: &Path, bytes: &[u8], lookup: Lookup<'_>) -> Result<Loaded, LoadError> {
    let mut reading = Reading::new(lookup);
    reading.text(path, &files::decode(path, bytes)?, true);
    reading.finish(&[path.to_owned()], vec![path.to_owned()]).judge(Vec::new())
}

/// A problem with the place of its issue. What is taken twice is shown at both places.
pub fn located(loaded: &Loaded, issue: Issue) -> Problem {
    let first = first_with_the_same(&loaded.raw, &issue.pointer).and_then(|pointer| loaded.places.shown(&pointer));
    let help = match (first, meant(&loaded.file, &issue.pointer)) {
        (Some(place), _) => format!("{}; the other one is at {place}", issue.help),
        (None, Some(name)) => format!("did you mean `{name}`?"),
        (None, None) => issue.help,
    };
    if issue.pointer.starts_with("/health/") {
        return loaded.places.problem_at_key(&issue.pointer, issue.message, Some(help));
    }
    loaded.places.problem(&issue.pointer, issue.message, Some(help))
}

/// The server whose name is most like the unknown one there.
fn meant<'a>(file: &'a File, pointer: &str) -> Option<&'a str> {
    let (server, at) = pointer.strip_prefix("/servers/")?.split_once("/depends_on/")?;
    let (server, at): (usize, usize) = (server.parse().ok()?, at.parse().ok()?);
    let others = file.servers.iter().enumerate().filter(|(other, _)| *other != server).map(|(_, other)| other.name.as_str());
    nearest(file.servers.get(server)?.depends_on.get(at)?, others)
}

/// An earlier server that has the same value there, when that should be its own.
fn first_with_the_same(raw: &Value, pointer: &str) -> Option<String> {
    let (at, key) = pointer.strip_prefix("/servers/")?.split_once('/')?;
    let value = raw.pointer(pointer).filter(|_| ["name", "namespace", "runtime/container"].contains(&key))?;
    let at: usize = at.parse().ok()?;
    (0..at).map(|at| format!("/servers/{at}/{key}")).find(|pointer| raw.pointer(pointer) == Some(value))
}

/// As they stand in the files, each once.
fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| (problem.order, problem.line, problem.column));
    problems.dedup();
    problems
}

/// A key without a value counts as not written, so that a section may be emptied by commenting out its lines.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        scalar => scalar,
    }
}

fn violations(raw: &Value, schema: &Value, places: &Places) -> Vec<Problem> {
    let mut problems = Vec::new();
    match jsonschema::validator_for(schema) {
        Ok(validator) => {
            let explainer = Explainer { schema, places };
            validator.iter_errors(raw).for_each(|error| explainer.explain(&error, &mut problems));
        }
        // A test holds that it never comes to this; the types still refuse what is wrong.
        Err(error) => problems.push(places.problem("", format!("the schema itself is broken: {error}"), None)),
    }
    problems.extend(nameless(raw, places));
    explain::beyond_schema(raw, Shape::new(schema), "", places, &mut problems);
    problems
}

/// The schema has a default for `name`, so that it alone does not insist on one.
fn nameless(raw: &Value, places: &Places) -> Vec<Problem> {
    let servers = raw.get("servers").and_then(Value::as_array).into_iter().flatten().enumerate();
    let nameless = servers.filter(|(_, server)| server.is_object() && server.get("name").is_none());
    let problem = |(at, _)| {
        let pointer = format!("/servers/{at}");
        places.problem(&pointer, format!("{} has no `name`", explain::subject(&pointer)), Some("add `name`: a string".to_owned()))
    };
    nameless.map(problem).collect()
}

#[cfg(test)]
mod tests;
