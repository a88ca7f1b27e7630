//! `orchestrator status`, `why` and `healthcheck`.

use std::fmt::Write as _;

use health_spec::status::Observed;
use health_spec::{Phase, ServerView, Snapshot};
use orchestrator::shell::client::Question;
use orchestrator::shell::clock::wall;
use orchestrator::shell::view::{IN_THE_WAY, LAST_END};

use super::super::args::{Healthcheck, Status, Why};
use super::super::{End, Outcome, note, print};
use super::{ask, encoded, get, print_raw, printable};

pub(super) fn status(arguments: &Status) -> Outcome {
    let (snapshot, body) = get::<Snapshot>(&arguments.daemon, "/servers")?;
    if arguments.json {
        print_raw(&body)?;
    } else {
        print(&table(&snapshot))?;
        if let Some(error) = &snapshot.config_error {
            note(&format!(
                "warning: the changed configuration is rejected, the one before is in force:\n{}",
                printable_lines(error)
            ));
        }
    }
    Ok(worst(&snapshot.servers))
}

/// How the machine says that a stopped server is left alone, in each of its ways.
const STOPPED: [&str; 2] = ["it is not started again", "until it is unpaused"];

fn table(snapshot: &Snapshot) -> String {
    let width = snapshot.servers.iter().map(|view| view.name.chars().count()).max().unwrap_or(0).max(6);
    let mut table = format!("{:<width$}  {:<9} {:<11} WHY\n", "SERVER", "STATUS", "PHASE");
    for view in &snapshot.servers {
        let (name, why) = (printable(&view.name), printable(&reason(view)));
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{name:<width$}  {:<9} {:<11} {why}", view.status, view.phase);
    }
    table
}

fn reason(view: &ServerView) -> String {
    let of_check = || view.last_check.as_ref().and_then(|check| check.message.clone());
    let begins = |words: &str| view.why.evidence.iter().find(|line| line.starts_with(words)).cloned();
    let known = [begins(IN_THE_WAY).or_else(of_check), begins(LAST_END)].into_iter().flatten().collect::<Vec<_>>();
    // That nobody answers any more is no news of what was stopped.
    let stopped = (view.phase == Phase::Stopped).then(|| stopped(view));
    let why = stopped.or_else(|| (!known.is_empty()).then(|| known.join("; "))).or_else(|| view.reason.clone()).unwrap_or_default();
    let Some(paused) = &view.paused else { return why };
    let until = paused.until.map(|until| format!(" until {until:.0}")).unwrap_or_default();
    let paused = format!("paused{until} by {}", paused.by);
    if why.is_empty() { paused } else { format!("{paused}; {why}") }
}

/// Who or what stopped it: of what is said in evidence, the words on why it is left alone.
fn stopped(view: &ServerView) -> String {
    let says_so = |line: &&String| STOPPED.iter().any(|words| line.contains(words));
    view.why.evidence.iter().find(says_so).cloned().unwrap_or_else(|| "it was stopped".to_owned())
}

fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

fn worst(servers: &[ServerView]) -> End {
    let counted = || servers.iter().filter(|view| view.phase != Phase::Stopped);
    if counted().any(|view| view.status == Observed::Down) {
        return End::Down;
    }
    if counted().any(|view| view.status != Observed::Ok) { End::Degraded } else { End::Fine }
}

pub(super) fn why(arguments: &Why) -> Outcome {
    let (view, _) = get::<ServerView>(&arguments.daemon, &format!("/servers/{}", encoded(&arguments.name)))?;
    let text = if arguments.json { serde_json::to_string_pretty(&view.why)? + "\n" } else { explained(&view) };
    print(&text)?;
    Ok(End::Fine)
}

fn explained(view: &ServerView) -> String {
    let why = &view.why;
    let mut lines = vec![format!("{}: {} since {:.0}, {}", view.name, why.believes, view.since, view.phase)];
    lines.extend(why.lines(wall()).into_iter().map(|line| format!("  {line}")));
    lines.iter().map(|line| printable(line) + "\n").collect()
}

pub(super) fn healthcheck(arguments: &Healthcheck) -> Outcome {
    let (code, body) = ask(&arguments.daemon.url, "/health", Question::get())?;
    print_raw(&body)?;
    Ok(if code.is_success() { End::Fine } else { End::Failure })
}

#[cfg(test)]
mod tests {
    use health_spec::view::Why;

    use super::*;

    /// Invariant: how it ended, and that it cannot be looked at, is in the table.
    #[test]
    fn the_table_says_how_it_ended_and_what_is_in_the_way() {
        let said = |evidence: &[&str], phase| {
            let why = Why { evidence: evidence.iter().map(|&line| line.to_owned()).collect(), ..Why::default() };
            reason(&ServerView { why, phase, reason: Some("container_died".into()), ..ServerView::default() })
        };
        assert_eq!(said(&[], Phase::Down), "container_died");
        let ended = format!("{LAST_END}12:00:00 UTC, exit code 3");
        assert_eq!(said(&[&ended], Phase::Down), ended);
        let blind = format!("{IN_THE_WAY}the token file is empty");
        assert_eq!(said(&["something", &blind, &ended], Phase::Down), format!("{blind}; {ended}"));
        assert_eq!(said(&[&ended], Phase::Stopped), "it was stopped");
    }
}
