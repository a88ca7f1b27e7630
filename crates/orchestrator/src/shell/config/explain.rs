//! Turns a schema validator's errors into sentences about what was written and what would be right.

use std::fmt::Write as _;

use health_spec::config::Seconds;
use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use super::nearest::nearest;
use super::places::{Places, last_step, step};
use super::problem::Problem;
use super::shape::{Shape, sole_branch};

/// What a message needs to know beside the error.
#[derive(Clone, Copy)]
pub(super) struct Explainer<'a> {
    pub(super) schema: &'a Value,
    pub(super) places: &'a Places,
}

impl Explainer<'_> {
    /// The problems behind one error. Unknown keys are left to [`super::unknown`].
    pub(super) fn explain(self, error: &ValidationError<'_>, problems: &mut Vec<Problem>) {
        let pointer = error.instance_path().as_str();
        let shape = Shape::around(self.schema, error.schema_path().as_str());
        let instance = error.instance();
        match error.kind() {
            Kind::AdditionalProperties { .. } => {}
            Kind::AnyOf { context } => match self.branch(error).and_then(|at| context.get(at)).or_else(|| bounded(context)) {
                Some(errors) => errors.iter().for_each(|error| self.explain(error, problems)),
                None => problems.push(self.mismatch(pointer, instance, shape)),
            },
            Kind::Required { property } => problems.push(self.missing(pointer, property.as_str().unwrap_or_default(), shape)),
            Kind::Minimum { limit } => problems.push(self.out_of_range(pointer, "at least", limit)),
            Kind::Maximum { limit } => problems.push(self.out_of_range(pointer, "at most", limit)),
            Kind::MinItems { .. } | Kind::MinLength { .. } => {
                problems.push(self.places.problem(pointer, format!("{} must not be empty", subject(pointer)), None));
            }
            _ => problems.push(self.mismatch(pointer, instance, shape)),
        }
    }

    /// The branch that was meant: when the other one is only `null`, or of a word and a list the one that was written.
    fn branch(self, error: &ValidationError<'_>) -> Option<usize> {
        let path = error.schema_path().as_str();
        let node = self.schema.pointer(path.rsplit_once('/')?.0)?;
        sole_branch(node).or_else(|| Shape::around(self.schema, path).meant(error.instance()))
    }

    fn mismatch(self, pointer: &str, instance: &Value, shape: Shape<'_>) -> Problem {
        let words = shape.words();
        if let (Value::String(_), false) = (instance, words.is_empty()) {
            return self.wrong_word(pointer, &words, shape);
        }
        if shape.has_forms() {
            return self.no_form(pointer, instance, shape);
        }
        let message = format!("{} must be {}, not {}", subject(pointer), shape.expected(), self.found(pointer, instance, shape));
        self.places.problem(pointer, message, self.hint(pointer, instance, shape))
    }

    fn found(self, pointer: &str, instance: &Value, shape: Shape<'_>) -> String {
        let fraction = instance.is_f64() && shape.wants("integer");
        if instance.is_string() && shape.is_moment() {
            return self.written(pointer).map_or_else(|| kind_of(instance).to_owned(), |written| format!("`{written}`"));
        }
        let written = if fraction { self.written(pointer) } else { None };
        written.unwrap_or_else(|| kind_of(instance).to_owned())
    }

    /// None of several forms, such as those of a duration.
    fn no_form(self, pointer: &str, instance: &Value, shape: Shape<'_>) -> Problem {
        let found = self.written(pointer).filter(|_| !instance.is_array() && !instance.is_object());
        let found = found.map_or_else(|| kind_of(instance).to_owned(), |written| format!("`{written}`"));
        let bare_number = instance.as_str().is_some_and(|text| text.parse::<f64>().is_ok());
        let help = if bare_number {
            "write it without quotes, or with a unit such as 30s".to_owned()
        } else {
            format!("write {}", shape.expected())
        };
        self.places.problem(pointer, format!("{} cannot be {found}", subject(pointer)), Some(help))
    }

    fn wrong_word(self, pointer: &str, words: &[&str], shape: Shape<'_>) -> Problem {
        let written = self.written(pointer);
        let message = match &written {
            Some(written) => format!("{} cannot be `{written}`; it must be {}", subject(pointer), shape.expected()),
            None => format!("{} must be {}", subject(pointer), shape.expected()),
        };
        let near = written.and_then(|written| nearest(&written, words.iter().copied()));
        self.places.problem(pointer, message, near.map(|word| format!("did you mean `{word}`?")))
    }

    fn missing(self, pointer: &str, key: &str, shape: Shape<'_>) -> Problem {
        let message = format!("{} has no `{key}`", subject(pointer));
        let help = shape.property(key).map(|shape| format!("add `{key}`: {}", shape.expected()));
        self.places.problem(pointer, message, help)
    }

    fn out_of_range(self, pointer: &str, bound: &str, limit: &Value) -> Problem {
        // `1.0` in the schema is `1` to people.
        let limit = limit.as_f64().map_or_else(|| limit.to_string(), |limit| limit.to_string());
        let mut message = format!("{} must be {bound} {limit}", subject(pointer));
        if let Some(written) = self.written(pointer) {
            let _ = write!(message, ", not {written}");
        }
        self.places.problem(pointer, message, None)
    }

    /// What to write instead, where it is plain.
    fn hint(self, pointer: &str, instance: &Value, shape: Shape<'_>) -> Option<String> {
        match instance {
            _ if shape.is_moment() => None,
            Value::Number(_) | Value::Bool(_) => {
                let written = self.written(pointer)?;
                let fits = shape.wants("string") || shape.words().contains(&written.as_str());
                fits.then(|| format!("put it in quotes: \"{written}\""))
            }
            Value::String(text) if shape.wants("boolean") => match text.to_lowercase().as_str() {
                "yes" | "on" | "y" | "true" => Some("write true".to_owned()),
                "no" | "off" | "n" | "false" => Some("write false".to_owned()),
                _ => None,
            },
            Value::String(text) if (shape.wants("integer") || shape.wants("number")) && text.parse::<f64>().is_ok() => {
                Some("write it without quotes".to_owned())
            }
            Value::String(_) | Value::Object(_) if shape.wants("array") => Some("start each item with `- `".to_owned()),
            _ => None,
        }
    }

    fn written(self, pointer: &str) -> Option<String> {
        self.places.written(pointer).map(|written| written.trim_matches(['"', '\'']).to_owned())
    }
}

