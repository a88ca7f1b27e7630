//! Which containers ask to be watched, and how: their labels, as registry entries. Pure.
//!
//! `mcp.health.enable=true` is the opt-in. Hints of others (compose, autoheal, ToolHive) fill in what its own labels leave open; none of
//! them is an opt-in.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::shell::runtime::container::discovery::{ENABLE, Listed};

mod judge;

pub use judge::{Candidate, Judged, candidates};

/// Labels that are read; another one that begins so is a mistake.
const KNOWN: [&str; 10] = [
    ENABLE,
    "mcp.health.name",
    "mcp.health.url",
    "mcp.health.port",
    "mcp.health.path",
    "mcp.health.interval",
    "mcp.health.timeout",
    "mcp.health.group",
    "mcp.health.depends-on",
    "mcp.health.recovery",
];

/// What compose calls the project and the service of a container, and what its service depends on.
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const DEPENDS_ON: &str = "com.docker.compose.depends_on";

/// The registry entry that its labels ask for, or everything that is wrong with them.
pub fn entry(container: &Listed, all: &[Listed]) -> Result<Value, Vec<String>> {
    let mut wrong: Vec<String> = container.labels.keys().filter_map(|name| unknown(name)).collect();
    let mut entry = Map::new();
    let mut put = |key: &str, value: Value| drop(entry.insert(key.to_owned(), value));
    put("name", name(container).into());
    put("runtime", json!({ "kind": container.kind.as_str(), "container": container.name, "engine": container.engine }));
    match url(container) {
        Ok(url) => put("health_url", url.into()),
        Err(error) => wrong.push(error),
    }
    if let Some(group) = ["mcp.health.group", PROJECT, "toolhive-group"].iter().find_map(|label| container.label(label)) {
        put("group", group.into());
    }
    let names = depends_on(container, all);
    if !names.is_empty() {
        put("depends_on", names.into());
    }
    let paces = [("mcp.health.interval", "interval_seconds"), ("mcp.health.timeout", "timeout_seconds")];
    let paces = paces.iter().filter_map(|(label, key)| Some(((*key).to_owned(), duration(container.label(label)?))));
    let paces: Map<String, Value> = paces.collect();
    if !paces.is_empty() {
        put("health_check", paces.into());
    }
    match container.label("mcp.health.recovery").map(recovery) {
        Some(Ok(recovery)) => put("recovery", recovery),
        Some(Err(error)) => wrong.push(error),
        None => {}
    }
    if wrong.is_empty() { Ok(entry.into()) } else { Err(wrong) }
}

/// What it is called as a server.
pub fn name(container: &Listed) -> &str {
    ["mcp.health.name", "toolhive-name"].iter().find_map(|label| container.label(label)).unwrap_or(&container.name)
}

fn unknown(name: &str) -> Option<String> {
    let is_ours = name.starts_with("mcp.health.") && !KNOWN.contains(&name);
    is_ours.then(|| {
        let help = crate::shell::config::nearest(name, KNOWN.into_iter());
        help.map_or_else(|| format!("unknown label {name}"), |known| format!("unknown label {name}; did you mean {known}?"))
    })
}

/// Where its health is: said outright; a port of its own, where that is published, else at its own address; ToolHive's proxy; or the
/// only port that it publishes.
fn url(container: &Listed) -> Result<String, String> {
    if let Some(url) = container.label("mcp.health.url") {
        return Ok(url.to_owned());
    }
    let path = container.label("mcp.health.path").unwrap_or("/health");
    let path = format!("{}{path}", if path.starts_with('/') { "" } else { "/" });
    if let Some(port) = container.label("mcp.health.port") {
        let port: u16 = port.parse().map_err(|_| format!("mcp.health.port={port} is no port"))?;
        return match (container.ports.get(&port), &container.address) {
            (Some(Some((host, public))), _) => Ok(format!("http://{host}:{public}{path}")),
            (_, Some(address)) => Ok(format!("http://{address}:{port}{path}")),
            // It shares the network of its host.
            (_, None) => Ok(format!("http://127.0.0.1:{port}{path}")),
        };
    }
    if let Some(port) = container.label("toolhive-port").and_then(|port| port.parse::<u16>().ok()).filter(|port| *port > 0) {
        return Ok(format!("http://127.0.0.1:{port}{path}"));
    }
    let published: Vec<_> = container.ports.values().flatten().collect();
    match published[..] {
        [(host, public)] => Ok(format!("http://{host}:{public}{path}")),
        [] => Err("it publishes no port: say mcp.health.url or mcp.health.port".to_owned()),
        _ => Err("it publishes several ports: say mcp.health.port, the port inside".to_owned()),
    }
}

/// Names of servers: said outright, else those of its project's services that ask to be watched too.
fn depends_on(container: &Listed, all: &[Listed]) -> Vec<String> {
    if let Some(names) = container.label("mcp.health.depends-on") {
        return names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    }
    let services = container.label(DEPENDS_ON).unwrap_or_default();
    let services: Vec<_> = services.split(',').filter_map(|one| one.split(':').next()).filter(|one| !one.is_empty()).collect();
    let is_meant = |other: &&Listed| {
        other.asks()
            && other.engine == container.engine
            && other.label(PROJECT) == container.label(PROJECT)
            && other.label(SERVICE).is_some_and(|service| services.contains(&service))
    };
    all.iter().filter(is_meant).map(|other| name(other).to_owned()).collect()
}

/// A bare number is seconds.
fn duration(text: &str) -> Value {
    text.parse::<f64>().map_or_else(|_| text.into(), Value::from)
}

fn recovery(word: &str) -> Result<Value, String> {
    match word {
        "off" | "false" => Ok(json!({ "enabled": false })),
        "observe" => Ok(json!({ "mode": "observe" })),
        "restart" | "recreate" | "manual" => Ok(json!({ "strategy": word })),
        _ => Err(format!("mcp.health.recovery={word} is none of restart, recreate, manual, observe, off")),
    }
}

/// What else its labels tell, for people.
pub fn hints(container: &Listed) -> Vec<String> {
    let mut hints = Vec::new();
    if container.label("autoheal") == Some("true") {
        hints.push("autoheal=true: if autoheal runs too, both restart it; let one of them do it".to_owned());
    }
    if container.label("toolhive") == Some("true") {
        hints.push("ToolHive runs it, and may restart it itself".to_owned());
    }
    hints
}

/// By engine and name, for whoever compares.
pub type Everything = BTreeMap<String, Vec<Listed>>;

#[cfg(test)]
mod tests;
