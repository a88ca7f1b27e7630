//! `${VAR}` and `${VAR:-default}` inside values. `$${VAR}` stays `${VAR}`; any other `$` is only a `$`.
//!
//! Runs after parsing, on one value at a time: what the environment holds can never add a key.

use serde_json::{Number, Value};

/// Why a value cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// Neither set nor given a default.
    Unset(String),
    /// `${` without `}`.
    Unclosed,
    /// `${}`, `${1 2}`.
    Name(String),
}

impl Gap {
    pub(super) fn message(&self) -> String {
        match self {
            Self::Unset(name) => format!("the environment variable `{name}` is not set"),
            Self::Unclosed => "`${` is never closed".to_owned(),
            Self::Name(name) => format!("`{name}` is no name of an environment variable"),
        }
    }

    pub(super) fn help(&self) -> String {
        match self {
            Self::Unset(name) => format!("set it, or give a default: ${{{name}:-value}}"),
            Self::Unclosed => "write ${NAME}, or $${ for the two characters themselves".to_owned(),
            Self::Name(_) => "write ${NAME} or ${NAME:-default}".to_owned(),
        }
    }
}

/// `Ok(None)`: there is nothing to fill in.
pub(super) fn fill(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>, Gap> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            filled.push_str(&rest[..at]);
            filled.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        filled.push_str(&rest[..at]);
        let (inside, after) = rest[at + 2..].split_once('}').ok_or(Gap::Unclosed)?;
        filled.push_str(&value_of(inside, lookup)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(Some(filled))
}

/// As in a shell, `:-` also replaces an empty value.
fn value_of(inside: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, Gap> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !valid {
        return Err(Gap::Name(name.to_owned()));
    }
    match (lookup(name), default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Gap::Unset(name.to_owned())),
    }
}

/// What an unquoted, filled-in value means: numbers, booleans and nothing at all are themselves again.
pub(super) fn retype(text: String) -> Value {
    match text.as_str() {
        "" | "~" | "null" => return Value::Null,
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(integer) = text.parse::<i64>() {
        return integer.into();
    }
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    let float = text.parse().ok().filter(|_| numeric).and_then(Number::from_f64);
    float.map_or(Value::String(text), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "PORT" => Some("8082".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn what_is_filled_in() {
        let cases = [
            ("plain", None),
            ("$PORT costs $5", None),
            ("http://a:${PORT}/${PATH_:-health}", Some("http://a:8082/health")),
            ("${EMPTY}|${EMPTY:-x}|${NO:-}", Some("|x|")),
            ("$${PORT} ${PORT}", Some("${PORT} 8082")),
        ];
        for (text, expected) in cases {
            assert_eq!(fill(text, &lookup).expect(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be() {
        let cases = [
            ("${NO}", Gap::Unset("NO".into())),
            ("a${PORT", Gap::Unclosed),
            ("${}", Gap::Name(String::new())),
            ("${1st}", Gap::Name("1st".into())),
        ];
        for (text, expected) in cases {
            assert_eq!(fill(text, &lookup), Err(expected), "{text}");
        }
    }

    #[test]
    fn an_unquoted_value_gets_its_type_back() {
        use serde_json::json;
        let cases = [("8082", json!(8082)), ("0.5", json!(0.5)), ("true", json!(true)), ("", json!(null)), ("inf", json!("inf"))];
        for (text, expected) in cases {
            assert_eq!(retype(text.to_owned()), expected, "{text}");
        }
    }
}
