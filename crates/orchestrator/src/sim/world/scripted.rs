//! From a configuration with a `simulate` section to a world.

use health_spec::config::{File, Scene};

use super::{Setting, World};
use crate::machine::Mono;
use crate::machine::policy::{Issue, Purpose, compile, engines};
use crate::sim::twist::{Turn, Twist};

/// A maintenance window of one server. From when until when it is open, the shell's calendar says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The server.
    pub server: String,
    /// When it opens.
    pub from: Mono,
    /// When it closes.
    pub until: Mono,
}

impl World {
    /// The world that `file` describes, with these maintenance windows, or everything that is wrong with it.
    pub fn scripted(file: &File, setting: Setting, windows: &[Window]) -> Result<Self, Vec<Issue>> {
        let compiled = compile(file, Purpose::Simulate);
        let mut issues = compiled.as_ref().err().cloned().unwrap_or_default();
        let Some(simulate) = &file.simulate else {
            issues.push(no_script());
            return Err(issues);
        };
        for (index, scene) in simulate.script.iter().enumerate() {
            check(file, index, scene, &mut issues);
        }
        let policies = match compiled {
            Ok(policies) if issues.is_empty() => policies,
            _ => return Err(issues),
        };
        let mut agenda: Vec<_> = windows.iter().flat_map(opened_and_closed).collect();
        let engines = engines(file);
        agenda.extend(simulate.script.iter().filter_map(|scene| Turn::of_scene(scene, &engines)));
        agenda.sort_by_key(|turn| turn.at);
        Ok(Self::of(policies, agenda, Mono(simulate.duration_seconds.0), setting).traced())
    }
}

fn opened_and_closed(window: &Window) -> [Turn; 2] {
    let turn = |at, until| Turn { at, twist: Twist::Maintenance(window.server.clone(), until) };
    [turn(window.from, Some(window.until)), turn(window.until, None)]
}

fn check(file: &File, index: usize, scene: &Scene, issues: &mut Vec<Issue>) {
    let pointer = format!("/simulate/script/{index}");
    let of_server = [scene.becomes.is_some(), scene.dies.is_some(), scene.restart.is_some(), scene.operator.is_some()];
    let of_monitor = [scene.network.is_some(), scene.engine.is_some(), scene.state.is_some()];
    let does = of_server.iter().chain(&of_monitor).filter(|is| **is).count();
    if does != 1 {
        issues.push(Issue {
            pointer: pointer.clone(),
            message: format!("this scene does {does} things"),
            help: "exactly one of becomes, dies, restart, operator; or of network, engine, state, without a server".to_owned(),
        });
    }
    check_whom(file, &pointer, scene, (of_server.contains(&true), of_monitor.contains(&true)), issues);
    let engines = engines(file);
    if let Some(engine) = scene.engine.as_ref().filter(|scene| engines.iter().all(|engine| engine.name != scene.name)) {
        let known: Vec<_> = engines.iter().map(|engine| engine.name.as_str()).collect();
        issues.push(Issue {
            pointer: format!("{pointer}/engine/name"),
            message: format!("there is no engine `{}`", engine.name),
            help: format!("one of: {}", known.join(", ")),
        });
    }
}

fn check_whom(file: &File, pointer: &str, scene: &Scene, (of_server, of_monitor): (bool, bool), issues: &mut Vec<Issue>) {
    let (message, help) = match &scene.server {
        Some(name) if file.servers.iter().all(|entry| entry.name != *name) => {
            (format!("there is no server `{name}`"), "name a server of this file")
        }
        Some(name) if of_monitor && !of_server => {
            (format!("this does not happen to `{name}` but to the monitor"), "remove server")
        }
        None if of_server => ("this scene has no server".to_owned(), "add server: with a name of this file"),
        _ => return,
    };
    issues.push(Issue { pointer: format!("{pointer}/server"), message, help: help.to_owned() });
}

fn no_script() -> Issue {
    Issue {
        pointer: String::new(),
        message: "this file has no `simulate` section".to_owned(),
        help: "add simulate: {duration_seconds: 600, script: [...]}".to_owned(),
    }
}
