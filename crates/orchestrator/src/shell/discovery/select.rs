//! What is watched because of its labels, and what is not, and why. Pure: it is given everything that it judges.
//!
//! The registry always wins. What was registered stays as it was while its container's labels are wrong, while its engine is silent, and for
//! a grace after its container was removed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use health_spec::config::{Discovery, Engine};
use health_spec::registry::ServerEntry;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::container::Container;
use super::hints::hints;
use super::labels::{Asked, Fault, asked};
use super::wish::{Denied, Wish, key, wish};
use crate::machine::policy::Issue;
use crate::shell::runtime::container::{
    consent::{ENABLE, ONE_OFF, is_one_off},
    ledger::means,
    recreate::kept_of,
};

mod depend;
mod keep;
mod name;

/// What everything is judged by.
pub struct Ground<'a> {
    /// The section `discovery`.
    pub settings: &'a Discovery,
    /// The engines that are looked at.
    pub engines: &'a [Engine],
    /// Names of servers in the registry.
    pub names: BTreeSet<&'a str>,
    /// Their containers: engine, container, server.
    pub claims: Vec<(&'a str, &'a str, &'a str)>,
    /// What is wrong with an entry, in the file's surroundings.
    pub judge: &'a dyn Fn(&ServerEntry) -> Vec<Issue>,
    /// How long one that was removed stays.
    pub grace: Duration,
    /// Now.
    pub now: Instant,
}

/// A server that is watched because of its container's labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// What makes a recreated container the same.
    pub key: String,
    /// The container's id.
    pub id: String,
    /// Its name.
    pub container: String,
    /// Its engine's name.
    pub engine: String,
    /// The entry that a registry would have.
    pub entry: Value,
    /// Since when the container is no longer there.
    #[serde(skip)]
    pub gone: Option<Instant>,
}

impl Known {
    /// Whether it is there, if a container has this name: it may have been stopped in the middle of a recreate.
    pub fn is_there_as(&self, name: &str) -> bool {
        name == self.container || kept_of(name) == Some(&self.container)
    }
}

/// One container, and what becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which one.
    pub container: Container,
    /// What becomes of it.
    pub verdict: Verdict,
    /// What other tools' labels tell.
    pub hints: Vec<String>,
}

/// What becomes of a container.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is watched under this name, because its labels ask for it.
    Watched {
        /// The server.
        name: String,
        /// What of its labels could not be followed.
        notes: Vec<String>,
    },
    /// The registry has it, under this name.
    Registered(String),
    /// It has no label of ours.
    NotAsked,
    /// Its label says `false`.
    Off,
    /// Compose has run it for one command: nobody wants it back.
    OneOff,
    /// Labels that all have to have are missing here.
    Elsewhere,
    /// Not yet, for this reason.
    Later(&'static str),
    /// A newer container has taken its place.
    Replaced,
    /// A recreate of ours keeps it, until it is known which of the two stays.
    Kept,
    /// Its labels are wrong. They change nothing.
    Wrong(Vec<Fault>),
}

/// What is watched, and what of every container becomes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Every container.
    pub findings: Vec<Finding>,
    /// What is watched because of labels, by the server's name.
    pub servers: BTreeMap<String, Known>,
    /// When a container that was removed is given up.
    pub next: Option<Instant>,
}

/// Judges every container of the engines that have answered (`listings`, by engine), beside what is `known` already.
pub fn select(listings: &BTreeMap<String, Vec<Container>>, known: &BTreeMap<String, Known>, ground: &Ground<'_>) -> Selection {
    let mut wishes = Vec::new();
    let mut findings = Vec::new();
    for container in ground.engines.iter().filter_map(|engine| listings.get(&engine.name)).flatten() {
        let verdict = match consider(container, ground) {
            Ok(wish) => {
                let name = wish.name.clone();
                wishes.push((findings.len(), wish));
                Verdict::Watched { name, notes: Vec::new() }
            }
            Err(verdict) => verdict,
        };
        findings.push(Finding { container: container.clone(), verdict, hints: hints(container) });
    }
    name::settle(&mut findings, &mut wishes, known, ground);
    let mut servers = keep::kept(&findings, listings, known, ground);
    name::hold(&mut findings, &mut wishes, &servers, ground);
    for (at, wish) in &wishes {
        servers.insert(wish.name.clone(), watched(&findings[*at].container, wish));
    }
    depend::settle(&mut findings, &wishes, &mut servers, ground);
    let next = servers.values().filter_map(|known| known.gone).map(|gone| gone + ground.grace).min();
    Selection { findings, servers, next }
}

