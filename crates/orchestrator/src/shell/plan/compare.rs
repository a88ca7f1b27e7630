//! What differs between two plans, server by server: for a reload that loses no server's state.

use std::collections::HashMap;

use super::Plan;
use crate::machine::Policy;

/// What differs, by server name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Servers that are new.
    pub added: Vec<String>,
    /// Servers that are gone.
    pub removed: Vec<String>,
    /// Servers that are written differently.
    pub changed: Vec<Change>,
    /// Whether anything but servers has changed: engines, maintenance, retention, the log, where to listen.
    pub fleet: bool,
}

/// What has changed about one server; if nothing of this, it is only shown differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which one.
    pub name: String,
    /// When it is checked, or how it is brought back.
    pub policy: bool,
    /// Where it is checked.
    pub target: bool,
    /// What runs it.
    pub runtime: bool,
}

impl Difference {
    /// Whether both plans ask for the same.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Plan {
    /// What `new` asks for that this one does not, and the other way round.
    pub fn difference(&self, new: &Self) -> Difference {
        let (before, after) = (self.by_name(), new.by_name());
        let gone = |name: &&str| !after.contains_key(name);
        let fresh = |name: &&str| !before.contains_key(name);
        let changed = new.names().filter_map(|name| self.change(*before.get(name)?, new, *after.get(name)?));
        Difference {
            added: new.names().filter(fresh).map(str::to_owned).collect(),
            removed: self.names().filter(gone).map(str::to_owned).collect(),
            changed: changed.collect(),
            fleet: !self.is_same_fleet(new),
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    fn by_name(&self) -> HashMap<&str, usize> {
        self.names().enumerate().map(|(at, name)| (name, at)).collect()
    }

    fn change(&self, old: usize, new: &Self, at: usize) -> Option<Change> {
        let runs = |plan: &Self, at: usize| plan.supervised.iter().find(|one| one.server.0 == at).map(|one| one.runtime.clone());
        let change = Change {
            name: new.entries[at].name.clone(),
            policy: self.policy_of(old) != new.policy_of(at) || self.hooks.get(old) != new.hooks.get(at),
            target: self.targets.get(old) != new.targets.get(at),
            runtime: runs(self, old) != runs(new, at),
        };
        let shown = self.registry.get(old) != new.registry.get(at) || self.entries[old].group != new.entries[at].group;
        (change.policy || change.target || change.runtime || shown).then_some(change)
    }

    /// Servers are numbered anew in each plan; names stay.
    fn policy_of(&self, at: usize) -> (Policy, Vec<&str>) {
        let mut policy = self.policies[at].clone();
        let mut names: Vec<_> = policy.depends_on.drain(..).map(|id| self.entries[id.0].name.as_str()).collect();
        names.sort_unstable();
        (policy, names)
    }

    fn is_same_fleet(&self, new: &Self) -> bool {
        let (old_file, new_file) = (&self.loaded.file, &new.loaded.file);
        self.engines == new.engines
            && old_file.maintenance == new_file.maintenance
            && self.max_concurrent == new.max_concurrent
            && self.retention == new.retention
            && (self.listen, self.gateway) == (new.listen, new.gateway)
            && old_file.event_emission == new_file.event_emission
            && old_file.discovery == new_file.discovery
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Plan {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("registry.yaml");
        std::fs::write(&path, text).expect("written");
        super::super::read(&[path], &|_| None, false).expect("a plan")
    }

    #[test]
    fn servers_are_compared_by_name_not_by_place() {
        let old = plan("servers: [{name: a, port: 1}, {name: b, port: 2, depends_on: [a]}, {name: c, port: 3}]");
        let new = plan("servers: [{name: d, port: 4}, {name: b, port: 2, depends_on: [a]}, {name: a, port: 5, group: x}]");
        let difference = old.difference(&new);
        assert_eq!((difference.added, difference.removed), (vec!["d".to_owned()], vec!["c".to_owned()]));
        let expected = Change { name: "a".to_owned(), policy: false, target: true, runtime: false };
        assert_eq!(difference.changed, [expected]);
        assert!(!difference.fleet);
        assert!(new.difference(&new).is_none());
    }

    #[test]
    fn a_default_of_the_file_changes_the_servers_that_follow_it() {
        let old = plan("servers: [{name: a, port: 1}, {name: b, port: 2, health_check: {interval_seconds: 9}}]");
        let new = plan(
            "health_check: {interval_seconds: 10}\nservers: [{name: a, port: 1}, {name: b, port: 2, health_check: {interval_seconds: 9}}]",
        );
        let names: Vec<_> = old.difference(&new).changed.into_iter().map(|change| change.name).collect();
        assert_eq!(names, ["a"]);
    }
}
