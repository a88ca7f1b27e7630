//! `orchestrator replay`.

use std::collections::BTreeSet;

use orchestrator::shell::plan;
use orchestrator::sim::recording::Recording;
use orchestrator::sim::replay::{Difference, differences, other, replay};
use orchestrator::sim::{Line, Trace};
use serde_json::{Value, json};

use super::args::Replay;
use super::{End, Outcome, variable};

pub(super) fn run(arguments: &Replay) -> Outcome {
    let name = arguments.file.display();
    let bytes = std::fs::read(&arguments.file).map_err(|error| format!("{name} cannot be read: {error}"))?;
    // A torn last line may end within a character.
    let recording = Recording::read(&String::from_utf8_lossy(&bytes)).map_err(|error| format!("{name}: {error}"))?;
    if recording.torn {
        eprintln!("warning: {name}: the last line is torn, and left out");
    }
    let invalid = |issues: Vec<orchestrator::machine::policy::Issue>| {
        let first = issues.into_iter().next().map_or_else(String::new, |issue| issue.message);
        format!("{name}: its configuration is not valid for this program: {first}")
    };
    let replayed = replay(&recording).map_err(invalid)?;
    let Some(config) = &arguments.config else {
        return Ok(same(arguments, replayed.told, replayed.differs_at, &replayed.trace));
    };
    let plan = plan::read(std::slice::from_ref(config), &variable, false)?;
    let known: BTreeSet<&str> = recording.names().into_iter().collect();
    for policy in plan.policies.iter().filter(|policy| !known.contains(policy.name.as_str())) {
        eprintln!(
            "warning: {} is not in the recording: what it would have answered nobody knows, and it counts as well",
            policy.name
        );
    }
    let trace = other(&recording, &plan.policies);
    show(arguments, &replayed.trace, &trace);
    Ok(End::Fine)
}

fn same(arguments: &Replay, told: usize, differs_at: Option<usize>, trace: &Trace) -> End {
    if arguments.json {
        trace.lines.iter().for_each(|line| println!("{}", line.json()));
        println!("{}", json!({ "told": told, "differs_at": differs_at }));
    } else if let Some(line) = differs_at {
        println!("{told} inputs; from line {line} on this program decides otherwise than the one that recorded");
    } else {
        println!("{told} inputs, the same decisions to the bit");
    }
    if differs_at.is_some() { End::Failure } else { End::Fine }
}

fn show(arguments: &Replay, before: &Trace, after: &Trace) {
    let differences = differences(before, after);
    if arguments.json {
        let json = |line: Option<&Line>| line.map_or(Value::Null, Line::json);
        for it in differences {
            let (server, change, recorded, other) = (it.server(), it.change(), json(it.recorded), json(it.other));
            println!("{}", json!({ "server_name": server, "change": change, "recorded": recorded, "other": other }));
        }
        return;
    }
    if differences.is_empty() {
        println!("the other policy would have decided the same");
        return;
    }
    println!("with the other policy: + appears, - vanishes, ~ moves");
    for server in differences.chunk_by(|one, next| one.server() == next.server()) {
        let name = server.first().map_or("", Difference::server);
        println!("\n{}", if name.is_empty() { "the monitor" } else { name });
        for difference in server {
            println!("{}", text(difference));
        }
    }
    println!("\nservers answer as they did: what an action would have changed that was not made at that time nobody knows");
    println!("the recording ends at {:.3} s; what would have come later nobody knows", after.end.0.as_secs_f64());
}

fn text(difference: &Difference<'_>) -> String {
    match (difference.recorded, difference.other) {
        (Some(was), Some(is)) => format!("~ {}   was at {} s", is.text(), was.at.0.as_secs_f64()),
        (Some(was), None) => format!("- {}", was.text()),
        (None, is) => format!("+ {}", is.map_or_else(String::new, Line::text)),
    }
}
