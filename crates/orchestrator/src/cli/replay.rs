//! `orchestrator replay`.

use std::collections::BTreeSet;

use orchestrator::shell::plan;
use orchestrator::sim::recording::Recording;
use orchestrator::sim::replay::{Difference, differences, other, replay};
use orchestrator::sim::{Line, Trace};
use serde_json::{Value, json};

use super::args::Replay;
use super::{End, Outcome, note, print, variable};

/// What a comparison cannot know.
const CAVEAT: &str = "servers answer as they did: one that a restart brought back comes back at that time also where the other policy makes no \
                      restart, and what a restart would have changed that was not made then nobody knows";

pub(super) fn run(arguments: &Replay) -> Outcome {
    let name = arguments.file.display();
    let bytes = std::fs::read(&arguments.file).map_err(|error| format!("{name} cannot be read: {error}"))?;
    // A torn last line may end within a character.
    let recording = Recording::read(&String::from_utf8_lossy(&bytes)).map_err(|error| format!("{name}: {error}"))?;
    if recording.torn {
        note(&format!("warning: {name}: the last line is torn, and left out"));
    }
    let invalid = |issues: Vec<orchestrator::machine::policy::Issue>| {
        let first = issues.into_iter().next().map_or_else(String::new, |issue| issue.message);
        format!("{name}: its configuration is not valid for this program: {first}")
    };
    let replayed = replay(&recording).map_err(invalid)?;
    let Some(config) = &arguments.config else {
        return same(arguments, replayed.told, replayed.differs_at, &replayed.trace);
    };
    let plan = plan::read(std::slice::from_ref(config), &variable, false)?;
    let judged: BTreeSet<&str> = plan.policies.iter().map(|policy| policy.name.as_str()).collect();
    compare_names(&config.display().to_string(), &recording.names().into_iter().collect(), &judged)?;
    let trace = other(&recording, &plan.policies);
    let mut differences = differences(&replayed.trace, &trace);
    // That the other policy says nothing of a server that it does not have was said above.
    differences.retain(|it| it.server().is_empty() || judged.contains(it.server()));
    print(&if arguments.json { lines(&differences) } else { shown(&differences, trace.end.0.as_secs_f64()) })?;
    if arguments.json {
        note(&format!("note: {CAVEAT}"));
    }
    Ok(End::Fine)
}

/// Says of which servers the two do not both know. Nothing can be compared when there is none of which they do.
fn compare_names(config: &str, recorded: &BTreeSet<&str>, judged: &BTreeSet<&str>) -> Result<(), String> {
    let missing: Vec<&str> = recorded.difference(judged).copied().collect();
    let found = recorded.len() - missing.len();
    let counted = format!("{config}: {found} of the {} recorded servers are in it", recorded.len());
    if found == 0 {
        return Err(format!("{counted}; give a configuration that has servers of the same names: {}", missing.join(", ")));
    }
    if !missing.is_empty() {
        note(&format!("warning: {counted}; these are left out: {}", missing.join(", ")));
    }
    for name in judged.difference(recorded) {
        note(&format!(
            "warning: {name} is not in the recording: what it would have answered nobody knows, and it counts as well"
        ));
    }
    Ok(())
}

fn same(arguments: &Replay, told: usize, differs_at: Option<usize>, trace: &Trace) -> Outcome {
    if arguments.json {
        let mut lines: Vec<_> = trace.lines.iter().map(|line| line.json().to_string()).collect();
        lines.push(json!({ "told": told, "differs_at": differs_at }).to_string());
        print(&(lines.join("\n") + "\n"))?;
    } else if let Some(line) = differs_at {
        print(&format!("{told} inputs; from line {line} on this program decides otherwise than the one that recorded\n"))?;
    } else {
        print(&format!("{told} inputs, the same decisions to the bit\n"))?;
    }
    Ok(if differs_at.is_some() { End::Failure } else { End::Fine })
}

fn lines(differences: &[Difference<'_>]) -> String {
    let json = |line: Option<&Line>| line.map_or(Value::Null, Line::json);
    let of = |it: &Difference<'_>| {
        let (server, change, recorded, other) = (it.server(), it.change(), json(it.recorded), json(it.other));
        format!("{}\n", json!({ "server_name": server, "change": change, "recorded": recorded, "other": other }))
    };
    differences.iter().map(of).collect()
}

/// `end`: when the recording ends, in seconds.
fn shown(differences: &[Difference<'_>], end: f64) -> String {
    if differences.is_empty() {
        return "the other policy would have decided the same\n".to_owned();
    }
    let mut lines = vec!["with the other policy: + appears, - vanishes, ~ moves".to_owned()];
    for server in differences.chunk_by(|one, next| one.server() == next.server()) {
        let name = server.first().map_or("", Difference::server);
        lines.push(format!("\n{}", if name.is_empty() { "the monitor" } else { name }));
        lines.extend(server.iter().map(text));
    }
    lines.push(format!("\n{CAVEAT}"));
    lines.push(format!("the recording ends at {end:.3} s; what would have come later nobody knows"));
    lines.join("\n") + "\n"
}

fn text(difference: &Difference<'_>) -> String {
    match (difference.recorded, difference.other) {
        (Some(was), Some(is)) => format!("~ {}   was at {} s", is.text(), was.at.0.as_secs_f64()),
        (Some(was), None) => format!("- {}", was.text()),
        (None, is) => format!("+ {}", is.map_or_else(String::new, Line::text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_without_the_recorded_servers_is_said_to_be_one() {
        let of = |names: &[&'static str]| names.iter().copied().collect::<BTreeSet<_>>();
        let error = compare_names("new.yaml", &of(&["a", "b"]), &of(&["c"])).expect_err("nothing to compare");
        assert!(error.starts_with("new.yaml: 0 of the 2 recorded servers are in it") && error.ends_with(": a, b"), "{error}");
        compare_names("new.yaml", &of(&["a", "b"]), &of(&["b"])).expect("one to compare");
    }
}
