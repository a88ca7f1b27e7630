//! What a configuration names and this machine does not have: programs, directories, users, files of variables.
//!
//! Warnings and no mistakes: a file may be checked on another machine than the one that it is for. Of what `run` does not start without,
//! the warning says so.

use super::{Plan, directory_at};
use crate::shell::config::{Problem, in_order};
use crate::shell::hook;
use crate::shell::runtime::process::program::{Missing, Program};

/// The plan with a warning for everything that is missing.
pub(super) fn warned(mut plan: Plan, environment: &dyn Fn(&str) -> Option<String>) -> Plan {
    let path = environment("PATH");
    let mut found = of_servers(&plan, path.as_deref());
    found.extend(hook::missing(&plan.loaded.file, &|pointer| directory_at(&plan.loaded, pointer), path.as_deref()));
    let located = |(pointer, missing): (String, Missing)| -> Problem {
        plan.loaded.places.problem(&pointer, missing.text, Some(missing.help.to_owned()))
    };
    let found: Vec<_> = found.into_iter().map(located).collect();
    plan.loaded.warnings = in_order([plan.loaded.warnings, found].concat());
    plan
}

fn of_servers(plan: &Plan, path: Option<&str>) -> Vec<(String, Missing)> {
    let directory = plan.directory();
    let mut found = Vec::new();
    for supervised in plan.supervised.iter().filter(|supervised| supervised.is_process()) {
        let program = Program::of(&supervised.runtime, &directory, None);
        let missing = program.map(|program| program.missing(path)).unwrap_or_default();
        let pointer = |key| format!("/servers/{}/runtime/{key}", supervised.entry);
        found.extend(missing.into_iter().map(|missing| (pointer(missing.key), missing)));
    }
    found
}
