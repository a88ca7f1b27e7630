//! What two traces do not have in common, server by server.
//!
//! The same event of the same server with the same fields is the same one, also at another moment: then it has moved.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::machine::Mono;
use crate::sim::trace::{Line, Trace};

/// One event that differs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference<'a> {
    /// As recorded; `None`: it appears.
    pub recorded: Option<&'a Line>,
    /// With the other policy; `None`: it vanishes.
    pub other: Option<&'a Line>,
}

impl<'a> Difference<'a> {
    fn line(&self) -> Option<&'a Line> {
        self.recorded.or(self.other)
    }

    /// The server; empty for the monitor itself.
    pub fn server(&self) -> &'a str {
        self.line().map_or("", |line| &line.server)
    }

    /// `appears`, `vanishes` or `moves`.
    pub fn change(&self) -> &'static str {
        match (self.recorded, self.other) {
            (Some(_), Some(_)) => "moves",
            (Some(_), None) => "vanishes",
            (None, _) => "appears",
        }
    }

    fn at(&self) -> Option<Mono> {
        [self.recorded, self.other].into_iter().flatten().map(|line| line.at).min()
    }
}

/// By server, then by time.
pub fn differences<'a>(recorded: &'a Trace, other: &'a Trace) -> Vec<Difference<'a>> {
    let (left, mut right) = (by_kind(recorded), by_kind(other));
    let mut all = Vec::new();
    for (key, lines) in left {
        all.extend(paired(lines, right.remove(&key).unwrap_or_default()));
    }
    all.extend(right.into_values().flatten().map(|line| Difference { recorded: None, other: Some(line) }));
    all.sort_by_key(|difference| (difference.server(), difference.at()));
    all
}

/// Lines that differ in nothing but their moment.
fn by_kind(trace: &Trace) -> BTreeMap<String, VecDeque<&Line>> {
    let mut kinds: BTreeMap<_, VecDeque<_>> = BTreeMap::new();
    for line in &trace.lines {
        let mut key = line.json();
        if let Some(fields) = key.as_object_mut() {
            fields.remove("at");
        }
        kinds.entry(key.to_string()).or_default().push_back(line);
    }
    kinds
}

/// Nearer than this two moments are the same: a check that is played takes no time.
const NEAR: Duration = Duration::from_millis(100);

/// Those at about the same moment are the same; of the others the first on one side is the first on the other.
fn paired<'a>(left: VecDeque<&'a Line>, mut right: VecDeque<&'a Line>) -> Vec<Difference<'a>> {
    let mut odd = Vec::new();
    for line in left {
        match right.iter().position(|other| other.at.since(line.at).max(line.at.since(other.at)) < NEAR) {
            Some(place) => drop(right.remove(place)),
            None => odd.push(line),
        }
    }
    let mut paired: Vec<_> = odd.into_iter().map(|line| Difference { recorded: Some(line), other: right.pop_front() }).collect();
    paired.extend(right.into_iter().map(|line| Difference { recorded: None, other: Some(line) }));
    paired
}

#[cfg(test)]
mod tests {
    use health_spec::EventKind;

    use super::*;

    fn trace(lines: &[(u64, &str, EventKind)]) -> Trace {
        let line = |(at, server, kind): &(u64, &str, EventKind)| Line {
            at: Mono(Duration::from_secs(*at)),
            server: (*server).to_owned(),
            kind: kind.clone(),
        };
        Trace { lines: lines.iter().map(line).collect(), ..Trace::default() }
    }

    #[test]
    fn what_appears_vanishes_and_moves_is_told_by_server() {
        let held = || EventKind::RecoveryReleased { reason: "paused".to_owned() };
        let before =
            trace(&[(1, "b", EventKind::ServerResumed), (2, "a", held()), (5, "a", held()), (9, "a", EventKind::ClockSkew)]);
        let after = trace(&[(2, "a", held()), (7, "a", held()), (1, "b", EventKind::ServerResumed), (8, "b", held())]);
        let told: Vec<_> = differences(&before, &after).iter().map(|it| (it.server(), it.change())).collect();
        assert_eq!(told, [("a", "moves"), ("a", "vanishes"), ("b", "appears")]);
        assert!(differences(&before, &before).is_empty());
    }
}
