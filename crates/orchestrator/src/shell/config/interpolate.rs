//! `${VAR}` and `${VAR:-default}` inside values. `$${VAR}` stays `${VAR}`; any other `$` is only a `$`.
//! When `VAR` is not set, or empty, and `VAR_FILE` is set, the value is what stands in that file: for secrets.
//!
//! Runs after parsing, on one value at a time: what the environment holds can never add a key.

use std::path::{Path, PathBuf};

use serde_json::{Number, Value};

use crate::shell::asked;

/// What an environment variable holds.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The largest secret: tokens and certificates are much smaller.
const LONGEST_SECRET: u64 = 64 * 1024;

/// Why a value cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// Neither set nor given a default.
    Unset(String),
    /// `${` without `}`.
    Unclosed,
    /// `${}`, `${1 2}`.
    Name(String),
    /// The file of `NAME_FILE` cannot be used.
    File {
        /// The variable, without `_FILE`.
        name: String,
        /// What it names.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl Gap {
    pub(super) fn message(&self) -> String {
        match self {
            Self::Unset(name) => format!("the environment variable `{name}` is not set"),
            Self::Unclosed => "`${` is never closed".to_owned(),
            Self::Name(name) => format!("`{name}` is no name of an environment variable"),
            Self::File { name, path, why } => format!("{}, which `{name}_FILE` names, cannot be read: {why}", path.display()),
        }
    }

    pub(super) fn help(&self) -> String {
        match self {
            Self::Unset(name) => format!("set it, or {name}_FILE to a file's path, or give a default: ${{{name}:-value}}"),
            Self::File { .. } => "name a file of at most 64 KiB of text that this user may read".to_owned(),
            Self::Unclosed => "write ${NAME}, or $${ for the two characters themselves".to_owned(),
            Self::Name(_) => "write ${NAME} or ${NAME:-default}".to_owned(),
        }
    }
}

/// `Ok(None)`: there is nothing to fill in. `secrets` gets the files that were read.
pub(super) fn fill(text: &str, lookup: Lookup<'_>, secrets: &mut Vec<PathBuf>) -> Result<Option<String>, Gap> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            filled.push_str(&rest[..at]);
            filled.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        filled.push_str(&rest[..at]);
        let (inside, after) = rest[at + 2..].split_once('}').ok_or(Gap::Unclosed)?;
        filled.push_str(&value_of(inside, lookup, secrets)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(Some(filled))
}

/// As in a shell, `:-` also replaces an empty value.
fn value_of(inside: &str, lookup: Lookup<'_>, secrets: &mut Vec<PathBuf>) -> Result<String, Gap> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !valid {
        return Err(Gap::Name(name.to_owned()));
    }
    match (variable(name, lookup, secrets)?, default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Gap::Unset(name.to_owned())),
    }
}

/// The variable's value, or what stands in the file that `NAME_FILE` names, without the line's end.
fn variable(name: &str, lookup: Lookup<'_>, secrets: &mut Vec<PathBuf>) -> Result<Option<String>, Gap> {
    let value = lookup(name);
    if value.as_ref().is_some_and(|value| !value.is_empty()) {
        return Ok(value);
    }
    let Some(path) = lookup(&format!("{name}_FILE")).filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(value);
    };
    let text = secret(&path).map_err(|why| Gap::File { name: name.to_owned(), path: path.clone(), why })?;
    secrets.push(path);
    Ok(Some(text))
}

fn secret(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = || std::fs::File::open(path)?.take(LONGEST_SECRET + 1).read_to_string(&mut text);
    let read = asked::of(path, read).map_err(|error| error.to_string())?;
    if u64::try_from(read).is_ok_and(|length| length > LONGEST_SECRET) {
        return Err("it is too large".to_owned());
    }
    let end = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(end);
    Ok(text)
}

/// What an unquoted, filled-in value means: numbers, booleans and nothing at all are themselves again.
pub(super) fn retype(text: String) -> Value {
    match text.as_str() {
        "" | "~" | "null" => return Value::Null,
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(integer) = text.parse::<i64>() {
        return integer.into();
    }
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    let float = text.parse().ok().filter(|_| numeric).and_then(Number::from_f64);
    float.map_or(Value::String(text), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "PORT" => Some("8082".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn what_is_filled_in() {
        let cases = [
            ("plain", None),
            ("$PORT costs $5", None),
            ("http://a:${PORT}/${PATH_:-health}", Some("http://a:8082/health")),
            ("${EMPTY}|${EMPTY:-x}|${NO:-}", Some("|x|")),
            ("$${PORT} ${PORT}", Some("${PORT} 8082")),
        ];
        for (text, expected) in cases {
            assert_eq!(fill(text, &lookup, &mut Vec::new()).expect(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be() {
        let cases = [
            ("${NO}", Gap::Unset("NO".into())),
            ("a${PORT", Gap::Unclosed),
            ("${}", Gap::Name(String::new())),
            ("${1st}", Gap::Name("1st".into())),
        ];
        for (text, expected) in cases {
            assert_eq!(fill(text, &lookup, &mut Vec::new()), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_secret_may_stand_in_a_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        std::fs::write(&path, "s3cret\n").expect("written");
        let lookup = |name: &str| match name {
            "TOKEN_FILE" | "BOTH_FILE" => Some(path.display().to_string()),
            "BOTH" => Some("x".to_owned()),
            "GONE_FILE" => Some("/nowhere/at/all".to_owned()),
            _ => None,
        };
        let mut read = Vec::new();
        assert_eq!(fill("a ${TOKEN}", &lookup, &mut read).expect("filled").as_deref(), Some("a s3cret"));
        assert_eq!(read, std::slice::from_ref(&path));
        assert_eq!(fill("${BOTH}", &lookup, &mut read).expect("filled").as_deref(), Some("x"), "the variable itself comes first");
        assert!(matches!(fill("${GONE:-x}", &lookup, &mut read), Err(Gap::File { .. })));
    }

    #[test]
    fn an_unquoted_value_gets_its_type_back() {
        use serde_json::json;
        let cases = [("8082", json!(8082)), ("0.5", json!(0.5)), ("true", json!(true)), ("", json!(null)), ("inf", json!("inf"))];
        for (text, expected) in cases {
            assert_eq!(retype(text.to_owned()), expected, "{text}");
        }
    }
}