fn watched(container: &Container, wish: &Wish) -> Known {
    let mut entry = wish.entry.clone();
    entry["discovered"] = json!(true);
    Known {
        key: key(container),
        id: container.id.clone(),
        container: container.name.clone(),
        engine: container.engine.clone(),
        entry,
        gone: None,
    }
}

/// One container by itself.
fn consider(container: &Container, ground: &Ground<'_>) -> Result<Wish, Verdict> {
    if let Some(server) = ground.claimed_by(container) {
        return Err(Verdict::Registered(server.to_owned()));
    }
    match asked(&container.labels) {
        Asked::No => return Err(Verdict::NotAsked),
        Asked::Off => return Err(Verdict::Off),
        Asked::Unclear(fault) => return Err(Verdict::Wrong(vec![fault])),
        // Its labels are its successor's, who has its place.
        Asked::Yes if is_one_off(&container.labels) => return Err(Verdict::OneOff),
        Asked::Yes if kept_of(&container.name).is_some() => return Err(Verdict::Kept),
        Asked::Yes => {}
    }
    if ground.settings.labels.iter().any(|(label, value)| container.label(label) != Some(value)) {
        return Err(Verdict::Elsewhere);
    }
    let engine = ground.engines.iter().find(|engine| engine.name == container.engine).ok_or(Verdict::NotAsked)?;
    let wish = wish(container, engine, ground.settings).map_err(|denied| match denied {
        Denied::Later(why) => Verdict::Later(why),
        Denied::Wrong(faults) => Verdict::Wrong(faults),
    })?;
    if ground.names.contains(wish.name.as_str()) {
        return Err(Verdict::Wrong(vec![name::taken(&wish.name, "by the registry, which goes first")]));
    }
    let faults = judged(container, &wish, ground);
    if faults.is_empty() { Ok(wish) } else { Err(Verdict::Wrong(faults)) }
}

/// What the rest of the configuration makes of it: limits that tie one setting to another.
fn judged(container: &Container, wish: &Wish, ground: &Ground<'_>) -> Vec<Fault> {
    let issues = match serde_json::from_value::<ServerEntry>(wish.entry.clone()) {
        Ok(entry) => (ground.judge)(&entry),
        Err(error) => vec![Issue { pointer: String::new(), message: error.to_string(), help: String::new() }],
    };
    issues.into_iter().map(|issue| fault_of(container, issue)).collect()
}

fn fault_of(container: &Container, issue: Issue) -> Fault {
    let places = [
        ("name", "mcp.health.name"),
        ("health_url", "mcp.health.url"),
        ("interval", "mcp.health.interval"),
        ("timeout", "mcp.health.timeout"),
        ("recovery", "mcp.health.recovery"),
    ];
    let label = places.into_iter().find(|(part, label)| issue.pointer.contains(part) && container.label(label).is_some());
    let label = label.map_or("", |(_, label)| label);
    Fault { label: label.to_owned(), found: container.label(label).map(str::to_owned), message: issue.message, help: issue.help }
}

impl Ground<'_> {
    /// The server of the registry that this container belongs to.
    fn claimed_by(&self, container: &Container) -> Option<&str> {
        let is_it = |wanted: &str| means(wanted, &container.name, &container.id);
        self.claims.iter().find(|(engine, wanted, _)| *engine == container.engine && is_it(wanted)).map(|(.., server)| *server)
    }
}

impl Finding {
    /// Why, for people.
    pub fn why(&self) -> String {
        match &self.verdict {
            Verdict::Watched { notes, .. } if notes.is_empty() => format!("label {ENABLE}=true"),
            Verdict::Watched { notes, .. } => format!("label {ENABLE}=true; {}", notes.join("; ")),
            Verdict::Registered(_) => "in the registry".to_owned(),
            Verdict::NotAsked => format!("no label {ENABLE}=true"),
            Verdict::Off => format!("label {ENABLE}=false"),
            Verdict::OneOff => format!("a one-off container of `docker compose run` (label {ONE_OFF}=True)"),
            Verdict::Elsewhere => "the labels that `discovery.labels` wants are not all there".to_owned(),
            Verdict::Later(why) => format!("not yet: {why}"),
            Verdict::Kept => "a recreate keeps it until its successor is well".to_owned(),
            Verdict::Replaced => "a newer container has taken its place".to_owned(),
            Verdict::Wrong(faults) => faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; "),
        }
    }
}

#[cfg(test)]
mod tests;
