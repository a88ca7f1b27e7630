//! What a real server needs: something to check, and a runtime whose keys fit its kind.

mod process;
mod systemd;

use std::collections::HashMap;

use health_spec::config::{Engine, File, defaults};
use health_spec::registry::{Runtime, RuntimeKind, ServerEntry, Stdio};

use super::{EngineId, Issue};

/// What is wrong with a zero byte in what a program is started with, and what to do.
pub(super) const NO_ZERO: (&str, &str) = ("nothing that a program is started with can have a zero byte", "remove the zero byte");

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

/// Whoever runs `entry` and can be lost: an engine, a systemd, or for a child of ours the machine's list of processes.
pub(super) fn keeper_of(file: &File, entry: &ServerEntry) -> Option<super::Engine> {
    let of_file = |id: EngineId| Some(super::Engine { id, name: engines(file).get(id.0)?.name.clone() });
    let runtime = entry.runtime.as_ref()?;
    let processes = || super::Engine { id: EngineId::PROCESSES, name: "/proc".to_owned() };
    let of_machine = || (runtime.kind == RuntimeKind::Process).then(processes);
    engine(file, entry).and_then(of_file).or_else(|| systemd::engine(runtime)).or_else(of_machine)
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
    // What each probe needs is said where it is compiled. A child that speaks on its pipes is asked there.
    let is_piped = entry.runtime.as_ref().is_some_and(|runtime| runtime.stdio == Some(Stdio::Mcp));
    if entry.probes.is_empty() && !is_piped && entry.health_url.is_none() && entry.port.is_none() && entry.endpoint.is_none() {
        issues.push(Issue {
            pointer: format!("/servers/{index}"),
            message: format!("`{}` has nothing to check", entry.name),
            help: "give a health_url, such as http://127.0.0.1:8082/health".to_owned(),
        });
    }
}

fn check_keys(index: usize, runtime: &Runtime, issues: &mut Vec<Issue>) {
    let (container, process) = (runtime.kind.engine().is_some(), runtime.kind == RuntimeKind::Process);
    let unit = runtime.kind == RuntimeKind::Systemd;
    let given = [
        ("container", container, "docker or podman", runtime.container.is_some()),
        ("engine", container, "docker or podman", runtime.engine.is_some()),
        ("stop_timeout_seconds", container, "docker or podman", runtime.stop_timeout_seconds.is_some()),
        ("command", process, "process", runtime.command.is_some()),
        ("args", process, "process", !runtime.args.is_empty()),
        ("env", process, "process", !runtime.env.is_empty()),
        ("cwd", process, "process", runtime.cwd.is_some()),
        ("env_file", process, "process", runtime.env_file.is_some()),
        ("user", process, "process", runtime.user.is_some()),
        ("session", process, "process", runtime.session.is_some()),
        ("stdio", process, "process", runtime.stdio.is_some()),
        ("stop", process, "process", runtime.stop.is_some()),
        ("on_crash", process, "process", runtime.on_crash.is_some()),
        ("log", process, "process", runtime.log.is_some()),
        ("unit", unit, "systemd", runtime.unit.is_some()),
        ("bus", unit, "systemd", runtime.bus.is_some()),
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
        RuntimeKind::Systemd => "systemd",
        RuntimeKind::None => "none",
    }
}
