//! What a unit of systemd is called, and where it is.

use health_spec::registry::{Runtime, RuntimeKind};

use super::super::{Engine, Issue};
use crate::machine::EngineId;

/// The limit of systemd itself.
const LONGEST_NAME: usize = 255;

/// The manager that runs a unit, as an engine: each bus is one.
pub(in crate::machine::policy) fn engine(runtime: &Runtime) -> Option<Engine> {
    (runtime.kind == RuntimeKind::Systemd).then(|| {
        let bus = runtime.bus.as_deref().unwrap_or("system");
        Engine {
            id: EngineId::of_bus(bus),
            name: if bus == "system" { "systemd".to_owned() } else { format!("systemd ({bus})") },
        }
    })
}

/// The unit's name is whole, and the bus can be one.
pub(super) fn check(index: usize, runtime: &Runtime, issues: &mut Vec<Issue>) {
    if runtime.kind != RuntimeKind::Systemd {
        return;
    }
    let pointer = |key: &str| format!("/servers/{index}/runtime/{key}");
    if let Some((message, help)) = runtime.unit.as_deref().filter(|unit| !unit.is_empty()).and_then(mistake) {
        issues.push(Issue { pointer: pointer("unit"), message, help });
    }
    if let Some(bus) = runtime.bus.as_deref().filter(|bus| !matches!(*bus, "system" | "user") && !bus.contains(':')) {
        issues.push(Issue {
            pointer: pointer("bus"),
            message: format!("`{bus}` is no bus"),
            help: "system, user, or a D-Bus address such as unix:path=/run/dbus/system_bus_socket".to_owned(),
        });
    }
}

fn mistake(unit: &str) -> Option<(String, String)> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if unit.len() > LONGEST_NAME || !unit.chars().all(allowed) {
        let help = "letters, digits and `:-_.\\@`, at most 255; `systemctl list-units` shows those that there are";
        return Some((format!("`{unit}` is no name of a unit"), help.to_owned()));
    }
    match unit.rsplit_once('.') {
        Some((stem, "service")) if stem.ends_with('@') => {
            let help = format!("name the instance: {stem}NAME.service");
            Some((format!("`{unit}` is a template, which never runs"), help))
        }
        Some((stem, "service")) if !stem.is_empty() => None,
        Some((stem, kind @ ("socket" | "target" | "timer" | "path" | "mount" | "slice" | "scope" | "device" | "swap"))) => {
            Some((format!("a {kind} is no server"), format!("name the service: {stem}.service")))
        }
        _ => Some((format!("`{unit}` is no name of a unit"), format!("did you mean `{unit}.service`?"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_a_service_with_its_whole_name() {
        for unit in ["a.service", "a@1.service", "a.b-c.service", "dev-x\\x2d.service"] {
            assert_eq!(mistake(unit), None, "{unit}");
        }
        for (unit, help) in [
            ("a", "did you mean `a.service`?"),
            ("a.b", "did you mean `a.b.service`?"),
            (".service", "did you mean `.service.service`?"),
            ("a@.service", "name the instance: a@NAME.service"),
            ("a.socket", "name the service: a.service"),
        ] {
            assert_eq!(mistake(unit).map(|(_, help)| help).as_deref(), Some(help), "{unit}");
        }
        assert!(mistake("a b.service").is_some() && mistake("../a.service").is_some());
    }

    #[test]
    fn each_bus_is_an_engine_of_its_own() {
        let on = |bus: Option<&str>| {
            let runtime = Runtime { kind: RuntimeKind::Systemd, bus: bus.map(str::to_owned), ..Runtime::default() };
            engine(&runtime).unwrap()
        };
        assert_eq!(on(None), on(Some("system")));
        assert_eq!((on(None).name.as_str(), on(Some("user")).name.as_str()), ("systemd", "systemd (user)"));
        assert_ne!(on(None).id, on(Some("user")).id);
        assert!(on(None).id.0 > 1 << 32, "no container engine has that place");
    }
}
