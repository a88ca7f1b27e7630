//! `orchestrator check-config`.

use std::path::PathBuf;

use orchestrator::shell::causes::causes;
use orchestrator::shell::config::{LoadError, Problem};
use orchestrator::shell::plan::{self, Plan};
use serde_json::{Value, json};

use super::args::CheckConfig;
use super::patience::patiently;
use super::{End, Outcome, misspelt_variables, print, variable, warn};

pub(super) fn run(arguments: &CheckConfig) -> Outcome {
    let (misspelt, read) = (misspelt_variables(), patiently(|| plan::check(&arguments.registry, &variable)));
    if arguments.json {
        print(&format!("{}\n", report(&read, &misspelt)))?;
        return Ok(if read.is_ok() { End::Fine } else { End::Configuration });
    }
    warn(&misspelt);
    let plan = read?;
    warn(&plan.loaded.warnings);
    print(&format!("{}: {}, no mistakes\n", listed(&arguments.registry), counted(plan.policies.len())))?;
    Ok(End::Fine)
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn counted(servers: usize) -> String {
    if servers == 1 { "1 server".to_owned() } else { format!("{servers} servers") }
}

fn report(read: &Result<Plan, LoadError>, misspelt: &[Problem]) -> Value {
    let warnings = |found: &[Problem]| located(&[misspelt, found].concat());
    match read {
        Ok(plan) => json!({
            "ok": true,
            "servers": plan.entries.iter().map(|entry| &entry.name).collect::<Vec<_>>(),
            "files": plan.watched(),
            "problems": [],
            "warnings": warnings(&plan.loaded.warnings),
        }),
        Err(LoadError::Invalid { problems, warnings: odd }) => {
            json!({ "ok": false, "problems": located(problems), "warnings": warnings(odd) })
        }
        Err(error) => json!({ "ok": false, "problems": [{ "message": causes(error) }], "warnings": warnings(&[]) }),
    }
}

fn located(problems: &[Problem]) -> Value {
    let one = |problem: &Problem| {
        json!({
            "path": problem.path, "variable": problem.variable, "line": problem.line, "column": problem.column,
            "pointer": problem.pointer, "message": problem.message, "help": problem.help,
        })
    };
    problems.iter().map(one).collect()
}
