//! What systemd knows of a unit: its state by `systemctl show`, its lines by `journalctl`. Where they are not installed, where to look is said.

use std::path::Path;
use std::process::Stdio;

use health_spec::incident::RuntimeState;
use tokio::process::Command;

use super::container::MOST_NAMES;
use super::facts::word;
use super::found::{Deadline, Found, RawLine, Want};
use crate::shell::secrets::{digest, may_be_secret};

/// What is asked about a unit.
const PROPERTIES: &str =
    "ActiveState,SubState,Result,ExecMainCode,ExecMainStatus,NRestarts,MainPID,MemoryMax,FragmentPath,Environment";

/// How a process ended, in the kernel's words (`waitid`): killed, and killed with a core dump.
const BY_SIGNAL: [&str; 2] = ["2", "3"];

/// Where the programs are that are asked.
#[derive(Clone, Copy, Debug)]
struct Programs<'a> {
    /// `None`: where programs are.
    directory: Option<&'a Path>,
    /// Of the user's manager.
    user: bool,
    deadline: Deadline,
}

/// Looks at a unit of the system's manager, or of the user's.
pub(super) async fn look(unit: &str, user: bool, want: Want, deadline: Deadline) -> Found {
    ask(unit, want, Programs { directory: None, user, deadline }).await
}

async fn ask(unit: &str, want: Want, programs: Programs<'_>) -> Found {
    let user = if programs.user { "--user " } else { "" };
    let mut found = Found { log_source: format!("journalctl {user}-u {unit}"), ..Found::default() };
    let question = ["show", unit, "--property", PROPERTIES];
    let (shown, lines) = tokio::join!(programs.run("systemctl", &question), lines(unit, want, programs));
    if let Some(text) = found.part("unit", shown) {
        let text = String::from_utf8_lossy(&text).into_owned();
        for name in ["FragmentPath", "NRestarts"] {
            found.facts.extend(value(&text, name).map(|value| (format!("unit.{name}"), value.to_owned())));
        }
        let environment = value(&text, "Environment").unwrap_or_default();
        let pairs = pairs(environment);
        found.facts.insert("unit.environment".to_owned(), format!("{} variables ({})", pairs.len(), digest(environment)));
        let secret = pairs.iter().filter(|(name, value)| may_be_secret(name, value));
        found.secrets.extend(secret.map(|(_, value)| value.clone()));
        let mut names: Vec<_> = pairs.iter().map(|(name, _)| word(name)).collect();
        names.sort_unstable();
        names.truncate(MOST_NAMES);
        found.state = Some(RuntimeState { environment: names, ..state(unit, &text) });
    }
    let journal = found.log_source.clone();
    found.lines = found.part("logs", lines.map_err(|error| format!("{error}; where it is installed, `{journal}` has them")));
    found
}

async fn lines(unit: &str, want: Want, programs: Programs<'_>) -> Result<Vec<RawLine>, String> {
    let count;
    let (order, most) = match want {
        Want::Nothing => return Ok(vec![]),
        Want::Last(most) => {
            count = most.to_string();
            (["--lines", &count], most)
        }
        // Of the present run of the unit.
        Want::FirstSinceStart { most, .. } => (["--lines", "200"], most),
    };
    let mut arguments = vec!["--unit", unit, "--no-pager", "--quiet", "--output", "short-iso"];
    arguments.extend(order);
    let text = programs.run("journalctl", &arguments).await?;
    let mut lines: Vec<_> =
        text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| RawLine::stamped(line, None)).collect();
    if matches!(want, Want::FirstSinceStart { .. }) {
        let start = lines.iter().rposition(|line| String::from_utf8_lossy(&line.text).contains("Started ")).unwrap_or(0);
        lines.drain(..start);
        lines.truncate(most);
    }
    Ok(lines)
}

impl Programs<'_> {
    async fn run(self, program: &str, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let path = self.directory.map_or_else(|| program.into(), |directory| directory.join(program));
        let mut command = Command::new(path);
        command.args(self.user.then_some("--user")).args(arguments).env("LC_ALL", "C").env("TZ", "UTC");
        command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let ran = tokio::time::timeout_at(self.deadline.at(), command.output()).await;
        let ran = ran.map_err(|_| format!("{program} does not end"))?;
        let output = ran.map_err(|error| format!("cannot run {program}: {error}"))?;
        if output.status.success() { Ok(output.stdout) } else { Err(format!("{program} fails: {}", output.status)) }
    }
}

