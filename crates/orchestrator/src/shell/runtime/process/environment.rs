//! Files of environment variables, in the form that `docker run --env-file` and systemd's `EnvironmentFile=` share.
//!
//! One `NAME=value` a line; empty lines and lines that begin with `#` say nothing; a value in quotes is meant without
//! them. Nothing is substituted. And what of our own environment is nobody else's.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use thiserror::Error;

use crate::shell::asked;

/// A file of variables that cannot be used. Values are never repeated: they may be secrets.
#[derive(Debug, Error)]
pub enum EnvironmentError {
    /// It cannot be read.
    #[error("cannot read the environment file \"{}\": {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is none.
    #[error("line {line} of the environment file \"{}\" is not NAME=value", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
}

/// What systemd tells a service is said to us: a child that took it for its own would speak for us, or wait for sockets that we have.
/// So are its own directories, its secrets, and who it is (`systemd.exec(5)`).
const OURS: [&str; 18] = [
    "NOTIFY_SOCKET",
    "FDSTORE",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "MAINPID",
    "SYSTEMD_EXEC_PID",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "CREDENTIALS_DIRECTORY",
    "STATE_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "CACHE_DIRECTORY",
    "LOGS_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
];

/// Takes what is meant for us alone out of what a child inherits. What is given to it on purpose is set afterwards.
pub fn keep_ours(command: &mut Command) {
    for name in OURS {
        command.env_remove(name);
    }
}

/// The variables of a file, in its order.
pub fn read(path: &Path) -> Result<Vec<(String, String)>, EnvironmentError> {
    let text = asked::of(path, || fs::read_to_string(path))
        .map_err(|source| EnvironmentError::Read { path: path.to_owned(), source })?;
    parse(&text).map_err(|line| EnvironmentError::Line { path: path.to_owned(), line })
}

/// The error is the number of the line.
fn parse(text: &str) -> Result<Vec<(String, String)>, usize> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let meant = numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    meant.map(|(number, line)| variable(line).ok_or(number)).collect()
}

fn variable(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.');
    (named && !value.contains('\0')).then(|| (name.to_owned(), unquoted(value.trim()).to_owned()))
}

fn unquoted(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_variables() {
        let text = "# a comment\n\nA=1\n export B = two words \nC=\"quoted # $A\"\nD='x'\nE=\nF=a=b\n";
        let pairs = [("A", "1"), ("B", "two words"), ("C", "quoted # $A"), ("D", "x"), ("E", ""), ("F", "a=b")];
        assert_eq!(parse(text).unwrap(), pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for (text, line) in [("A=1\nB", 2), ("=1", 1), ("A B=1", 1), ("A=\0", 1)] {
            assert_eq!(parse(text), Err(line), "{text:?}");
        }
    }

    #[test]
    fn a_wrong_line_is_named_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secrets");
        fs::write(&path, "A=1\nhunter2\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.starts_with("line 2 of the environment file") && !error.contains("hunter2"), "{error}");
        assert!(read(&directory.path().join("none")).unwrap_err().to_string().starts_with("cannot read"));
    }
}
