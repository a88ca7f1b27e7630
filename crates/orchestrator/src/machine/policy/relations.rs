//! What servers are to one another: unique names, dependencies that exist, no cycles.

use std::collections::HashMap;

use health_spec::config::File;
use health_spec::registry::ServerEntry;

use super::{Issue, ServerId};

/// Names stand in paths, tables and log lines.
const LONGEST_NAME: usize = 200;

/// Names can be shown, names and namespaces are unique, and dependencies are names.
pub(super) fn check_names(file: &File, issues: &mut Vec<Issue>) {
    let mut names = HashMap::new();
    let mut namespaces = HashMap::new();
    for (index, entry) in file.servers.iter().enumerate() {
        if entry.name.chars().any(char::is_control) || entry.name.chars().count() > LONGEST_NAME {
            issues.push(Issue {
                pointer: format!("/servers/{index}/name"),
                message: "this name cannot be shown everywhere".to_owned(),
                help: format!("at most {LONGEST_NAME} characters, none of them a control character"),
            });
        }
        unique(&mut names, &entry.name, index, "name", issues);
        match &entry.namespace {
            Some(namespace) => unique(&mut namespaces, namespace, index, "namespace", issues),
            None => _ = namespaces.entry(&entry.name).or_insert(index),
        }
    }
    for (index, entry) in file.servers.iter().enumerate() {
        for (place, dependency) in entry.depends_on.iter().enumerate() {
            if !names.contains_key(dependency) {
                issues.push(Issue {
                    pointer: format!("/servers/{index}/depends_on/{place}"),
                    message: format!("`{}` depends on `{dependency}`, which is not in this registry", entry.name),
                    help: "name a server of this registry".to_owned(),
                });
            }
        }
    }
}

fn unique<'a>(seen: &mut HashMap<&'a String, usize>, word: &'a String, index: usize, key: &str, issues: &mut Vec<Issue>) {
    if let Some(first) = seen.insert(word, index) {
        issues.push(Issue {
            pointer: format!("/servers/{index}/{key}"),
            message: format!("the {key} `{word}` is taken by server number {}", first + 1),
            help: format!("give every server a {key} of its own"),
        });
    }
}

/// It bounds the fleet: one server cannot have its own.
pub(super) fn check_max_concurrent(file: &File, issues: &mut Vec<Issue>) {
    let own = file.servers.iter().enumerate().filter(|(_, entry)| entry.recovery.max_concurrent.is_some());
    issues.extend(own.map(|(index, entry)| Issue {
        pointer: format!("/servers/{index}/recovery/max_concurrent"),
        message: format!("max_concurrent bounds all servers together, not `{}` alone", entry.name),
        help: "set it in the file's `recovery`".to_owned(),
    }));
}

/// By server, those that it depends on; unknown names are left out.
pub(super) fn graph(file: &File) -> Vec<Vec<ServerId>> {
    let mut places = HashMap::new();
    for (index, entry) in file.servers.iter().enumerate() {
        places.entry(entry.name.as_str()).or_insert(ServerId(index));
    }
    let of = |entry: &ServerEntry| entry.depends_on.iter().filter_map(|name| places.get(name.as_str()).copied()).collect();
    file.servers.iter().map(of).collect()
}

/// No server waits for itself, however far around.
pub(super) fn check_cycles(file: &File, graph: &[Vec<ServerId>], issues: &mut Vec<Issue>) {
    let mut marks = vec![Mark::New; graph.len()];
    for start in 0..graph.len() {
        let Some(cycle) = find_cycle(graph, start, &mut marks) else { continue };
        let names: Vec<_> = cycle.iter().map(|index| file.servers[*index].name.as_str()).collect();
        issues.push(Issue {
            pointer: format!("/servers/{}/depends_on", cycle[0]),
            message: format!("a cycle: {} -> {}", names.join(" -> "), names[0]),
            help: "remove one of these dependencies".to_owned(),
        });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    OnPath,
    Done,
}

/// The first cycle that can be reached from `start`, if one can. Not by recursion: a chain may be as long as the registry.
fn find_cycle(graph: &[Vec<ServerId>], start: usize, marks: &mut [Mark]) -> Option<Vec<usize>> {
    if marks[start] != Mark::New {
        return None;
    }
    let mut cycle = None;
    // The path, each with how many of its dependencies have been looked at.
    let mut path = vec![(start, 0)];
    marks[start] = Mark::OnPath;
    while let Some((at, seen)) = path.last_mut() {
        let Some(next) = graph[*at].get(*seen).map(|next| next.0).filter(|_| cycle.is_none()) else {
            marks[*at] = Mark::Done;
            path.pop();
            continue;
        };
        *seen += 1;
        match marks[next] {
            Mark::New => {
                marks[next] = Mark::OnPath;
                path.push((next, 0));
            }
            Mark::OnPath => {
                let from = path.iter().position(|(index, _)| *index == next).unwrap_or_default();
                cycle = Some(path[from..].iter().map(|(index, _)| *index).collect());
            }
            Mark::Done => {}
        }
    }
    cycle
}
