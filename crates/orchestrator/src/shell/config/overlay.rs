//! The section `health`: what goes over the entries of a registry that others write, by the server's name.

use serde_json::{Map, Value};

use super::nearest::nearest;
use super::places::{Places, step};
use crate::machine::policy::Issue;

/// Sections of an entry that are merged key by key; everything else is replaced.
const MERGED: &[&str] = &["health_check", "recovery"];

/// Puts `health` over `servers`, and says which names are unknown.
pub(super) fn apply(raw: &mut Value, places: &mut Places) -> Vec<Issue> {
    let Some(Value::Object(overlays)) = raw.as_object_mut().and_then(|raw| raw.remove("health")) else { return Vec::new() };
    let Some(servers) = raw.get_mut("servers").and_then(Value::as_array_mut) else {
        return overlays.keys().map(|name| unknown(name, &[])).collect();
    };
    let mut issues = Vec::new();
    for (name, overlay) in overlays {
        let is_named = |server: &Value| server.get("name").and_then(Value::as_str) == Some(name.as_str());
        match servers.iter().position(is_named) {
            Some(at) => put_over(&mut servers[at], overlay, &step("/health", &name), &format!("/servers/{at}"), places),
            None => issues.push(unknown(&name, servers)),
        }
    }
    issues
}

fn unknown(name: &str, servers: &[Value]) -> Issue {
    let names = servers.iter().filter_map(|server| server.get("name").and_then(Value::as_str));
    let near = nearest(name, names).map(|near| format!("did you mean `{near}`?"));
    Issue {
        pointer: step("/health", name),
        message: format!("there is no server `{name}` for this overlay"),
        help: near.unwrap_or_else(|| "name a server of `servers`".to_owned()),
    }
}

fn put_over(server: &mut Value, overlay: Value, from: &str, to: &str, places: &mut Places) {
    let (Value::Object(server), Value::Object(overlay)) = (server, overlay) else { return };
    for (key, value) in overlay {
        let (from, to) = (step(from, &key), step(to, &key));
        match (server.get_mut(&key), value) {
            (Some(Value::Object(section)), Value::Object(keys)) if MERGED.contains(&key.as_str()) => {
                merge(section, keys, &from, &to, places);
            }
            (_, value) => {
                places.forget(&to);
                places.alias(&from, &to);
                server.insert(key, value);
            }
        }
    }
}

fn merge(section: &mut Map<String, Value>, keys: Map<String, Value>, from: &str, to: &str, places: &mut Places) {
    for (key, value) in keys {
        let (from, to) = (step(from, &key), step(to, &key));
        places.forget(&to);
        places.alias(&from, &to);
        section.insert(key, value);
    }
}
