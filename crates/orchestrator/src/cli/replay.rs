//! `orchestrator replay`.

use orchestrator::shell::plan;
use orchestrator::sim::recording::Recording;
use orchestrator::sim::replay::{differences, other, replay};
use orchestrator::sim::{Line, Trace};
use serde_json::{Value, json};

use super::args::Replay;
use super::{End, Outcome, variable};

/// Of each column.
const WIDTH: usize = 72;

pub(super) fn run(arguments: &Replay) -> Outcome {
    let name = arguments.file.display();
    let text = std::fs::read_to_string(&arguments.file).map_err(|error| format!("{name} cannot be read: {error}"))?;
    let recording = Recording::read(&text).map_err(|error| format!("{name}: {error}"))?;
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
        for (left, right) in differences {
            println!("{}", json!({ "recorded": json(left), "other": json(right) }));
        }
        return;
    }
    if differences.is_empty() {
        println!("the other policy would have decided the same");
        return;
    }
    println!("{:<WIDTH$} | the other policy", "as recorded");
    for (left, right) in differences {
        let text = |line: Option<&Line>| line.map_or_else(String::new, Line::text);
        println!("{:<WIDTH$} | {}", text(left), text(right));
    }
}
