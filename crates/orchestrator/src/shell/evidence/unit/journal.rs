//! The lines of a unit, as `journalctl` has them: of the units of this machine, and of no other.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use super::super::found::{Deadline, RawLine, Want};
use crate::shell::runtime::systemd::bus::Bus;

/// Where the lines of a unit are.
#[derive(Clone, Debug)]
pub(super) struct Journal<'a> {
    unit: &'a str,
    /// Of the user's manager.
    user: bool,
    is_here: bool,
    program: PathBuf,
}

impl<'a> Journal<'a> {
    /// Of a unit of the manager on this bus.
    pub(super) fn of(bus: &Bus, unit: &'a str) -> Self {
        let (user, is_here) = (bus.written() == "user", bus.is_of_this_machine());
        Self { unit, user, is_here, program: "journalctl".into() }
    }

    /// What somebody types who wants to see more.
    pub(super) fn command(&self) -> String {
        format!("journalctl {}-u {}", if self.user { "--user " } else { "" }, self.unit)
    }

    /// `None`: they are not here.
    pub(super) async fn lines(&self, want: Want, deadline: Deadline) -> Option<Result<Vec<RawLine>, String>> {
        if self.is_here { Some(self.read(want, deadline).await) } else { None }
    }

    async fn read(&self, want: Want, deadline: Deadline) -> Result<Vec<RawLine>, String> {
        let (count, most) = match want {
            Want::Nothing => return Ok(vec![]),
            Want::Last(most) => (most.to_string(), most),
            // Of the present run of the unit.
            Want::FirstSinceStart { most, .. } => ("200".to_owned(), most),
        };
        let arguments =
            ["--unit", self.unit, "--no-pager", "--quiet", "--output", "short-iso", "--lines", &count].map(str::to_owned);
        let text = self.run(&arguments, deadline).await?;
        let mut lines: Vec<_> =
            text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| RawLine::stamped(line, None)).collect();
        if matches!(want, Want::FirstSinceStart { .. }) {
            let start = lines.iter().rposition(|line| String::from_utf8_lossy(&line.text).contains("Started ")).unwrap_or(0);
            lines.drain(..start);
            lines.truncate(most);
        }
        Ok(lines)
    }

    async fn run(&self, arguments: &[String], deadline: Deadline) -> Result<Vec<u8>, String> {
        let mut command = Command::new(&self.program);
        command.args(self.user.then_some("--user")).args(arguments).env("LC_ALL", "C").env("TZ", "UTC");
        command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let ran = tokio::time::timeout_at(deadline.at(), command.output()).await;
        let ran = ran.map_err(|_| "journalctl does not end".to_owned())?;
        let output = ran.map_err(|error| format!("cannot run journalctl: {error}"))?;
        if output.status.success() { Ok(output.stdout) } else { Err(format!("journalctl fails: {}", output.status)) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A stand-in for `journalctl`.
    fn program(directory: &tempfile::TempDir, script: &str) -> PathBuf {
        // Written elsewhere: a file that is still open for writing somewhere cannot be run.
        let (path, text) = (directory.path().join("journalctl"), format!("#!/bin/sh\n{script}\n"));
        let written = std::process::Command::new("/bin/sh")
            .args(["-c", "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .arg(text)
            .status();
        assert!(written.expect("a shell").success());
        path
    }

    async fn read(bus: &str, program: PathBuf, want: Want) -> Option<Result<Vec<String>, String>> {
        let journal = Journal { program, ..Journal::of(&Bus::new(bus), "a.service") };
        let lines = journal.lines(want, Deadline::within(Duration::from_secs(30))).await;
        let text = |line: RawLine| String::from_utf8_lossy(&line.text).into_owned();
        lines.map(|lines| lines.map(|lines| lines.into_iter().map(text).collect()))
    }

    #[tokio::test]
    async fn the_last_lines_of_a_unit_are_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let program = program(&directory, "echo '2026-01-02T03:04:05+0000 host a[7]: one'; echo \"two $*\"");
        let lines = read("user", program.clone(), Want::Last(5)).await.expect("they are here").expect("lines");
        assert_eq!(lines[0], "host a[7]: one");
        assert!(lines[1].starts_with("two --user --unit a.service ") && lines[1].contains("--lines 5"), "{lines:?}");
        assert_eq!(Journal::of(&Bus::new("user"), "a.service").command(), "journalctl --user -u a.service");
        let lines = read("system", program.clone(), Want::Last(5)).await.expect("they are here").expect("lines");
        assert!(lines[1].starts_with("two --unit a.service "), "{lines:?}");
        assert_eq!(read("unix:path=/nowhere", program, Want::Last(5)).await, None, "a unit of another machine is asked about");
    }

    #[tokio::test]
    async fn the_first_lines_are_those_since_the_last_start() {
        let directory = tempfile::tempdir().expect("a directory");
        let program = program(&directory, "for line in old 'Started a.' one two; do echo \"$line\"; done");
        let lines = read("system", program, Want::FirstSinceStart { most: 2, mark: None }).await.expect("they are here");
        assert_eq!(lines.expect("lines"), ["Started a.", "one"]);
    }

    #[tokio::test]
    async fn where_it_is_not_installed_or_fails_that_is_said() {
        let directory = tempfile::tempdir().expect("a directory");
        let missing = read("system", directory.path().join("journalctl"), Want::Last(5)).await.expect("they are here");
        assert!(missing.expect_err("there is none").starts_with("cannot run journalctl: "));
        let failing = read("system", program(&directory, "exit 1"), Want::Last(5)).await.expect("they are here");
        assert!(failing.expect_err("it fails").starts_with("journalctl fails: "));
    }
}
