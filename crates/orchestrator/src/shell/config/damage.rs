//! Judging the meaning of a file whose form is broken: what is broken is taken out, and nothing is said that only
//! follows from its absence.

use serde_json::{Map, Value, json};

use super::nearest::nearest;
use super::places::is_within;
use super::problem::Problem;
use crate::machine::policy::Issue;

/// Sections whose keys stand for themselves; of any other section all goes when a part is broken.
const BY_KEY: &[&str] = &["health_check", "recovery", "runtime", "event_emission", "retention", "listen", "discovery"];

/// The keys that these cannot do without: with one of them all goes.
const NEEDED: &[&str] = &["kind"];

/// Keys that are judged by others: a message about one is not believed when one of those is broken.
const RESTS_ON: &[(&str, &[&str])] = &[
    ("budget", &["backoff", "max_attempts", "reset_after_seconds"]),
    ("max_attempts", &["backoff"]),
    ("endpoint", &["health_url"]),
    ("port", &["health_url", "endpoint"]),
];

/// Keys that an item of a list cannot do without, and what stands for one that is broken: the rest of it is judged.
const STAND_INS: &[(&str, &str, &str)] = &[
    ("engines", "name", "?"),
    ("engines", "kind", "docker"),
    ("engines", "address", "unix:///var/run/docker.sock"),
    ("maintenance", "cron", "@daily"),
    ("maintenance", "duration", "1h"),
];

/// Keys that are compared: a message about one that names another is not believed when that one is broken.
const COMPARED: &[&[&str]] = &[
    &["interval_seconds", "confirm_interval_seconds", "max_backoff_seconds"],
    &["start_period_seconds", "verify_timeout_seconds"],
    &["strategy", "repair"],
];

/// What is broken.
#[derive(Clone, Debug, Default)]
pub(super) struct Damage {
    pointers: Vec<String>,
    /// Servers whose names are not known: whoever names one that is not there may mean them.
    nameless: Vec<String>,
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

    /// The issue, unless it may only follow from what is broken.
    pub(super) fn believed(&self, mut issue: Issue) -> Option<Issue> {
        if self.explains(&issue) {
            return None;
        }
        if asks_for_a_server(&issue.pointer) {
            issue.help = match &self.nameless[..] {
                [] => issue.help,
                [one] => format!("{}, unless {one} is meant, whose name is wrong", issue.help),
                more => format!("{}, unless one of the {} is meant whose names are wrong", issue.help, more.len()),
            };
        }
        Some(issue)
    }

    /// Whether what is written here can be taken at its word: nothing of it is broken.
    pub(super) fn spares(&self, pointer: &str) -> bool {
        !self.unreadable && !self.pointers.iter().any(|broken| is_within(broken, pointer) || is_within(pointer, broken))
    }

    fn explains(&self, issue: &Issue) -> bool {
        let pointer = issue.pointer.as_str();
        let breaks = |what: fn(&[&str]) -> bool| self.incomplete || self.pointers.iter().any(|broken| what(&steps(broken)));
        self.unreadable
            || asks_for_a_server(pointer) && breaks(|broken| matches!(broken, ["servers"]))
            || asks_for_an_engine(pointer)
                && breaks(|broken| matches!(broken, ["engines"] | ["engines", _] | ["engines", _, "name" | "kind"]))
            || self.pointers.iter().any(|broken| is_related(broken, issue))
    }
}

fn steps(pointer: &str) -> Vec<&str> {
    pointer.split('/').skip(1).collect()
}

