//! What a real server needs: something to check, and a runtime whose keys fit its kind.

mod process;
mod systemd;

use std::collections::HashMap;

use health_spec::config::{Engine, File, defaults};
use health_spec::registry::{Runtime, RuntimeKind, ServerEntry};

use super::{EngineId, Issue};

/// Every server has something to check; every runtime is complete; no container belongs to two servers.
pub(super) fn check(file: &File, issues: &mut Vec<Issue>) {
    let (mut containers, mut units) = (HashMap::new(), HashMap::new());
    for (index, entry) in file.servers.iter().enumerate() {
        check_address(index, entry, issues);
        let Some(runtime) = &entry.runtime else { continue };
        check_keys(index, runtime, issues);
        check_engine(file, index, runtime, issues);
        systemd::check(index, runtime, issues);
        process::check(index, runtime, issues);
        if let Some(unit) = runtime.unit.as_ref().filter(|_| runtime.kind == RuntimeKind::Systemd)
            && let Some(first) = units.insert((runtime.bus.as_deref().unwrap_or("system"), unit), &entry.name)
        {
            issues.push(Issue {
                pointer: format!("/servers/{index}/runtime/unit"),
                message: format!("the unit `{unit}` belongs to `{first}` already"),
                help: "one server a unit: two would restart it against each other".to_owned(),
            });
        }
        let Some(container) = runtime.container.as_ref().filter(|_| runtime.kind == RuntimeKind::Docker) else { continue };
        if let Some(first) = containers.insert((engine(file, entry), container), &entry.name) {
            issues.push(Issue {
                pointer: format!("/servers/{index}/runtime/container"),
                message: format!("the container `{container}` belongs to `{first}` already"),
                help: "one server a container: two would restart it against each other".to_owned(),
            });
        }
    }
}

/// The engines of the file; Docker at its usual socket when it names none.
pub fn engines(file: &File) -> Vec<Engine> {
    if !file.engines.is_empty() {
        return file.engines.clone();
    }
    vec![defaults::engine()]
}

/// Whoever runs `entry` and can be lost: an engine, or a systemd.
pub(super) fn engine_of(file: &File, entry: &ServerEntry) -> Option<super::Engine> {
    let of_file = |id: EngineId| Some(super::Engine { id, name: engines(file).get(id.0)?.name.clone() });
    engine(file, entry).and_then(of_file).or_else(|| systemd::engine(entry.runtime.as_ref()?))
}

/// The engine that runs `entry`: the named one, else the first.
pub(super) fn engine(file: &File, entry: &ServerEntry) -> Option<EngineId> {
    let runtime = entry.runtime.as_ref().filter(|runtime| runtime.kind == RuntimeKind::Docker)?;
    match &runtime.engine {
        Some(name) => engines(file).iter().position(|engine| engine.name == *name).map(EngineId),
        None => Some(EngineId(0)),
    }
}

fn check_address(index: usize, entry: &ServerEntry, issues: &mut Vec<Issue>) {
    // What each probe needs is said where it is compiled.
    if entry.probes.is_empty() && entry.health_url.is_none() && entry.port.is_none() && entry.endpoint.is_none() {
        issues.push(Issue {
            pointer: format!("/servers/{index}"),
            message: format!("`{}` has nothing to check", entry.name),
            help: "give a health_url, such as http://127.0.0.1:8082/health".to_owned(),
        });
    }
}

fn check_keys(index: usize, runtime: &Runtime, issues: &mut Vec<Issue>) {
    let given = [
        ("container", RuntimeKind::Docker, runtime.container.is_some()),
        ("engine", RuntimeKind::Docker, runtime.engine.is_some()),
        ("command", RuntimeKind::Process, runtime.command.is_some()),
        ("args", RuntimeKind::Process, !runtime.args.is_empty()),
        ("env", RuntimeKind::Process, !runtime.env.is_empty()),
        ("cwd", RuntimeKind::Process, runtime.cwd.is_some()),
        ("env_file", RuntimeKind::Process, runtime.env_file.is_some()),
        ("user", RuntimeKind::Process, runtime.user.is_some()),
        ("session", RuntimeKind::Process, runtime.session.is_some()),
        ("stdio", RuntimeKind::Process, runtime.stdio.is_some()),
        ("stop", RuntimeKind::Process, runtime.stop.is_some()),
        ("on_crash", RuntimeKind::Process, runtime.on_crash.is_some()),
        ("log", RuntimeKind::Process, runtime.log.is_some()),
        ("unit", RuntimeKind::Systemd, runtime.unit.is_some()),
        ("bus", RuntimeKind::Systemd, runtime.bus.is_some()),
    ];
    let kind = word(runtime.kind);
    for (key, of, _) in given.into_iter().filter(|(_, of, is_given)| *is_given && *of != runtime.kind) {
        issues.push(Issue {
            pointer: format!("/servers/{index}/runtime/{key}"),
            message: format!("`{key}` does not belong to a runtime of kind {kind}"),
            help: format!("it belongs to kind {}; remove it, or change the kind", word(of)),
        });
    }
    let missing = match runtime.kind {
        RuntimeKind::Process if runtime.command.as_deref().is_none_or(str::is_empty) => "command",
        RuntimeKind::Docker if runtime.container.as_deref().is_none_or(str::is_empty) => "container",
        RuntimeKind::Systemd if runtime.unit.as_deref().is_none_or(str::is_empty) => "unit",
        _ => return,
    };
    issues.push(Issue {
        pointer: format!("/servers/{index}/runtime"),
        message: format!("a runtime of kind {kind} needs `{missing}`"),
        help: format!("add {missing}: ..."),
    });
}

fn check_engine(file: &File, index: usize, runtime: &Runtime, issues: &mut Vec<Issue>) {
    let Some(name) = &runtime.engine else { return };
    let engines = engines(file);
    if !engines.iter().any(|engine| engine.name == *name) {
        let known: Vec<_> = engines.iter().map(|engine| engine.name.as_str()).collect();
        issues.push(Issue {
            pointer: format!("/servers/{index}/runtime/engine"),
            message: format!("there is no engine `{name}`"),
            help: format!("one of: {}", known.join(", ")),
        });
    }
}

fn word(kind: RuntimeKind) -> &'static str {
    match kind {
        RuntimeKind::Process => "process",
        RuntimeKind::Docker => "docker",
        RuntimeKind::Systemd => "systemd",
        RuntimeKind::None => "none",
    }
}
