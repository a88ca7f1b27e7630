//! What becomes of each container: watched by the registry, by its labels, or not at all, and why.

use std::collections::HashSet;

use health_spec::registry::{Runtime, ServerEntry};
use serde_json::Value;

use super::{ENABLE, Listed, entry, hints, name};

/// A container, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The container.
    pub container: Listed,
    /// What becomes of it.
    pub judged: Judged,
    /// What else its labels tell.
    pub hints: Vec<String>,
}

/// What becomes of a container.
#[derive(Clone, Debug, PartialEq)]
pub enum Judged {
    /// The registry has it, as this server.
    Registered(String),
    /// Its labels ask for this entry.
    Asks(Box<(Value, ServerEntry)>),
    /// Its labels ask for it, and are wrong.
    Wrong(Vec<String>),
    /// Nobody has asked.
    Unasked,
}

impl Candidate {
    /// What becomes of it, in a sentence.
    pub fn why(&self) -> String {
        match &self.judged {
            Judged::Registered(name) => format!("the registry has it, as {name}"),
            Judged::Asks(_) => format!("its label {ENABLE}=true asks for it"),
            Judged::Wrong(wrong) => wrong.join("; "),
            Judged::Unasked => format!("neither the registry nor a label {ENABLE}=true asks for it"),
        }
    }
}

/// Judges every container beside these entries of the registry, which go first.
pub fn candidates(listed: &[Listed], registry: &[ServerEntry]) -> Vec<Candidate> {
    let mut names: HashSet<String> = registry.iter().map(|entry| entry.name.clone()).collect();
    let one = |container: &Listed| {
        let judged = judge(container, listed, registry, &mut names);
        Candidate { container: container.clone(), judged, hints: hints(container) }
    };
    listed.iter().map(one).collect()
}

fn judge(container: &Listed, all: &[Listed], registry: &[ServerEntry], names: &mut HashSet<String>) -> Judged {
    let is_it = |runtime: &Runtime| {
        runtime.kind.engine() == Some(container.kind)
            && runtime.container.as_ref() == Some(&container.name)
            && runtime.engine.as_ref().is_none_or(|engine| *engine == container.engine)
    };
    if let Some(known) = registry.iter().find(|entry| entry.runtime.as_ref().is_some_and(is_it)) {
        return Judged::Registered(known.name.clone());
    }
    if !container.asks() {
        return Judged::Unasked;
    }
    let written = match entry(container, all) {
        Ok(written) => written,
        Err(wrong) => return Judged::Wrong(wrong),
    };
    match serde_json::from_value::<ServerEntry>(written.clone()) {
        Err(error) => Judged::Wrong(vec![error.to_string()]),
        Ok(_) if !names.insert(name(container).to_owned()) => {
            Judged::Wrong(vec![format!("another server has the name {}; give it one by mcp.health.name", name(container))])
        }
        Ok(read) => Judged::Asks(Box::new((written, read))),
    }
}
