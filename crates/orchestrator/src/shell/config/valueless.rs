//! Names of an operator's own, such as those of variables and headers, with nothing behind them.
//!
//! Elsewhere a key without a value counts as not written. Here that would be the opposite of empty: a variable that is not written is
//! inherited. One that is filled in has the value that it is filled in with.

use serde_json::Value;

use super::places::{Places, step};
use super::problem::Problem;
use super::shape::Shape;

/// Finds every one.
pub(super) fn valueless(value: &Value, shape: Shape<'_>, places: &Places) -> Vec<Problem> {
    let mut found = Vec::new();
    visit(value, shape, "", places, &mut found);
    found
}

fn visit(value: &Value, shape: Shape<'_>, pointer: &str, places: &Places, found: &mut Vec<Problem>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let Some(wanted) = shape.property(key) else { continue };
                let at = step(pointer, key);
                if !value.is_null() {
                    visit(value, wanted, &at, places, found);
                } else if shape.is_free(key) && wanted.wants("string") {
                    judge(key, &at, places, found);
                }
            }
        }
        Value::Array(items) => {
            let Some(wanted) = shape.item() else { return };
            for (at, item) in items.iter().enumerate() {
                visit(item, wanted, &step(pointer, &at.to_string()), places, found);
            }
        }
        _ => {}
    }
}

fn judge(key: &str, at: &str, places: &Places, found: &mut Vec<Problem>) {
    if places.written(at).is_some_and(|written| written.contains("${")) {
        if at.starts_with("/discovery/labels/") {
            let help = format!("set the variable, or write \"\" for a label `{key}` without a value");
            let message = format!("`{key}` is filled in with nothing: containers would be watched whatever their `{key}` is");
            found.push(places.problem(at, message, Some(help)));
        }
        return;
    }
    let help = if at.contains("/header_files/") {
        "name a file, or remove the line"
    } else {
        "write \"\" for an empty one, or remove the line"
    };
    found.push(places.problem(at, format!("`{key}` has no value"), Some(help.to_owned())));
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn a_variable_that_is_filled_in_with_nothing_is_empty_and_everything_else_is_not_written() {
        let text = "servers:
  - name: a
    port: ${NONE:-}
    health_url: http://a/
    runtime:
      kind: process
      command: x
      env:
        A: ${NONE:-}
        B: ''
    probes:
      - kind: http
        headers:
          X: ${NONE:-}
";
        let loaded = parse("registry.yaml".as_ref(), text.as_bytes(), &|_| None).unwrap_or_else(|error| panic!("{error}"));
        let server = &loaded.file.servers[0];
        let env = &server.runtime.as_ref().expect("a runtime").env;
        assert_eq!((env.get("A").map(String::as_str), env.get("B").map(String::as_str)), (Some(""), Some("")));
        assert_eq!((server.port, server.probes[0].headers.len()), (None, 0));
    }

    /// What narrows down which containers are touched does not go away.
    #[test]
    fn a_filter_that_is_filled_in_with_nothing_is_a_mistake() {
        let text = "servers: []\ndiscovery:\n  enabled: true\n  labels:\n    team: ${NONE:-}\n";
        let mistake = parse("registry.yaml".as_ref(), text.as_bytes(), &|_| None).expect_err("a mistake").to_string();
        assert!(mistake.contains("registry.yaml:5") && mistake.contains("`team` is filled in with nothing"), "{mistake}");
    }

    #[test]
    fn a_variable_whose_value_is_the_word_null_has_that_value() {
        let text = "servers:
  - name: a
    health_url: http://a/
    runtime:
      kind: process
      command: x
      env:
        A: '${A}'
        B: ${A}
        C: ${C}
";
        let lookup = |name: &str| match name {
            "A" => Some("null".to_owned()),
            "C" => Some("~".to_owned()),
            _ => None,
        };
        let loaded = parse("registry.yaml".as_ref(), text.as_bytes(), &lookup).unwrap_or_else(|error| panic!("{error}"));
        let env = &loaded.file.servers[0].runtime.as_ref().expect("a runtime").env;
        assert_eq!(env.values().collect::<Vec<_>>(), ["null", "null", "~"]);
    }
}
