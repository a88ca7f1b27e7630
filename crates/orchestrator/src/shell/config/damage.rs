//! Judging the meaning of a file whose form is broken: what is broken is taken out, and nothing is said that only
//! follows from its absence.

use serde_json::Value;

use super::places::is_within;
use super::problem::Problem;

/// Sections whose keys stand for themselves; of any other section all goes when a part is broken.
const BY_KEY: &[&str] = &["health_check", "recovery", "event_emission", "retention", "listen"];

/// Keys that are judged together: a message about one is not believed when another is broken.
const TOGETHER: &[&[&str]] = &[
    &["interval_seconds", "confirm_interval_seconds", "max_backoff_seconds"],
    &["start_period_seconds", "verify_timeout_seconds"],
    &["backoff", "max_attempts", "budget", "reset_after_seconds"],
    &["health_url", "endpoint", "port"],
];

/// What is broken.
#[derive(Clone, Debug, Default)]
pub(super) struct Damage {
    pointers: Vec<String>,
    /// A file could not be read, so that names may be missing.
    pub(super) incomplete: bool,
    /// What is left cannot be read either.
    pub(super) unreadable: bool,
}

impl Damage {
    /// Something here, or something that was meant to be here.
    pub(super) fn at(&mut self, pointer: String) {
        self.pointers.push(pointer);
    }

    /// Whether a message about `pointer` may only follow from what is broken.
    pub(super) fn explains(&self, pointer: &str) -> bool {
        let names = self.incomplete || self.pointers.iter().any(|broken| breaks_names(broken));
        self.unreadable || (names && asks_for_a_name(pointer)) || self.pointers.iter().any(|broken| is_related(broken, pointer))
    }
}

fn is_related(broken: &str, pointer: &str) -> bool {
    let parent = broken.rsplit_once('/').map_or("", |(parent, _)| parent);
    if is_within(pointer, broken) || is_within(broken, pointer) && (broken == pointer || parent == pointer) {
        return true;
    }
    let section = |name: &str| broken.ends_with(name) && pointer.contains(name);
    let together = |keys: &&[&str]| [broken, pointer].iter().all(|at| at.split('/').any(|step| keys.contains(&step)));
    is_one_scope(broken, pointer) && (section("/health_check") || section("/recovery") || TOGETHER.iter().any(together))
}

/// The same server, or the file's own sections, which every server follows.
fn is_one_scope(one: &str, other: &str) -> bool {
    let server = |pointer: &str| {
        let mut steps = pointer.split('/').skip(1);
        matches!(steps.next(), Some("servers" | "health")).then(|| steps.next().map(str::to_owned))
    };
    match (server(one), server(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

fn breaks_names(broken: &str) -> bool {
    let steps: Vec<&str> = broken.split('/').skip(1).collect();
    matches!(steps[..], ["servers" | "engines", ..] if steps.len() <= 2 || steps.get(2) == Some(&"name"))
}

fn asks_for_a_name(pointer: &str) -> bool {
    let steps: Vec<&str> = pointer.split('/').skip(1).collect();
    matches!(steps[..], ["servers", _, "depends_on" | "runtime", ..] | ["maintenance" | "health" | "simulate", ..])
}

/// Takes out of `raw` what the types would refuse.
pub(super) fn repair(raw: &mut Value, problems: &[Problem], damage: &mut Damage) {
    for problem in problems.iter().filter(|problem| !problem.pointer.is_empty()) {
        take_out(raw, &problem.pointer);
        damage.at(problem.pointer.clone());
    }
}

fn take_out(raw: &mut Value, pointer: &str) {
    let steps: Vec<&str> = pointer.split('/').skip(1).collect();
    match steps[..] {
        ["servers", at, ref rest @ ..] if rest.first().is_none_or(|key| *key == "name") => placeholder(raw, at),
        ["servers", at, section, key, ..] if BY_KEY.contains(&section) => {
            remove(raw.pointer_mut(&format!("/servers/{at}/{section}")), key);
        }
        ["servers", at, key, ..] => remove(raw.pointer_mut(&format!("/servers/{at}")), key),
        ["health", name, section, key, ..] if BY_KEY.contains(&section) => {
            remove(raw.pointer_mut(&format!("/health/{name}/{section}")), key);
        }
        ["health", name, key, ..] => remove(raw.pointer_mut(&format!("/health/{name}")), key),
        [section, key, ..] if BY_KEY.contains(&section) => remove(raw.get_mut(section), key),
        [section, ..] => remove(Some(raw), section),
        [] => {}
    }
}

fn remove(from: Option<&mut Value>, key: &str) {
    if let Some(map) = from.and_then(Value::as_object_mut) {
        map.remove(&key.replace("~1", "/").replace("~0", "~"));
    }
}

/// The others keep their numbers. Two of these have no name in common.
fn placeholder(raw: &mut Value, at: &str) {
    let Some(server) = raw.pointer_mut(&format!("/servers/{at}")) else { return };
    if !server.is_object() {
        *server = Value::Object(serde_json::Map::new());
    }
    server["name"] = format!("\u{0}{at}").into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_a_broken_part_is_not_said() {
        let mut damage = Damage::default();
        damage.at("/health_check/interval_seconds".to_owned());
        damage.at("/servers/0/port".to_owned());
        let cases = [
            ("/servers/1/health_check/confirm_interval_seconds", true),
            ("/servers/0", true),
            ("/servers/1", false),
            ("/recovery/verify_timeout_seconds", false),
            ("/servers/1/depends_on/0", false),
            ("/servers/1/health_url", false),
        ];
        for (pointer, expected) in cases {
            assert_eq!(damage.explains(pointer), expected, "{pointer}");
        }
        damage.at("/servers/3/name".to_owned());
        assert!(damage.explains("/servers/1/depends_on/0"));
    }
}
