//! From a checked file to what is run: policies, targets and runtimes, or every problem with its place.

use std::path::{Path, PathBuf};

use health_spec::config::{Engine, Mode};
use health_spec::registry::{RuntimeKind, ServerEntry};
use serde_json::Value;

use super::config::{LoadError, Loaded, Problem, load};
use super::probe::HttpTarget;
use super::runtime::{StartError, Supervised};
use crate::machine::ServerId;
use crate::machine::policy::{Issue, Policy, Purpose, compile, engines};

/// Everything that a configuration asks for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How servers are checked and brought back.
    pub policies: Vec<Policy>,
    /// Where they are checked.
    pub targets: Vec<HttpTarget>,
    /// Their entries as written.
    pub registry: Vec<Value>,
    /// Their entries as read.
    pub entries: Vec<ServerEntry>,
    /// What runs them.
    pub supervised: Vec<Supervised>,
    /// Container engines.
    pub engines: Vec<Engine>,
    /// The file, and where everything stands in it.
    pub loaded: Loaded,
}

/// Reads and compiles the file at `path`; every problem at once.
pub fn read(path: &Path, environment: &dyn Fn(&str) -> Option<String>, observe: bool) -> Result<Plan, LoadError> {
    let mut loaded = load(path, environment)?;
    if observe {
        for recovery in loaded.file.servers.iter_mut().map(|entry| &mut entry.recovery).chain([&mut loaded.file.recovery]) {
            recovery.mode = Some(Mode::Observe);
        }
    }
    let mut issues = Vec::new();
    let policies = compile(&loaded.file, Purpose::Run).unwrap_or_else(|found| {
        issues.extend(found);
        Vec::new()
    });
    let targets = targets(&loaded.file.servers, &mut issues);
    if !issues.is_empty() {
        return Err(LoadError::Invalid(located(&loaded, issues)));
    }
    Ok(Plan {
        policies,
        targets,
        registry: registry(&loaded.raw),
        supervised: supervised(&loaded.file.servers),
        engines: engines(&loaded.file),
        entries: loaded.file.servers.clone(),
        loaded,
    })
}

impl Plan {
    /// What relative paths in the file start at.
    pub fn directory(&self) -> PathBuf {
        let parent = self.loaded.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new(".")).to_owned()
    }
}

/// What cannot be run as configured, with its places.
pub fn faults(plan: &Plan, error: StartError) -> Vec<Problem> {
    let places = &plan.loaded.places;
    error.faults.into_iter().map(|fault| places.problem(&fault.pointer, fault.text, None)).collect()
}

/// Problems with the places of their issues, in the order of the file.
pub fn located(loaded: &Loaded, issues: Vec<Issue>) -> Vec<Problem> {
    let locate = |issue: Issue| loaded.places.problem(&issue.pointer, issue.message, Some(issue.help));
    let mut problems: Vec<_> = issues.into_iter().map(locate).collect();
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems
}

/// The entries as written, for everybody to read: what stands in an environment may be a secret.
fn registry(raw: &Value) -> Vec<Value> {
    let mut entries = raw.get("servers").and_then(Value::as_array).cloned().unwrap_or_default();
    for environment in entries.iter_mut().filter_map(|entry| entry.pointer_mut("/runtime/env")?.as_object_mut()) {
        environment.values_mut().for_each(|value| *value = Value::from("***"));
    }
    entries
}

fn targets(entries: &[ServerEntry], issues: &mut Vec<Issue>) -> Vec<HttpTarget> {
    let mut targets = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some((key, url)) = health_url(entry) else { continue };
        match HttpTarget::parse(&url) {
            Ok(target) => targets.push(target.pinned_to(entry.health_spec_version)),
            Err(error) => issues.push(Issue {
                pointer: format!("/servers/{index}/{key}"),
                message: super::causes::causes(&error),
                help: "an address such as http://127.0.0.1:8082/health".to_owned(),
            }),
        }
    }
    targets
}

/// Where a server's health is, and the key that says so.
fn health_url(entry: &ServerEntry) -> Option<(&'static str, String)> {
    if let Some(url) = &entry.health_url {
        return Some(("health_url", url.clone()));
    }
    if let Some(endpoint) = &entry.endpoint {
        let (scheme, rest) = endpoint.split_once("://").unwrap_or(("", endpoint));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        return Some(("endpoint", format!("{scheme}://{authority}/health")));
    }
    entry.port.map(|port| ("port", format!("http://127.0.0.1:{port}/health")))
}

fn supervised(entries: &[ServerEntry]) -> Vec<Supervised> {
    let one = |(index, entry): (usize, &ServerEntry)| {
        let runtime = entry.runtime.clone().filter(|runtime| runtime.kind != RuntimeKind::None)?;
        Some(Supervised {
            server: ServerId(index),
            entry: index,
            name: entry.name.clone(),
            runtime,
            stop_timeout: None,
            acting: false,
        })
    };
    entries.iter().enumerate().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_not_shown() {
        let raw = serde_json::json!({ "servers": [{ "name": "a", "runtime": { "env": { "KEY": "secret" } } }, { "name": "b" }] });
        let shown = registry(&raw);
        assert_eq!(shown[0]["runtime"]["env"]["KEY"], "***");
        assert_eq!(shown[1]["name"], "b");
    }

    #[test]
    fn health_is_asked_for_where_the_entry_says_or_where_the_server_speaks() {
        let entry = |json: serde_json::Value| serde_json::from_value::<ServerEntry>(json).expect("an entry");
        let url = |json| health_url(&entry(json)).map(|(_, url)| url);
        assert_eq!(url(serde_json::json!({ "name": "a", "port": 81 })).as_deref(), Some("http://127.0.0.1:81/health"));
        let endpoint = serde_json::json!({ "name": "a", "port": 81, "endpoint": "http://h:82/mcp?x" });
        assert_eq!(url(endpoint).as_deref(), Some("http://h:82/health"));
        let all = serde_json::json!({ "name": "a", "endpoint": "http://h:82/mcp", "health_url": "http://h:83/alive" });
        assert_eq!(url(all).as_deref(), Some("http://h:83/alive"));
    }
}