/// The branch whose type is right and whose bounds are not.
fn bounded<'a>(context: &'a [Vec<ValidationError<'static>>]) -> Option<&'a Vec<ValidationError<'static>>> {
    let bound = |error: &ValidationError<'_>| matches!(error.kind(), Kind::Minimum { .. } | Kind::Maximum { .. });
    context.iter().find(|errors| !errors.is_empty() && errors.iter().all(bound))
}

/// What a message is about: `` `port` ``, `` item 2 of `depends_on` ``, `a server`.
pub(super) fn subject(pointer: &str) -> String {
    let name = last_step(pointer);
    let list = pointer.rsplit_once('/').map_or("", |(list, _)| list);
    match name.parse::<usize>() {
        _ if pointer.is_empty() => "the file".to_owned(),
        Ok(at) if list == "/servers" => format!("server {}", at + 1),
        Ok(at) => format!("item {} of `{}`", at + 1, last_step(list)),
        Err(_) => format!("`{name}`"),
    }
}

/// What a value is, for people.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// What the types refuse though the schema lets it pass: `3.0` for 3, more than the type holds, endless durations.
pub(super) fn beyond_schema(value: &Value, shape: Shape<'_>, pointer: &str, places: &Places, problems: &mut Vec<Problem>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            if let Some(shape) = shape.property(key) {
                beyond_schema(value, shape, &step(pointer, key), places, problems);
            }
        }),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| {
            if let Some(shape) = shape.item() {
                beyond_schema(item, shape, &step(pointer, &at.to_string()), places, problems);
            }
        }),
        scalar => {
            let known = problems.iter().any(|problem| problem.pointer == pointer);
            if let (false, Some(message)) = (known, refused(scalar, shape)) {
                problems.push(places.problem(pointer, format!("{} {message}", subject(pointer)), None));
            }
        }
    }
}

fn refused(value: &Value, shape: Shape<'_>) -> Option<String> {
    if shape.is_time() && serde_json::from_value::<Seconds>(value.clone()).is_err() {
        let longest = Seconds::LONGEST.0.as_secs();
        return Some(format!("is too long a time; at most {longest} seconds (31 years)"));
    }
    if !shape.wants("integer") || !value.is_number() {
        return None;
    }
    if value.is_f64() {
        return Some("must be a whole number, without a fraction".to_owned());
    }
    let limit = match shape.format() {
        Some("uint8") => u8::MAX.into(),
        Some("uint16") => u16::MAX.into(),
        Some("uint32") => u32::MAX.into(),
        _ => i64::MAX.unsigned_abs(),
    };
    value.as_u64().filter(|number| *number > limit).map(|_| format!("must be at most {limit}"))
}