/// The words of an environment as systemd writes it: `A=1 "B=two words" C=\"x`, as far as they are `NAME=value`.
fn pairs(text: &str) -> Vec<(String, String)> {
    let (mut words, mut current) = (Vec::new(), String::new());
    let (mut quoted, mut characters) = (false, text.chars());
    while let Some(character) = characters.next() {
        match character {
            '\\' => current.extend(characters.next()),
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut current)),
            other => current.push(other),
        }
    }
    words.push(current);
    words.iter().filter_map(|word| word.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn state(unit: &str, text: &str) -> RuntimeState {
    let word = |name: &str| value(text, name);
    let number = |name: &str| word(name).and_then(|value| value.parse().ok());
    let pid = number("MainPID").filter(|pid: &u64| *pid > 0);
    let active = word("ActiveState").unwrap_or("unknown");
    let result = word("Result").filter(|result| *result != "success");
    let status = word("ExecMainStatus").filter(|_| pid.is_none());
    let (by_signal, exit_code) = if word("ExecMainCode").is_some_and(|code| BY_SIGNAL.contains(&code)) {
        (status.map(|signal| format!("ended by signal {signal}")), None)
    } else {
        (None, status.and_then(|code| code.parse().ok()))
    };
    let error: Vec<_> = result.map(|result| format!("result {result}")).into_iter().chain(by_signal).collect();
    RuntimeState {
        kind: "systemd".to_owned(),
        name: unit.to_owned(),
        id: pid.map(|pid| pid.to_string()),
        running: Some(active == "active"),
        status: Some(format!("{active} ({})", word("SubState").unwrap_or("?"))),
        exit_code,
        oom_killed: result.map(|result| result == "oom-kill"),
        memory_limit_bytes: number("MemoryMax"),
        restarts: number("NRestarts"),
        error: (!error.is_empty()).then(|| error.join(", ")),
        ..RuntimeState::default()
    }
}

/// systemd writes what is not set as nothing.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_systemd_shows_is_read() {
        let text = "ActiveState=failed\nSubState=failed\nResult=oom-kill\nExecMainCode=2\nExecMainStatus=9\nNRestarts=3\nMainPID=0\nMemoryMax=infinity\n";
        let killed = state("a.service", text);
        assert_eq!((killed.status.as_deref(), killed.running), (Some("failed (failed)"), Some(false)));
        assert_eq!((killed.exit_code, killed.oom_killed, killed.restarts), (None, Some(true), Some(3)), "9 is a signal");
        assert_eq!((killed.memory_limit_bytes, killed.error.as_deref()), (None, Some("result oom-kill, ended by signal 9")));
        let ended = state("a.service", &text.replace("ExecMainCode=2", "ExecMainCode=1").replace("oom-kill", "exit-code"));
        assert_eq!((ended.exit_code, ended.error.as_deref()), (Some(9), Some("result exit-code")));
    }

    #[test]
    fn an_environment_is_read_as_systemd_writes_it() {
        let found = pairs(r#"PLAIN=1 "TWO=a b" QUOTED=\"x\" EMPTY= odd"#);
        let expected = [("PLAIN", "1"), ("TWO", "a b"), ("QUOTED", "\"x\""), ("EMPTY", "")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    /// Stand-ins for both programs.
    fn programs(systemctl: &str, journalctl: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, script) in [("systemctl", systemctl), ("journalctl", journalctl)] {
            // Written elsewhere: a file that is still open for writing somewhere cannot be run.
            let (path, text) = (directory.path().join(name), format!("#!/bin/sh\n{script}\n"));
            let options = std::process::Command::new("/bin/sh")
                .args(["-c", "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\""])
                .arg(&path)
                .arg(text)
                .status();
            assert!(options.expect("a shell").success());
        }
        directory
    }

    #[tokio::test]
    async fn a_unit_is_asked_about_and_its_last_lines_are_read() {
        let shows = "echo ActiveState=active; echo SubState=running; echo MainPID=7; echo 'Environment=API_TOKEN=hunter2hunter2 MODE=x'; \
                     echo \"FragmentPath=$*\"";
        let prints = "echo '2026-01-02T03:04:05+0000 host a[7]: one'; echo \"two $*\"";
        let directory = programs(shows, prints);
        let deadline = Deadline::within(Duration::from_secs(30));
        let programs = Programs { directory: Some(directory.path()), user: true, deadline };
        let found = ask("a.service", Want::Last(5), programs).await;
        let state = found.state.expect("a state");
        assert_eq!(
            (state.running, state.id.as_deref(), state.environment.join(" ")),
            (Some(true), Some("7"), "API_TOKEN MODE".into())
        );
        assert_eq!(found.secrets, ["hunter2hunter2"]);
        assert!(
            found.facts["unit.FragmentPath"].starts_with("--user show a.service --property ActiveState,"),
            "{:?}",
            found.facts
        );
        let lines: Vec<_> =
            found.lines.expect("lines").into_iter().map(|line| String::from_utf8_lossy(&line.text).into_owned()).collect();
        assert!(lines[1].starts_with("two --user --unit a.service ") && lines[1].contains("--lines 5"), "{lines:?}");
        assert_eq!(found.log_source, "journalctl --user -u a.service");
    }

    #[tokio::test]
    async fn where_systemd_is_not_installed_that_is_said() {
        let directory = tempfile::tempdir().expect("a directory");
        let deadline = Deadline::within(Duration::from_secs(30));
        let found = ask("a.service", Want::Last(5), Programs { directory: Some(directory.path()), user: false, deadline }).await;
        assert!(found.state.is_none() && found.lines.is_none(), "{found:?}");
        let [unit, logs] = &found.missing[..] else { panic!("{:?}", found.missing) };
        assert!(unit.starts_with("unit: cannot run systemctl: "), "{unit}");
        assert!(
            logs.starts_with("logs: cannot run journalctl: ") && logs.contains("`journalctl -u a.service` has them"),
            "{logs}"
        );
        let refusing = programs("exit 4", "exit 1");
        let found = ask("a.service", Want::Last(5), Programs { directory: Some(refusing.path()), user: false, deadline }).await;
        assert!(found.missing[0].starts_with("unit: systemctl fails: ") && found.lines.is_none(), "{:?}", found.missing);
    }
}
