//! What of a server's entry, and of the files that it names, must not be shown.

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::shell::secrets::credentials::passwords;
use crate::shell::secrets::{is_secret, may_be_secret};
use crate::shell::text::decoded;

/// Keys whose value is a URL that a check asks.
const URLS: [&str; 3] = ["url", "endpoint", "health_url"];

/// The most that is read of a file with a secret in it: more than any server takes in a header.
const SECRET_FILE_BYTES: u64 = 64 * 1024;

/// The same of a file of variables: there are many in one.
const ENVIRONMENT_FILE_BYTES: u64 = 256 * 1024;

/// A value that must not be shown, or where such values stand.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    Value(Box<str>),
    File(PathBuf),
    /// Of `NAME=value` lines.
    Environment(PathBuf),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value(..)"),
            Self::File(path) | Self::Environment(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Everything below `env` and `headers`, everything whose key says so, what stands in queries, and the files that `header_files` and keys
/// ending in `_file` name.
pub(super) fn collect(value: &Value, directory: &Path, secrets: &mut Vec<Secret>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::Object(inner) if key == "env" || key == "headers" => {
                        let given = inner.iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
                        let hidden = given.filter(|(name, value)| key == "headers" || !is_harmless(name, value));
                        secrets.extend(hidden.map(|(_, text)| Secret::Value(text.into())));
                        let given = inner.values().filter_map(Value::as_str);
                        secrets.extend(given.flat_map(passwords).map(|text| Secret::Value(text.into())));
                        collect(value, directory, secrets);
                    }
                    Value::Object(inner) if key == "header_files" => {
                        let paths = inner.values().filter_map(Value::as_str);
                        secrets.extend(paths.map(|path| Secret::File(directory.join(path))));
                    }
                    Value::String(path) if key == "env_file" => secrets.push(Secret::Environment(directory.join(path))),
                    Value::String(path) if key.ends_with("_file") => secrets.push(Secret::File(directory.join(path))),
                    Value::String(url) if URLS.contains(&key.as_str()) => secrets.extend(in_query(url).map(Secret::Value)),
                    Value::Array(words) if key == "args" || key == "command" => {
                        secrets.extend(after_flags(words).map(Secret::Value));
                    }
                    Value::String(text) if is_secret(key) => secrets.push(Secret::Value(text.as_str().into())),
                    _ => collect(value, directory, secrets),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, directory, secrets)),
        _ => {}
    }
}

/// Of a program's arguments those that a flag or a variable's name calls a secret: `--key X`, `--key=X`, `KEY=X`. What is a path is none.
fn after_flags(words: &[Value]) -> impl Iterator<Item = Box<str>> {
    let is_named = |name: &str| !name.ends_with("tokens") && is_secret(name.trim_start_matches('-'));
    let is_flag = move |word: &str| word.starts_with('-') && is_named(word);
    let is_path = |value: &&str| ["/", "./", "../", "~/"].iter().any(|root| value.starts_with(root));
    let before = std::iter::once(None).chain(words.iter().map(Value::as_str));
    let values = words.iter().zip(before).filter_map(move |(word, before)| {
        let word = word.as_str()?;
        match word.split_once('=') {
            Some((name, value)) if is_named(name) => Some(value),
            _ if before.is_some_and(is_flag) && !word.starts_with("--") => Some(word),
            _ => None,
        }
    });
    values.filter(move |value| !is_path(value)).map(Box::from)
}

/// What stands in the query of a URL: keys, often.
fn in_query(url: &str) -> impl Iterator<Item = Box<str>> {
    let query = url.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or(query));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, value)| may_be_secret(name, value)).map(|(_, value)| value.into())
}

/// What many servers are given and say: a word, an address, a level. What its name calls a secret is one.
fn is_harmless(name: &str, value: &str) -> bool {
    let is_word = !value.is_empty() && value.len() < 12 && value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_address = value.parse::<SocketAddr>().is_ok() || value.parse::<IpAddr>().is_ok();
    !is_secret(name) && (is_word || is_address)
}

/// The lines of an environment file, as far as they are `NAME=value`; without quotes around the value.
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.trim().trim_start_matches("export "), value.trim().trim_matches(['"', '\''])))
}

/// What stands in a file with a secret. One that cannot be read has none that anybody could show, nor has one that is no text, such as a
/// certificate in binary form.
pub(super) fn read_secret(path: &Path) -> Option<String> {
    let bytes = read(path, SECRET_FILE_BYTES)?;
    (!bytes.contains(&0)).then(|| decoded(&bytes))
}

/// The values in a file of variables: also of one that has a key on several lines beside them, or what is no text.
pub(super) fn read_environment(path: &Path) -> Vec<String> {
    let Some(bytes) = read(path, ENVIRONMENT_FILE_BYTES) else { return Vec::new() };
    let text = decoded(&bytes);
    let values = pairs(&text).map(|(_, value)| value);
    values.flat_map(|value| std::iter::once(value).chain(passwords(value))).map(str::to_owned).collect()
}

fn read(path: &Path, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
