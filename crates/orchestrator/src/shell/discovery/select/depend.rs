//! Dependencies of what is watched because of its labels: on one another, and on servers of the registry.
//!
//! What is not watched cannot be waited for: it is left out, and counts as soon as it is watched.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::super::hints::Compose;
use super::super::wish::Wish;
use super::{Finding, Ground, Known, Verdict};

/// Who waits for whom.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Writes into every entry what it waits for, and into every finding what had to be left out.
pub(super) fn settle(
    findings: &mut [Finding],
    wishes: &[(usize, Wish)],
    servers: &mut BTreeMap<String, Known>,
    ground: &Ground<'_>,
) {
    let mut graph = Graph::new();
    for (name, known) in servers.iter() {
        // Those that stay as they were have theirs already.
        let of_entry = known.entry.get("depends_on").and_then(serde_json::Value::as_array).into_iter().flatten();
        graph.insert(name.clone(), of_entry.filter_map(|it| it.as_str().map(str::to_owned)).collect());
    }
    let by_service = services(findings, wishes);
    for (at, wish) in wishes {
        for wanted in &wish.depends_on {
            let target = if wish.insists { wanted.clone() } else { in_project(&by_service, &findings[*at], wanted) };
            let is_watched = servers.contains_key(&target) || ground.names.contains(target.as_str());
            let note = if !is_watched {
                format!("it depends on `{target}`, which is not watched")
            } else if target == wish.name || reaches(&graph, &target, &wish.name) {
                format!("that it depends on `{target}` would be a cycle")
            } else {
                graph.entry(wish.name.clone()).or_default().insert(target);
                continue;
            };
            if let (Verdict::Watched { notes, .. }, true) = (&mut findings[*at].verdict, wish.insists) {
                notes.push(format!("{note}: left out"));
            }
        }
    }
    for (name, known) in servers.iter_mut() {
        let depends_on = graph.get(name).cloned().unwrap_or_default();
        // Whom one that stays waited for may be gone.
        let depends_on: Vec<_> =
            depends_on.into_iter().filter(|it| ground.names.contains(it.as_str()) || graph.contains_key(it)).collect();
        known.entry["depends_on"] = json!(depends_on);
    }
}

/// The first container of each service, by project and service: its server's name.
fn services(findings: &[Finding], wishes: &[(usize, Wish)]) -> BTreeMap<(String, String), String> {
    let of = |(at, wish): &(usize, Wish)| {
        let compose = Compose::of(&findings[*at].container)?;
        Some(((compose.project.to_owned(), compose.service.to_owned()), wish.name.clone()))
    };
    wishes.iter().rev().filter_map(of).collect()
}

/// What a service of the same project is called here.
fn in_project(services: &BTreeMap<(String, String), String>, finding: &Finding, service: &str) -> String {
    let project = Compose::of(&finding.container).map_or("", |compose| compose.project).to_owned();
    // One that is not watched has no name here; it must not be taken for another server of that name.
    services.get(&(project, service.to_owned())).cloned().unwrap_or_default()
}

/// Whether `from` waits for `to`, however far around.
fn reaches(graph: &Graph, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            open.extend(graph.get(at).into_iter().flatten().map(String::as_str));
        }
    }
    false
}