fn is_related(broken: &str, issue: &Issue) -> bool {
    let pointer = issue.pointer.as_str();
    let (parent, key) = broken.rsplit_once('/').unwrap_or_default();
    // Nothing that is said of a server as a whole follows from its name.
    let is_whole = broken == pointer || parent == pointer && key != "name";
    if is_within(pointer, broken) || is_within(broken, pointer) && is_whole {
        return true;
    }
    let section = |name: &str| broken.ends_with(name) && pointer.contains(name);
    let has = |at: &str, keys: &[&str]| steps(at).iter().any(|step| keys.contains(step));
    let rests = |(key, others): &(&str, &[&str])| has(pointer, &[key]) && has(broken, others);
    let is_named = || steps(broken).iter().any(|key| words(&issue.message).any(|word| word == *key));
    let compared = |keys: &&[&str]| has(pointer, keys) && has(broken, keys) && is_named();
    let keys = || RESTS_ON.iter().any(rests) || COMPARED.iter().any(compared);
    is_one_scope(broken, pointer) && (section("/health_check") || section("/recovery") || keys())
}

/// Keys, and whatever else a message has.
fn words(message: &str) -> impl Iterator<Item = &str> {
    message.split(|character: char| !character.is_ascii_lowercase() && character != '_')
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

/// A cycle does not: all of it is there.
fn asks_for_a_server(pointer: &str) -> bool {
    matches!(
        steps(pointer)[..],
        ["servers", _, "depends_on", _] | ["maintenance", _, "servers", ..] | ["health", _] | ["simulate", "script", _, "server"]
    )
}

fn asks_for_an_engine(pointer: &str) -> bool {
    matches!(
        steps(pointer)[..],
        ["servers", _, "runtime", "engine" | "kind"] | ["discovery", "engines", _] | ["simulate", "script", _, "engine", _]
    )
}

/// Takes exactly these keys out of `raw`, which nothing knows.
pub(super) fn forget(raw: &mut Value, unknown: &[Problem], damage: &mut Damage) {
    for Problem { pointer, .. } in unknown {
        if let Some((parent, key)) = pointer.rsplit_once('/') {
            remove(raw.pointer_mut(parent), key);
        }
        damage.at(pointer.clone());
    }
}

/// Takes out of `raw` what the types would refuse.
pub(super) fn repair(raw: &mut Value, problems: &[Problem], damage: &mut Damage) {
    for Problem { pointer, .. } in problems.iter().filter(|problem| !problem.pointer.is_empty()) {
        match steps(pointer)[..] {
            ["servers", at] | ["servers", at, "name", ..] => rename(raw, at, damage),
            _ => {
                let taken = take_out(raw, &steps(pointer));
                damage.at(pointer.clone());
                damage.at(taken);
            }
        }
    }
}

/// What goes, as a pointer.
fn take_out(raw: &mut Value, steps: &[&str]) -> String {
    let (within, key) = match *steps {
        // The others of a list keep their numbers.
        ["servers", _, "probes", _, ..] => return replace(raw, &steps[..4], json!({ "kind": "http" })),
        ["engines" | "maintenance", at, key, ..] if raw[steps[0]][index(at)].is_object() => {
            return stand_in(raw, &steps[..2], key);
        }
        ["maintenance", _, ..] => return replace(raw, &steps[..2], json!({ "cron": "@daily", "duration": 3600 })),
        ["simulate", "script", _, ..] => return replace(raw, &steps[..3], json!({ "at": 0 })),
        ["servers" | "health", _, section, key, ..] if is_by_key(section, key) => (&steps[..3], key),
        ["servers" | "health", _, key, ..] => (&steps[..2], key),
        ["health", name] => (&steps[..1], name),
        [section, key, ..] if is_by_key(section, key) => (&steps[..1], key),
        [section, ..] => (&steps[..0], section),
        [] => return String::new(),
    };
    let within = pointer_of(within);
    remove(raw.pointer_mut(&within), key);
    format!("{within}/{key}")
}

fn is_by_key(section: &str, key: &str) -> bool {
    BY_KEY.contains(&section) && !NEEDED.contains(&key)
}

fn pointer_of(steps: &[&str]) -> String {
    if steps.is_empty() { String::new() } else { format!("/{}", steps.join("/")) }
}

fn index(step: &str) -> usize {
    step.parse().unwrap_or(usize::MAX)
}

/// Puts what stands for a key in its place; one that is not needed goes.
fn stand_in(raw: &mut Value, steps: &[&str], key: &str) -> String {
    let within = pointer_of(steps);
    let found = STAND_INS.iter().find(|(list, needed, _)| *list == steps[0] && *needed == key);
    let item = raw.pointer_mut(&within);
    match (found, item) {
        (Some((.., stands)), Some(item)) => item[key] = (*stands).into(),
        (_, item) => remove(item, key),
    }
    format!("{within}/{key}")
}

fn replace(raw: &mut Value, steps: &[&str], by: Value) -> String {
    let pointer = pointer_of(steps);
    if let Some(place) = raw.pointer_mut(&pointer) {
        *place = by;
    }
    pointer
}

fn remove(from: Option<&mut Value>, key: &str) {
    if let Some(map) = from.and_then(Value::as_object_mut) {
        map.remove(&key.replace("~1", "/").replace("~0", "~"));
    }
}

/// The server with this number gets the name that was meant, if that can be seen, else one that stands for its place.
fn rename(raw: &mut Value, at: &str, damage: &mut Damage) {
    let others: Vec<_> = raw["servers"].as_array().into_iter().flatten().filter_map(|server| server["name"].as_str()).collect();
    let meant = raw.pointer(&format!("/servers/{at}")).and_then(meant_name).filter(|name| !others.contains(&name.as_str()));
    if meant.is_none() {
        damage.nameless.push(place_name(at));
    }
    let Some(server) = raw.pointer_mut(&format!("/servers/{at}")) else { return };
    if server.is_object() {
        damage.at(format!("/servers/{at}/name"));
    } else {
        damage.at(format!("/servers/{at}"));
        *server = Value::Object(Map::new());
    }
    server["name"] = meant.unwrap_or_else(|| place_name(at)).into();
}

/// A text alone may be one, a number is one without its quotes, and a key that is almost `name` is it.
fn meant_name(server: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match server.as_object().map(|keys| (keys, keys.get("name"))) {
        None => text(server),
        Some((_, Some(Value::Number(number)))) => Some(number.to_string()),
        Some((_, Some(_))) => None,
        Some((keys, None)) => {
            let is_meant = |key: &str| key.len() <= 5 && nearest(key, ["name"]).is_some();
            keys.iter().find_map(|(key, value)| is_meant(key).then(|| text(value)).flatten())
        }
    }
}

/// `server 2`, counted from 1 as in every message.
fn place_name(at: &str) -> String {
    format!("server {}", at.parse::<usize>().map_or(0, |at| at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_a_broken_part_is_not_said() {
        let mut damage = Damage::default();
        damage.at("/health_check/interval_seconds".to_owned());
        damage.at("/servers/0/port".to_owned());
        let issue = |pointer: &str, message: &str| Issue {
            pointer: pointer.to_owned(),
            message: message.to_owned(),
            help: String::new(),
        };
        let compared = "confirm_interval_seconds is 99 s, but interval_seconds is 30 s";
        let cases = [
            ("/servers/1/health_check/confirm_interval_seconds", compared, true),
            ("/servers/1/health_check/confirm_interval_seconds", "confirm_interval_seconds is 0 s, which is too short", false),
            ("/servers/0", "", true),
            ("/servers/1", "", false),
            ("/recovery/verify_timeout_seconds", "", false),
            ("/servers/1/depends_on/0", "", false),
            ("/servers/1/health_url", "", false),
        ];
        for (pointer, message, expected) in cases {
            assert_eq!(damage.explains(&issue(pointer, message)), expected, "{pointer}: {message}");
        }
        damage.at("/servers".to_owned());
        assert!(damage.explains(&issue("/servers/1/depends_on/0", "")));
    }

    #[test]
    fn what_is_written_counts_unless_a_part_of_it_is_broken() {
        let mut damage = Damage::default();
        damage.at("/servers/0/runtime/env/A".to_owned());
        assert!(damage.spares("/servers/0/runtime/command") && damage.spares("/servers/1/runtime/env"));
        assert!(!damage.spares("/servers/0/runtime/env") && !damage.spares("/servers/0/runtime/env/A/b"));
    }
}
