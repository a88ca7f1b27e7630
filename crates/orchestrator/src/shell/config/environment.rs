//! Settings from the environment: over the file's, under the flags. Which there are is read off the registry's schema:
//! `health_check.interval_seconds` is `HEALTH_CHECK_INTERVAL_SECONDS`.

use serde_json::{Map, Value};

use super::interpolate::{Lookup, retype};
use super::places::{Places, Spot, step};
use super::shape::Shape;

/// Not settings of the daemon: the registry itself, and scripts.
const NOT_SETTINGS: &[&str] = &["version", "servers", "simulate"];

/// One setting that the environment may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// `HEALTH_CHECK_INTERVAL_SECONDS`.
    pub variable: String,
    /// `/health_check/interval_seconds`.
    pub pointer: String,
    /// What it is for.
    pub description: String,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Stays as it is, whatever it looks like.
    Text,
    /// A number, a boolean or a duration.
    Scalar,
    /// Several of these, with commas between them.
    List,
    /// A word, or several with commas between them.
    Words,
}

/// Every setting that the environment may hold.
pub fn settings() -> Vec<Setting> {
    let schema = health_spec::schema::registry();
    let mut found = Vec::new();
    visit(Shape::new(&schema), "", &mut found);
    found
}

fn visit(shape: Shape<'_>, pointer: &str, found: &mut Vec<Setting>) {
    for key in shape.properties().into_iter().flatten().map(|(key, _)| key) {
        let Some(part) = shape.property(key) else { continue };
        let pointer = step(pointer, key);
        if NOT_SETTINGS.contains(&key.as_str()) {
            continue;
        }
        if part.properties().is_some() {
            visit(part, &pointer, found);
        } else if let Some(form) = form(part) {
            let description = shape.describes(key).unwrap_or_default().to_owned();
            found.push(Setting { variable: variable(&pointer), pointer, description, form });
        }
    }
}

fn form(shape: Shape<'_>) -> Option<Form> {
    if shape.wants("array") {
        return shape.item().and_then(form).filter(|form| *form != Form::List).map(|_| Form::List);
    }
    if shape.wants("object") {
        return None;
    }
    if shape.is_word_or_list() {
        return Some(Form::Words);
    }
    let text = shape.wants("string") || !shape.words().is_empty();
    Some(if text { Form::Text } else { Form::Scalar })
}

fn variable(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', "_").to_uppercase()
}

/// Puts what the environment says over `value`. An empty variable counts as not set.
pub(super) fn overlay(value: &mut Map<String, Value>, places: &mut Places, lookup: Lookup<'_>) {
    let given = settings().into_iter().filter_map(|setting| {
        let text = lookup(&setting.variable).filter(|text| !text.is_empty())?;
        Some((setting, text))
    });
    let given: Vec<_> = given.collect();
    replace_backoff(value, places, &given);
    for (setting, text) in given {
        let spot = places.variable(&setting.variable, &text);
        places.forget(&setting.pointer);
        places.value(&setting.pointer, spot);
        places.parents(&setting.pointer, spot);
        if setting.form == Form::List || (setting.form == Form::Words && text.contains(',')) {
            items(places, &setting.pointer, &text, spot);
        }
        let steps: Vec<&str> = setting.pointer.split('/').skip(1).collect();
        set(value, &steps, read(setting.form, &text));
    }
}

/// Each item stands in its own stretch of the value.
fn items(places: &mut Places, pointer: &str, text: &str, spot: Spot) {
    let mut column = spot.column;
    for (at, item) in text.split(',').enumerate() {
        let before = item.chars().count() - item.trim_start().chars().count();
        let width = item.trim().chars().count().max(1);
        places.value(&step(pointer, &at.to_string()), Spot { column: column + before, width, ..spot });
        column += item.chars().count() + 1;
    }
}

