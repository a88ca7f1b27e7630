//! From the operator's YAML to [`File`]: every mistake at once, each with its place and what would be right.
//!
//! Says whether the file is well formed. Whether its values make sense together is compiled elsewhere, with problems
//! that name a JSON pointer; [`Places::problem`] gives them a place.

mod build;
mod explain;
mod interpolate;
mod nearest;
mod places;
mod problem;
mod shape;
mod syntax;
mod tree;
mod unknown;

use std::fmt;
use std::fs::File as Handle;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use health_spec::config::File;
use serde_json::Value;
use thiserror::Error;

use build::Built;
use explain::Explainer;
pub use places::Places;
pub use problem::Problem;
use shape::Shape;

/// The largest file that is read: some thousand times a large registry.
pub const MAX_BYTES: u64 = 10 * 1024 * 1024;

/// A file that is well formed.
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
    /// Where it was read.
    pub path: PathBuf,
}

/// Why there is no configuration. `Display` of [`Self::Invalid`] shows every problem with its line.
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
    /// A directory was named.
    #[error("{} is a directory; name one YAML file, directories are not supported yet", .0.display())]
    Directory(PathBuf),
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
    /// It has mistakes: at least one, in the order of the file.
    #[error("{}", Listed(.0))]
    Invalid(Vec<Problem>),
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

/// Reads the file at `path`; `lookup` gives the values of environment variables for `${VAR}`.
pub fn load(path: &Path, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, LoadError> {
    let bytes = read(path)?;
    parse(path, &bytes, lookup)
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
    let handle = Handle::open(path).map_err(unreadable)?;
    if handle.metadata().map_err(unreadable)?.is_dir() {
        return Err(LoadError::Directory(path.to_owned()));
    }
    let mut bytes = Vec::new();
    handle.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// Reads `bytes` as if they stood at `path`. Pure but for `lookup`.
pub fn parse(path: &Path, bytes: &[u8], lookup: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, LoadError> {
    let text = decode(path, bytes)?;
    let at_start = |message: &str, help: &str| {
        let places = Places::new(path, &text);
        LoadError::Invalid(vec![places.problem("", message.to_owned(), Some(help.to_owned()))])
    };
    let root = syntax::parse(&text).map_err(|fault| {
        let places = Places::new(path, &text);
        LoadError::Invalid(vec![places.at(fault.spot, "", fault.message, fault.help)])
    })?;
    match &root.value {
        tree::Node::Map(_) => check(path, build::build(root, path, &text, lookup)),
        tree::Node::Null => Err(at_start("the file is empty", "start with `servers:` and a list of servers")),
        tree::Node::Seq(_) => Err(at_start("the file is a list, not a mapping", "put `servers:` in front of the list")),
        _ => Err(at_start("the file is one value, not a mapping", "start with `servers:` and a list of servers")),
    }
}

/// Lines end in `\n` from here on, and a byte order mark is gone.
fn decode(path: &Path, bytes: &[u8]) -> Result<String, LoadError> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(LoadError::TooLarge(path.to_owned()));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| LoadError::NotText { path: path.to_owned(), offset: error.valid_up_to() })?;
    Ok(text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n"))
}

fn check(path: &Path, built: Built) -> Result<Loaded, LoadError> {
    let Built { value, places, problems: gaps } = built;
    let schema = health_spec::schema::registry();
    let mut unknown = unknown::unknown(&value, Shape::new(&schema), &places);
    let raw = without_nulls(value);
    let mut problems = violations(&raw, &schema, &places);
    // What could not be filled in has no type to be judged by.
    problems.retain(|problem| gaps.iter().all(|gap| gap.pointer != problem.pointer));
    problems.extend(gaps);
    problems.append(&mut unknown.errors);
    if problems.is_empty() {
        let file = read_types(&raw, &places)?;
        return Ok(Loaded { file, raw, warnings: in_order(unknown.warnings), places, path: path.to_owned() });
    }
    Err(LoadError::Invalid(in_order(problems)))
}

fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| (problem.line, problem.column));
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

fn read_types(raw: &Value, places: &Places) -> Result<File, LoadError> {
    let invalid =
        |error: serde_json::Error| LoadError::Invalid(vec![places.problem("", format!("it cannot be read: {error}"), None)]);
    serde_json::from_value(raw.clone()).map_err(invalid)
}

#[cfg(test)]
mod tests;
