//! Lists of servers that others keep, as a registry: what MCP clients, the MCP registry and Docker's catalogs say.
//!
//! Nothing is invented: what cannot be carried is a note, and what is not understood goes along under `metadata`. Secrets in headers
//! stay where they are.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Map, Value, json};
use thiserror::Error;

mod client;
mod docker;
mod parse;
mod reference;
mod server;
mod server_json;
mod write;

use server::Server;

/// Servers from however many files.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    servers: Vec<Server>,
    /// What concerns no server that is there.
    left_out: Vec<Note>,
    names: HashSet<String>,
}

/// What a person should know about a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its name.
    pub server: String,
    /// What was not carried, and what is still missing.
    pub message: String,
}

/// Why a file cannot be imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// It is neither JSON nor YAML.
    #[error("{0}")]
    Syntax(String),
    /// It is something else.
    #[error(
        "this is no list of servers that is known here: MCP clients have `mcpServers` or `servers`, the MCP registry's server.json \
         has `packages` or `remotes`, Docker's catalogs have `registry`"
    )]
    Unknown,
    /// There is nothing to do.
    #[error("this is a registry already; orchestrator check-config reads it as it is")]
    Registry,
    /// It lists nothing.
    #[error("it lists no servers")]
    Empty,
}

impl Imported {
    /// Adds the servers of one file.
    pub fn add(&mut self, path: &Path, text: &str) -> Result<(), ImportError> {
        let found = servers(&parse::parse(text).map_err(ImportError::Syntax)?)?;
        if found.is_empty() {
            return Err(ImportError::Empty);
        }
        for mut server in found {
            server.origin = path.display().to_string();
            self.take(server);
        }
        Ok(())
    }

    fn take(&mut self, mut server: Server) {
        if let Some(why) = server.left_out.take() {
            self.left_out.push(Note { server: server.name, message: format!("left out: {why}") });
            return;
        }
        let wanted = server.name.clone();
        let mut count = 1;
        while !self.names.insert(server.name.clone()) {
            count += 1;
            server.name = format!("{wanted}-{count}");
        }
        if count > 1 {
            server.note(format!("called `{wanted}` there; that name was taken"));
        }
        self.servers.push(server);
    }

    /// What was not carried, and why.
    pub fn notes(&self) -> Vec<Note> {
        let of = |server: &Server| {
            let note = |message: &String| Note { server: server.name.clone(), message: message.clone() };
            server.notes.iter().map(note).collect::<Vec<_>>()
        };
        self.servers.iter().flat_map(of).chain(self.left_out.iter().cloned()).collect()
    }

    /// The registry, with the notes as comments.
    pub fn yaml(&self) -> String {
        write::yaml(&self.servers, &self.left_out)
    }

    /// The registry as JSON, without the notes.
    pub fn json(&self) -> Value {
        json!({ "version": "1.1", "servers": self.servers.iter().map(Server::entry).collect::<Vec<_>>() })
    }
}

/// Which form it is, by the keys that only this form has.
fn servers(root: &Value) -> Result<Vec<Server>, ImportError> {
    let Some(map) = root.as_object() else { return of_list(root) };
    let section = |key: &str| map.get(key).and_then(Value::as_object);
    let clients = [section("mcpServers"), section("servers"), section("context_servers")];
    let nested = section("mcp").and_then(|mcp| mcp.get("servers")).and_then(Value::as_object);
    if let Some(listed) = clients.into_iter().flatten().next().or(nested) {
        return Ok(listed.iter().map(|(name, written)| client::server(name, written)).collect());
    }
    if let Some(listed) = section("registry") {
        return Ok(listed.iter().map(|(name, written)| docker::server(name, written)).collect());
    }
    match map.get("servers") {
        Some(list) => of_list(list),
        None => one(map).map(|server| vec![server]),
    }
}

fn of_list(list: &Value) -> Result<Vec<Server>, ImportError> {
    let list = list.as_array().ok_or(ImportError::Unknown)?;
    list.iter().map(|item| item.as_object().ok_or(ImportError::Unknown).and_then(one)).collect()
}

/// One server, alone in its file or in a list.
fn one(map: &Map<String, Value>) -> Result<Server, ImportError> {
    if let Some(inner) = map.get("server").and_then(Value::as_object) {
        return one(inner);
    }
    let Some(name) = map.get("name").and_then(Value::as_str) else { return Err(ImportError::Unknown) };
    let has = |keys: &[&str]| keys.iter().any(|key| map.contains_key(*key));
    match () {
        () if has(&["packages", "remotes"]) => Ok(server_json::server(name, map)),
        () if has(&["image", "remote", "about"]) => Ok(docker::server(name, &Value::Object(map.clone()))),
        () if has(&["health_url", "endpoint", "port", "runtime", "docker_image", "namespace"]) => Err(ImportError::Registry),
        () => Err(ImportError::Unknown),
    }
}

#[cfg(test)]
mod tests;