/// A schedule and an exponential backoff exclude each other: the one that the environment asks for replaces the other.
fn replace_backoff(value: &mut Map<String, Value>, places: &mut Places, given: &[(Setting, String)]) {
    const SCHEDULE: &str = "/recovery/backoff/schedule";
    let asked = |wanted: fn(&str) -> bool| given.iter().any(|(setting, _)| wanted(&setting.pointer));
    let schedule = asked(|pointer| pointer == SCHEDULE);
    let exponential = asked(|pointer| pointer.starts_with("/recovery/backoff/") && pointer != SCHEDULE);
    if schedule == exponential {
        return;
    }
    let Some(backoff) = value.get_mut("recovery").and_then(|recovery| recovery.get_mut("backoff")) else { return };
    let Some(keys) = backoff.as_object_mut() else { return };
    for key in keys.keys().filter(|key| (*key == "schedule") != schedule) {
        places.forget(&step("/recovery/backoff", key));
    }
    keys.retain(|key, _| (key == "schedule") == schedule);
}

fn read(form: Form, text: &str) -> Value {
    match form {
        Form::Words if text.contains(',') => read(Form::List, text),
        Form::Text | Form::Words => Value::String(text.to_owned()),
        Form::Scalar => retype(text.trim().to_owned()),
        Form::List => text.split(',').map(|item| retype(item.trim().to_owned())).collect(),
    }
}

/// What is no mapping on the way is a mistake of its own, which stays.
fn set(section: &mut Map<String, Value>, steps: &[&str], value: Value) {
    let [first, rest @ ..] = steps else { return };
    if rest.is_empty() {
        section.insert((*first).to_owned(), value);
        return;
    }
    let next = section.entry((*first).to_owned()).or_insert(Value::Null);
    if next.is_null() {
        *next = Value::Object(Map::new());
    }
    if let Value::Object(next) = next {
        set(next, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scalar_default_has_a_variable() {
        let settings = settings();
        let names: Vec<_> = settings.iter().map(|setting| setting.variable.as_str()).collect();
        for name in [
            "HEALTH_CHECK_INTERVAL_SECONDS",
            "HEALTH_CHECK_FAILURE_THRESHOLD",
            "RECOVERY_ENABLED",
            "RECOVERY_MODE",
            "RECOVERY_STRATEGY",
            "RECOVERY_REPAIR_URL",
            "RECOVERY_BACKOFF_SCHEDULE",
            "RECOVERY_BACKOFF_MULTIPLIER",
            "RECOVERY_BUDGET_WINDOW_SECONDS",
            "RECOVERY_MAX_CONCURRENT",
            "EVENT_EMISSION_ENABLED",
            "EVENT_EMISSION_JSONL_LOG",
            "RETENTION_EVENTS_COUNT",
            "LISTEN_ORCHESTRATOR",
        ] {
            assert!(names.contains(&name), "{name} is missing in {names:?}");
        }
        assert!(names.iter().all(|name| !name.starts_with("SERVERS") && !name.starts_with("SIMULATE")), "{names:?}");
        assert!(settings.iter().all(|setting| !setting.description.is_empty()), "{settings:?}");
    }

    #[test]
    fn a_ladder_is_written_with_commas() {
        for (text, expected) in
            [("restart", serde_json::json!("restart")), ("repair, restart", serde_json::json!(["repair", "restart"]))]
        {
            let mut value = Map::new();
            let lookup = |name: &str| (name == "RECOVERY_STRATEGY").then(|| text.to_owned());
            overlay(&mut value, &mut Places::default(), &lookup);
            assert_eq!(value["recovery"]["strategy"], expected);
        }
    }

    #[test]
    fn a_schedule_replaces_what_it_excludes() {
        let mut value = serde_json::json!({ "recovery": { "backoff": { "initial_delay": 1, "max_delay": 5 } } });
        let lookup = |name: &str| (name == "RECOVERY_BACKOFF_SCHEDULE").then(|| "2, 4s".to_owned());
        overlay(value.as_object_mut().expect("a mapping"), &mut Places::default(), &lookup);
        assert_eq!(value, serde_json::json!({ "recovery": { "backoff": { "schedule": [2, "4s"] } } }));
    }
}
