//! What of the configuration in force a later one is compared with. The rest is not kept: of ten thousand servers it is much.

use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::net::SocketAddr;

use health_spec::config::{Engine, EventEmission, Retention};
use serde_json::Value;

use crate::shell::plan::Plan;
use crate::shell::runtime::Supervised;

/// The slim part of the last plan.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) engines: Vec<Engine>,
    /// What runs the servers.
    pub(super) supervised: Vec<Supervised>,
    /// Stands for everything that was written.
    written: u64,
    /// Stands for that and what is discovered.
    all: u64,
    /// What the orchestrator was started with, and keeps until it ends.
    started: Started,
}

#[derive(Debug)]
struct Started {
    listen: (Option<SocketAddr>, Option<SocketAddr>),
    retention: Retention,
    emission: EventEmission,
}

impl InForce {
    /// `plan` is what runs, `written` what the files ask for.
    pub(super) fn started_with(plan: Plan, written: &Plan) -> Self {
        let started =
            Started { listen: (plan.listen, plan.gateway), retention: plan.retention, emission: plan.loaded.file.event_emission };
        let (written, all) = (fingerprint(&written.loaded.raw), fingerprint(&plan.loaded.raw));
        Self { engines: plan.engines, supervised: plan.supervised, written, all, started }
    }

    /// Another one is in force; `written` are the files, if they were read anew.
    pub(super) fn follow(&mut self, plan: Plan, written: Option<&Plan>) {
        self.written = written.map_or(self.written, |written| fingerprint(&written.loaded.raw));
        self.all = fingerprint(&plan.loaded.raw);
        (self.engines, self.supervised) = (plan.engines, plan.supervised);
    }

    /// Whether `plan` was made of the same text, but for what a reader does not see.
    pub(super) fn is_written(&self, plan: &Plan) -> bool {
        self.written == fingerprint(&plan.loaded.raw)
    }

    /// Whether nothing that is written or discovered is otherwise.
    pub(super) fn is_all_of(&self, plan: &Plan) -> bool {
        self.all == fingerprint(&plan.loaded.raw)
    }

    /// Sections that ask for something else than what the orchestrator was started with.
    pub(super) fn needs_restart(&self, plan: &Plan) -> Vec<String> {
        let changed = [
            ("listen", self.started.listen != (plan.listen, plan.gateway)),
            ("retention", self.started.retention != plan.retention),
            ("event_emission", self.started.emission != plan.loaded.file.event_emission),
        ];
        changed.into_iter().filter(|(_, changed)| *changed).map(|(section, _)| section.to_owned()).collect()
    }
}

fn fingerprint(raw: &Value) -> u64 {
    let mut hashing = Hashing(DefaultHasher::new());
    // Writing there cannot fail, and a JSON value is JSON.
    let _ = serde_json::to_writer(&mut hashing, raw);
    hashing.0.finish()
}

/// Hashes what is written to it.
struct Hashing(DefaultHasher);

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Plan {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("registry.yaml");
        std::fs::write(&path, text).expect("written");
        crate::shell::plan::read(&[path], &|_| None, false).expect("a plan")
    }

    #[test]
    fn what_the_start_has_fixed_is_named_until_it_is_as_it_was() {
        let before = plan("servers: []");
        let mut in_force = InForce::started_with(before.clone(), &before);
        let other = plan("{servers: [], listen: {orchestrator: '127.0.0.1:9999'}, event_emission: {enabled: false}}");
        assert_eq!(in_force.needs_restart(&other), ["listen", "event_emission"]);
        in_force.follow(other.clone(), Some(&other));
        assert_eq!(in_force.needs_restart(&other), ["listen", "event_emission"], "a second reload says it again");
        assert_eq!(in_force.needs_restart(&plan("{servers: [], health_check: {interval_seconds: 9}}")), [""; 0]);
    }

    #[test]
    fn comments_and_blanks_are_no_news() {
        let before = plan("servers: [{name: a, port: 1}]");
        let in_force = InForce::started_with(before.clone(), &before);
        assert!(in_force.is_written(&plan("# one server\nservers:\n  - name: a\n    port: 1\n")));
        assert!(!in_force.is_written(&plan("servers: [{name: a, port: 2}]")));
    }
}
