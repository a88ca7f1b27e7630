//! An incident with everything that one can have, made from its schema; and the same again with one thing changed, for each thing.
//!
//! What people are shown of an incident must differ for each of them: so no field is added that only the API has.

use serde_json::{Map, Value, json};

const SCHEMA: &str = include_str!("../../../../schemas/incident.json");

/// One with everything, and by the path of what was changed all others.
pub(crate) fn of_incident() -> (Value, Vec<(String, Value)>) {
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let whole = whole(&schema, &schema);
    let mut paths = Vec::new();
    leaves(&whole, &mut String::new(), &mut paths);
    let changed = |path: &String| {
        let mut incident = whole.clone();
        let leaf = incident.pointer_mut(path).expect("it is there");
        *leaf = other(leaf, path, &schema);
        (path.clone(), incident)
    };
    let varied = paths.iter().map(changed).collect();
    (whole, varied)
}

/// With every property, and one of everything that there may be many of.
fn whole(schema: &Value, root: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        return whole(root.pointer(name.trim_start_matches('#')).expect("a definition"), root);
    }
    // `null` is what nobody knows: here everything is known.
    for several in ["allOf", "anyOf"] {
        if let Some(first) = schema[several].get(0) {
            return whole(first, root);
        }
    }
    if let Some(words) = schema["oneOf"].as_array() {
        return words.last().expect("a word")["const"].clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind.unwrap_or_else(|| panic!("no type in {schema}")) {
        "object" => object(schema, root),
        "array" => {
            let most = schema["minItems"].as_u64().unwrap_or(1);
            (0..most).map(|_| whole(&schema["items"], root)).collect()
        }
        "string" if schema["format"] == "date-time" => json!("2026-01-02T03:04:05.000Z"),
        "string" => json!("sun"),
        "boolean" => json!(true),
        "integer" => json!(11),
        "number" => json!(11.5),
        other => panic!("{other} is not known here"),
    }
}

fn object(schema: &Value, root: &Value) -> Value {
    let given = schema["properties"].as_object().into_iter().flatten();
    let mut fields: Map<_, _> = given.map(|(name, schema)| (name.clone(), whole(schema, root))).collect();
    if schema["additionalProperties"].is_object() {
        fields.insert("moon".to_owned(), whole(&schema["additionalProperties"], root));
    }
    fields.into()
}

fn leaves(value: &Value, path: &mut String, found: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => return found.push(path.clone()),
    };
    for (name, value) in inner {
        let length = path.len();
        path.push('/');
        path.push_str(&name);
        leaves(value, path, found);
        path.truncate(length);
    }
}

/// Another value of the same kind. A word of a fixed list becomes the first one of it.
fn other(value: &Value, path: &str, schema: &Value) -> Value {
    match value {
        Value::Bool(is) => json!(!is),
        Value::Number(number) if number.is_f64() => json!(77.5),
        Value::Number(_) => json!(60_000),
        Value::String(text) if text.starts_with("2026-") => json!("2026-07-08T09:10:11.000Z"),
        Value::String(text) if text == "sun" => json!("star"),
        Value::String(text) => {
            let lists = schema["definitions"].as_object().into_iter().flatten().filter_map(|(_, it)| it["oneOf"].as_array());
            let mut words = lists.filter(|words| words.last().is_some_and(|last| last["const"] == text.as_str()));
            words.next().unwrap_or_else(|| panic!("{path}: {text}"))[0]["const"].clone()
        }
        other => panic!("{path}: {other}"),
    }
}
