//! What systemd knows of a unit: its state by `systemctl show`, its lines by `journalctl`. Where they are not installed, where to look is said.

use std::process::Stdio;

use health_spec::incident::RuntimeState;
use tokio::process::Command;

use super::found::{Deadline, Found, RawLine, Want};

/// What is asked about a unit.
const PROPERTIES: &str = "ActiveState,SubState,Result,ExecMainStatus,NRestarts,MainPID,MemoryMax,FragmentPath,InvocationID";

/// Looks at a unit of the system's manager, or of the user's.
pub(super) async fn look(unit: &str, user: bool, want: Want, deadline: Deadline) -> Found {
    let mut found =
        Found { log_source: format!("journalctl {}-u {unit}", if user { "--user " } else { "" }), ..Found::default() };
    let question = ["show", unit, "--property", PROPERTIES];
    let (shown, lines) = tokio::join!(run("systemctl", user, &question, deadline), lines(unit, user, want, deadline));
    if let Some(text) = found.part("unit", shown) {
        let text = String::from_utf8_lossy(&text).into_owned();
        for name in ["FragmentPath", "NRestarts"] {
            found.facts.extend(value(&text, name).map(|value| (format!("unit.{name}"), value.to_owned())));
        }
        found.state = Some(state(unit, &text));
    }
    let journal = found.log_source.clone();
    found.lines = found.part("logs", lines.map_err(|error| format!("{error}; where it is installed, `{journal}` has them")));
    found
}

async fn lines(unit: &str, user: bool, want: Want, deadline: Deadline) -> Result<Vec<RawLine>, String> {
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
    let text = run("journalctl", user, &arguments, deadline).await?;
    let mut lines: Vec<_> =
        text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| RawLine::stamped(line, None)).collect();
    if matches!(want, Want::FirstSinceStart { .. }) {
        let start = lines.iter().rposition(|line| String::from_utf8_lossy(&line.text).contains("Started ")).unwrap_or(0);
        lines.drain(..start);
        lines.truncate(most);
    }
    Ok(lines)
}

async fn run(program: &str, user: bool, arguments: &[&str], deadline: Deadline) -> Result<Vec<u8>, String> {
    let mut command = Command::new(program);
    command.args(user.then_some("--user")).args(arguments).env("LC_ALL", "C").env("TZ", "UTC");
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let ran = tokio::time::timeout_at(deadline.at(), command.output()).await;
    let output = ran.map_err(|_| format!("{program} does not end"))?.map_err(|error| format!("cannot run {program}: {error}"))?;
    if output.status.success() { Ok(output.stdout) } else { Err(format!("{program} fails: {}", output.status)) }
}

fn state(unit: &str, text: &str) -> RuntimeState {
    let word = |name: &str| value(text, name);
    let number = |name: &str| word(name).and_then(|value| value.parse().ok());
    let pid = number("MainPID").filter(|pid: &u64| *pid > 0);
    let active = word("ActiveState").unwrap_or("unknown");
    let result = word("Result").filter(|result| *result != "success");
    RuntimeState {
        kind: "systemd".to_owned(),
        name: unit.to_owned(),
        id: pid.map(|pid| pid.to_string()),
        running: Some(active == "active"),
        status: Some(format!("{active} ({})", word("SubState").unwrap_or("?"))),
        exit_code: word("ExecMainStatus").filter(|_| pid.is_none()).and_then(|code| code.parse().ok()),
        oom_killed: result.map(|result| result == "oom-kill"),
        memory_limit_bytes: number("MemoryMax"),
        restarts: number("NRestarts"),
        error: result.map(|result| format!("result {result}")),
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
        let text = "ActiveState=failed\nSubState=failed\nResult=oom-kill\nExecMainStatus=9\nNRestarts=3\nMainPID=0\nMemoryMax=infinity\n";
        let state = state("a.service", text);
        assert_eq!((state.status.as_deref(), state.running), (Some("failed (failed)"), Some(false)));
        assert_eq!((state.exit_code, state.oom_killed, state.restarts), (Some(9), Some(true), Some(3)));
        assert_eq!((state.memory_limit_bytes, state.error.as_deref()), (None, Some("result oom-kill")));
    }

    #[tokio::test]
    async fn where_systemd_is_not_installed_that_is_said() {
        let deadline = Deadline::within(Duration::from_secs(30));
        let found = look("no-such-unit-of-ours.service", false, Want::Last(5), deadline).await;
        assert!(found.state.is_some() || found.missing.iter().any(|line| line.starts_with("unit: ")), "{found:?}");
        assert!(
            found.lines.is_some() || found.missing.iter().any(|line| line.contains("journalctl -u no-such-unit")),
            "{found:?}"
        );
    }
}
