//! Servers beside those of the files: what was discovered, put into a plan as if the registry had it.

use std::path::PathBuf;

use health_spec::config::{Engine, File};
use health_spec::registry::ServerEntry;
use serde_json::Value;

use super::{Look, Plan, compiled, probes};
use crate::machine::policy::{Issue, Purpose, compile, engine_of};
use crate::shell::config::{Draft, LoadError};
use crate::shell::runtime::container::consent::{Consent, ENABLE};

impl Plan {
    /// This plan, which the files ask for, with these entries after the files' own.
    pub fn with(&self, entries: &[Value], observe: bool) -> Result<Self, LoadError> {
        if entries.is_empty() {
            return Ok(self.clone());
        }
        let mut loaded = self.loaded.clone();
        for entry in entries {
            let read = serde_json::from_value(entry.clone());
            let read =
                read.map_err(|error| LoadError::Unreadable { path: PathBuf::from("a discovered server"), source: error.into() })?;
            loaded.file.servers.push(read);
        }
        if let Some(raw) = loaded.raw.as_object_mut() {
            let servers = raw.entry("servers").or_insert_with(|| Value::Array(Vec::new()));
            servers.as_array_mut().into_iter().for_each(|servers| servers.extend_from_slice(entries));
        }
        let mut plan = compiled(Draft::of(loaded), || self.engines.clone(), observe, Look::No)?;
        for supervised in plan.supervised.iter_mut().filter(|supervised| supervised.entry >= self.entries.len()) {
            supervised.consent = self.consent();
        }
        Ok(plan)
    }

    /// What a container that is discovered has to have.
    fn consent(&self) -> Consent {
        let asks = (ENABLE.to_owned(), "true".to_owned());
        let more = self.loaded.file.discovery.labels.iter().map(|(label, value)| (label.clone(), value.clone()));
        Consent::by(more.chain([asks]).collect())
    }

    /// What is wrong with one more entry, beside the files' own defaults.
    pub fn judge(&self, entry: &ServerEntry) -> Vec<Issue> {
        let file = File {
            servers: vec![entry.clone()],
            health_check: self.loaded.file.health_check.clone(),
            recovery: self.loaded.file.recovery.clone(),
            engines: self.engines.clone(),
            ..File::default()
        };
        let mut issues = compile(&file, Purpose::Run).err().unwrap_or_default();
        probes::targets(&file.servers, &self.loaded, &mut issues);
        issues
    }

    /// The containers that the registry has: engine, container, server.
    pub fn claims(&self) -> Vec<(&str, &str, &str)> {
        self.entries.iter().filter_map(|entry| self.claim(entry)).collect()
    }

    fn claim<'a>(&'a self, entry: &'a ServerEntry) -> Option<(&'a str, &'a str, &'a str)> {
        let runtime = entry.runtime.as_ref()?;
        let engine = self.engines.get(engine_of(&self.engines, runtime)?.0)?;
        Some((engine.name.as_str(), runtime.container.as_deref()?, entry.name.as_str()))
    }
}

/// Discovery looks at engines that there are.
pub(super) fn check(file: &File, engines: &[Engine], issues: &mut Vec<Issue>) {
    let named = file.discovery.engines.iter().flatten().enumerate();
    let known: Vec<_> = engines.iter().map(|engine| engine.name.as_str()).collect();
    issues.extend(named.filter(|(_, name)| !known.contains(&name.as_str())).map(|(at, name)| Issue {
        pointer: format!("/discovery/engines/{at}"),
        message: format!("there is no engine `{name}`"),
        help: format!("one of: {}", known.join(", ")),
    }));
}
