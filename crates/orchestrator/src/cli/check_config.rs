//! `orchestrator check-config`.

use orchestrator::shell::config::{LoadError, Problem};
use orchestrator::shell::plan;
use serde_json::{Value, json};

use super::args::CheckConfig;
use super::{End, Outcome, environment};

pub(super) fn run(arguments: &CheckConfig) -> Outcome {
    let read = plan::read(&arguments.registry, &environment, false);
    if arguments.json {
        let (problems, warnings) = match &read {
            Ok(plan) => (listed(&[]), listed(&plan.loaded.warnings)),
            Err(LoadError::Invalid(problems)) => (listed(problems), listed(&[])),
            Err(error) => (json!([{ "message": orchestrator::shell::causes::causes(error) }]), listed(&[])),
        };
        println!("{}", json!({ "problems": problems, "warnings": warnings }));
        return Ok(if read.is_ok() { End::Fine } else { End::Configuration });
    }
    let plan = read?;
    for warning in &plan.loaded.warnings {
        eprintln!("warning: {warning}");
    }
    println!("{}: {} servers, no mistakes", arguments.registry.display(), plan.policies.len());
    Ok(End::Fine)
}

fn listed(problems: &[Problem]) -> Value {
    let one = |problem: &Problem| {
        json!({
            "path": problem.path, "line": problem.line, "column": problem.column, "pointer": problem.pointer,
            "message": problem.message, "help": problem.help,
        })
    };
    problems.iter().map(one).collect()
}
