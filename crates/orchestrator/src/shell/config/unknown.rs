//! Keys that nothing reads: errors, but only warnings directly inside a `servers[]` entry, because registries carry
//! more than we read (contract, section 2).

use serde_json::{Map, Value};

use super::nearest::nearest;
use super::places::{Places, last_step, step};
use super::problem::Problem;
use super::shape::{Shape, quoted};

/// Carried in both forms of the registry without a word.
const CARRIED: &[&str] = &["metadata"];

/// Sections of the contract that nothing reads yet: a key that looks as if it worked would be worse than none.
const LATER: &[&str] = &["auth", "tls", "alerts", "telemetry"];

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Unknown {
    pub(super) errors: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// What was probably meant by them, as pointers.
    pub(super) meant: Vec<String>,
}

/// Finds every unknown key of `value`.
pub(super) fn unknown(value: &Value, shape: Shape<'_>, places: &Places) -> Unknown {
    let mut found = Unknown::default();
    visit(value, shape, "", places, &mut found);
    found
}

fn visit(value: &Value, shape: Shape<'_>, pointer: &str, places: &Places, found: &mut Unknown) {
    match value {
        Value::Object(map) => {
            if let Some(known) = shape.properties() {
                report(map, known, shape, pointer, places, found);
            }
            for (key, value) in map {
                if let Some(shape) = shape.property(key) {
                    visit(value, shape, &step(pointer, key), places, found);
                }
            }
        }
        Value::Array(items) => {
            let Some(shape) = shape.item() else { return };
            for (at, item) in items.iter().enumerate() {
                visit(item, shape, &step(pointer, &at.to_string()), places, found);
            }
        }
        _ => {}
    }
}

fn report(
    map: &Map<String, Value>,
    known: &Map<String, Value>,
    shape: Shape<'_>,
    pointer: &str,
    places: &Places,
    found: &mut Unknown,
) {
    for key in map.keys().filter(|key| !known.contains_key(*key)) {
        let at = step(pointer, key);
        if pointer.is_empty() && LATER.contains(&key.as_str()) {
            let help = "remove the section; what it would do is not done".to_owned();
            found.errors.push(places.problem_at_key(&at, format!("`{key}` is not supported yet"), Some(help)));
            continue;
        }
        // What stands there under its right name as well is judged as what it is.
        let meant_word = nearest(key, known.keys().map(String::as_str)).filter(|word| !map.contains_key(*word));
        found.meant.extend(meant_word.map(|word| step(pointer, word)));
        let advice = belongs(key, known, shape).or_else(|| meant(key, known));
        if shape.closed() {
            let known: Vec<&str> = known.keys().map(String::as_str).collect();
            let help = advice.unwrap_or_else(|| format!("known here: {}", quoted(&known)));
            found.errors.push(places.problem_at_key(&at, format!("unknown key `{key}` {}", inside(pointer)), Some(help)));
        } else if !CARRIED.contains(&key.as_str()) {
            let message = format!("unknown key `{key}` of a server; it is carried, but not read");
            found.warnings.push(places.problem_at_key(&at, message, advice));
        }
    }
}

fn meant(key: &str, known: &Map<String, Value>) -> Option<String> {
    nearest(key, known.keys().map(String::as_str)).map(|word| format!("did you mean `{word}`?"))
}

/// A key at the wrong level: one of the sections here knows it.
fn belongs(key: &str, known: &Map<String, Value>, shape: Shape<'_>) -> Option<String> {
    let has_it = |section: &&String| {
        let section = shape.property(section).and_then(Shape::properties);
        section.is_some_and(|properties| properties.contains_key(key))
    };
    known.keys().find(has_it).map(|section| format!("it belongs under `{section}`"))
}

fn inside(pointer: &str) -> String {
    let name = last_step(pointer);
    if name.is_empty() {
        return "at the top level".to_owned();
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        let list = pointer.rsplit_once('/').map_or("", |(list, _)| list);
        return format!("in an item of `{}`", last_step(list));
    }
    format!("in `{name}`")
}
