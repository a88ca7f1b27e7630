//! The published timeline vectors: what `orchestrator simulate --json` must print, to the second.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orchestrator::sim::World;
use serde_json::{Map, Value};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/timelines")
}

#[test]
fn every_timeline_is_as_published() {
    let mut names: Vec<_> = std::fs::read_dir(folder())
        .expect("the vectors are there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    names.sort();
    assert!(names.len() >= 20, "only {} timelines", names.len());
    let wrong: Vec<_> = names.iter().filter_map(|path| compare(path).err()).collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), names.len(), wrong.join("\n"));
}

fn compare(path: &Path) -> Result<(), String> {
    let name = path.file_stem().expect("a name").to_string_lossy();
    let file = serde_saphyr::from_str(&std::fs::read_to_string(path).expect("readable")).expect("a configuration");
    let trace = World::new(&file).expect("a valid world").run();
    let found: Vec<Value> = trace.json_lines().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let expected = std::fs::read_to_string(path.with_extension("expected.jsonl")).expect("readable");
    let expected: Vec<Value> = expected.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let differ = |what: String| format!("{name}: {what}\nfound:\n{}", trace.json_lines());
    same_events(&expected[..expected.len() - 1], &found[..found.len() - 1]).map_err(differ)?;
    same_summary(&expected[expected.len() - 1], &found[found.len() - 1]).map_err(differ)
}

/// Events of one server compare in order; those of different servers at the same instant as a set.
fn same_events(expected: &[Value], found: &[Value]) -> Result<(), String> {
    let (expected, found) = (by_server(expected), by_server(found));
    for (server, expected) in &expected {
        let found = found.get(server).map_or(&[][..], Vec::as_slice);
        for (index, line) in expected.iter().enumerate() {
            let same = found.get(index).is_some_and(|other| includes(other, line));
            if !same {
                return Err(format!("event {index} of {server} should be {line:?}"));
            }
        }
        if found.len() != expected.len() {
            return Err(format!("{server} has {} events, expected {}", found.len(), expected.len()));
        }
    }
    if expected.len() == found.len() { Ok(()) } else { Err("events of other servers".to_owned()) }
}

fn by_server(lines: &[Value]) -> BTreeMap<String, Vec<Map<String, Value>>> {
    let mut servers: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in lines {
        let line = line.as_object().expect("an object").clone();
        servers.entry(line["server_name"].as_str().expect("a name").to_owned()).or_default().push(line);
    }
    servers
}

/// Fields that the expectation does not list are ignored; 66 and 66.0 are the same.
fn includes(found: &Map<String, Value>, expected: &Map<String, Value>) -> bool {
    expected.iter().all(|(key, value)| match (found.get(key), value.as_f64()) {
        (Some(other), Some(number)) => other.as_f64() == Some(number),
        (Some(other), None) => other == value,
        (None, _) => false,
    })
}

/// `checks` may differ by one.
fn same_summary(expected: &Value, found: &Value) -> Result<(), String> {
    for (server, expected) in expected["summary"].as_object().expect("an object") {
        let found = &found["summary"][server];
        for key in ["status", "phase", "attempts"] {
            if found[key] != expected[key] {
                return Err(format!("{server}: {key} should be {}", expected[key]));
            }
        }
        let checks = |value: &Value| value["checks"].as_i64().expect("a number");
        if (checks(found) - checks(expected)).abs() > 1 {
            return Err(format!("{server}: checks should be {}", expected["checks"]));
        }
    }
    Ok(())
}
