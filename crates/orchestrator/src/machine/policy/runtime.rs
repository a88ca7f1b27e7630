//! What a real server needs: something to check, and a runtime whose keys fit its kind.

use std::collections::HashMap;

use health_spec::config::{Engine, File, defaults};
use health_spec::registry::{Runtime, RuntimeKind, ServerEntry};

use super::{EngineId, Issue};

/// Every server has something to check; every runtime is complete; no container belongs to two servers.
pub(super) fn check(file: &File, issues: &mut Vec<Issue>) {
    let mut containers = HashMap::new();
    for (index, entry) in file.servers.iter().enumerate() {
        check_address(index, entry, issues);
        let Some(runtime) = &entry.runtime else { continue };
        check_keys(index, runtime, issues);
        check_engine(file, index, runtime, issues);
        let Some(container) = runtime.container.as_ref().filter(|_| runtime.kind.engine().is_some()) else { continue };
        if let Some(first) = containers.insert((engine(file, entry), container), &entry.name) {
            issues.push(Issue {
                pointer: format!("/servers/{index}/runtime/container"),
                message: format!("the container `{container}` belongs to `{first}` already"),
                help: "one server a container: two would restart it against each other".to_owned(),
            });
        }
    }
}

/// The engines of the file; Docker and Podman at their usual sockets when it names none.
pub fn engines(file: &File) -> Vec<Engine> {
    if file.engines.is_empty() { defaults::engines() } else { file.engines.clone() }
}

/// The engine that runs `entry`: the named one, else the first of its kind.
pub(super) fn engine(file: &File, entry: &ServerEntry) -> Option<EngineId> {
    engine_of(&engines(file), entry.runtime.as_ref()?)
}

/// The place of the engine that runs such a container. `None`: it is no container, or there is no such engine.
pub fn engine_of(engines: &[Engine], runtime: &Runtime) -> Option<EngineId> {
    let kind = runtime.kind.engine()?;
    let fits = |engine: &Engine| engine.kind == kind && runtime.engine.as_ref().is_none_or(|name| *name == engine.name);
    engines.iter().position(fits).map(EngineId)
}

fn check_address(index: usize, entry: &ServerEntry, issues: &mut Vec<Issue>) {
    if entry.health_url.is_none() && entry.port.is_none() && entry.endpoint.is_none() {
        issues.push(Issue {
            pointer: format!("/servers/{index}"),
            message: format!("`{}` has nothing to check", entry.name),
            help: "give a health_url, such as http://127.0.0.1:8082/health".to_owned(),
        });
    }
}

fn check_keys(index: usize, runtime: &Runtime, issues: &mut Vec<Issue>) {
    let (container, process) = (runtime.kind.engine().is_some(), runtime.kind == RuntimeKind::Process);
    let given = [
        ("container", container, "docker or podman", runtime.container.is_some()),
        ("engine", container, "docker or podman", runtime.engine.is_some()),
        ("command", process, "process", runtime.command.is_some()),
        ("args", process, "process", !runtime.args.is_empty()),
        ("env", process, "process", !runtime.env.is_empty()),
        ("cwd", process, "process", runtime.cwd.is_some()),
    ];
    let kind = word(runtime.kind);
    for (key, _, of, _) in given.into_iter().filter(|(_, fits, _, is_given)| *is_given && !fits) {
        issues.push(Issue {
            pointer: format!("/servers/{index}/runtime/{key}"),
            message: format!("`{key}` does not belong to a runtime of kind {kind}"),
            help: format!("it belongs to kind {of}; remove it, or change the kind"),
        });
    }
    let missing = match runtime.kind {
        RuntimeKind::Process if runtime.command.as_deref().is_none_or(str::is_empty) => "command",
        RuntimeKind::Docker | RuntimeKind::Podman if runtime.container.as_deref().is_none_or(str::is_empty) => "container",
        _ => return,
    };
    issues.push(Issue {
        pointer: format!("/servers/{index}/runtime"),
        message: format!("a runtime of kind {kind} needs `{missing}`"),
        help: format!("add {missing}: ..."),
    });
}

fn check_engine(file: &File, index: usize, runtime: &Runtime, issues: &mut Vec<Issue>) {
    let engines = engines(file);
    let Some(kind) = runtime.kind.engine().filter(|_| engine_of(&engines, runtime).is_none()) else { return };
    let kind = kind.as_str();
    let named = runtime.engine.as_ref();
    let of_kind: Vec<_> =
        engines.iter().filter(|engine| engine.kind.as_str() == kind).map(|engine| engine.name.as_str()).collect();
    let other_kind = named.is_some_and(|name| engines.iter().any(|engine| engine.name == *name));
    issues.push(Issue {
        pointer: format!("/servers/{index}/runtime/{}", if named.is_some() && !other_kind { "engine" } else { "kind" }),
        message: match named {
            Some(name) if other_kind => format!("the engine `{name}` is not of kind {kind}"),
            Some(name) => format!("there is no engine `{name}`"),
            None => format!("there is no engine of kind {kind}"),
        },
        help: if of_kind.is_empty() {
            format!("add one to `engines`: {{name: {kind}, kind: {kind}, address: ...}}")
        } else {
            format!("one of: {}", of_kind.join(", "))
        },
    });
}

fn word(kind: RuntimeKind) -> &'static str {
    match kind {
        RuntimeKind::Process => "process",
        RuntimeKind::Docker => "docker",
        RuntimeKind::Podman => "podman",
        RuntimeKind::None => "none",
    }
}
