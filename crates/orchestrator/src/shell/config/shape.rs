//! What the registry's JSON Schema wants at some place, as far as a message needs it.

use serde_json::{Map, Value};

/// What a moment looks like.
const MOMENT: &str = "a date and a time with its offset, such as 2026-03-01T01:58:00Z";

/// A part of a schema, with references followed and `null` alternatives set aside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape<'a> {
    root: &'a Value,
    node: &'a Value,
}

impl<'a> Shape<'a> {
    /// The whole schema.
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root, node: resolve(root, root) }
    }

    /// The part of the schema that `keyword` stands in, which is a JSON pointer into it.
    pub(super) fn around(root: &'a Value, keyword: &str) -> Self {
        let parent = keyword.rsplit_once('/').map_or("", |(parent, _)| parent);
        Self { root, node: resolve(root, root.pointer(parent).unwrap_or(root)) }
    }

    fn part(self, node: &'a Value) -> Self {
        Self { root: self.root, node: resolve(self.root, node) }
    }

    /// The keys that it knows.
    pub(super) fn properties(self) -> Option<&'a Map<String, Value>> {
        self.node.get("properties")?.as_object()
    }

    /// Whether a key that it does not know is an error.
    pub(super) fn closed(self) -> bool {
        self.node.get("additionalProperties") == Some(&Value::Bool(false))
    }

    /// What it wants below `key`.
    pub(super) fn property(self, key: &str) -> Option<Self> {
        let known = self.properties().and_then(|properties| properties.get(key));
        let any = || self.node.get("additionalProperties").filter(|schema| schema.is_object());
        known.or_else(any).map(|node| self.part(node))
    }

    /// Whether `key` is a name of whoever wrote it, which it takes any of.
    pub(super) fn is_free(self, key: &str) -> bool {
        self.properties().is_none_or(|properties| !properties.contains_key(key)) && self.property(key).is_some()
    }

    /// What the property `key` is for.
    pub(super) fn describes(self, key: &str) -> Option<&'a str> {
        self.properties()?.get(key)?.get("description")?.as_str()
    }

    /// What it wants of every item of a list.
    pub(super) fn item(self) -> Option<Self> {
        self.node.get("items").map(|node| self.part(node))
    }

    /// The words that it allows, if it allows only words.
    pub(super) fn words(self) -> Vec<&'a str> {
        let list = |key: &str| self.node.get(key).and_then(Value::as_array).into_iter().flatten();
        let constants = list("oneOf").filter_map(|branch| branch.get("const"));
        list("enum").chain(constants).filter_map(Value::as_str).collect()
    }

    /// Whether this is one of several forms, such as a duration.
    pub(super) fn has_forms(self) -> bool {
        self.node.get("anyOf").is_some()
    }

    /// Whether this is a duration, which has two forms.
    pub(super) fn is_time(self) -> bool {
        self.forms().any(|form| form.wants("number"))
    }

    /// Whether this is a word, or a list of words.
    pub(super) fn is_word_or_list(self) -> bool {
        self.forms().any(|form| !form.words().is_empty()) && self.forms().any(|form| form.wants("array"))
    }

    /// Which of a word and a list was written, of several forms.
    pub(super) fn meant(self, written: &Value) -> Option<usize> {
        let is_it = |form: Shape<'_>| match written {
            Value::Array(_) => form.wants("array"),
            Value::String(_) => !form.words().is_empty(),
            _ => false,
        };
        self.forms().position(is_it)
    }

    fn forms(self) -> impl Iterator<Item = Shape<'a>> {
        let branches = self.node.get("anyOf").and_then(Value::as_array);
        branches.into_iter().flatten().map(move |branch| self.part(branch))
    }

    /// The integer format, such as `uint32`.
    pub(super) fn format(self) -> Option<&'a str> {
        self.node.get("format")?.as_str()
    }

    /// Whether this is a moment, which is a text of a certain form.
    pub(super) fn is_moment(self) -> bool {
        self.format() == Some("date-time")
    }

    /// Whether it wants this JSON type.
    pub(super) fn wants(self, kind: &str) -> bool {
        self.types().contains(&kind)
    }

    /// In words, as in "must be ...".
    pub(super) fn expected(self) -> String {
        let words = self.words();
        if let [word] = words[..] {
            return format!("`{word}`");
        }
        if !words.is_empty() {
            return format!("one of {}", quoted(&words));
        }
        if self.has_forms()
            && let Some(description) = self.node.get("description").and_then(Value::as_str)
        {
            return description.to_owned();
        }
        if self.is_moment() {
            return MOMENT.to_owned();
        }
        let types: Vec<&str> = self.types().into_iter().map(type_name).collect();
        if types.is_empty() { "something else".to_owned() } else { types.join(" or ") }
    }

    fn types(self) -> Vec<&'a str> {
        let types = match self.node.get("type") {
            Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => vec![one.as_str()],
            _ => Vec::new(),
        };
        types.into_iter().filter(|kind| *kind != "null").collect()
    }
}

/// The one branch of an `anyOf` that is not `null`, if there is one only.
pub(super) fn sole_branch(node: &Value) -> Option<usize> {
    let branches = node.get("anyOf")?.as_array()?;
    let mut real = (0..branches.len()).filter(|at| branches[*at].get("type") != Some(&Value::String("null".into())));
    real.next().filter(|_| real.next().is_none())
}

fn resolve<'a>(root: &'a Value, mut node: &'a Value) -> &'a Value {
    // The schema is ours and has no loops; the bound only makes that obvious.
    for _ in 0..16 {
        let next = if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
            root.pointer(reference.trim_start_matches('#'))
        } else if let Some([only]) = node.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            Some(only)
        } else {
            sole_branch(node).map(|at| &node["anyOf"][at])
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    node
}

/// A JSON type, for people.
fn type_name(kind: &str) -> &str {
    match kind {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "a string",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        other => other,
    }
}

/// `a`, `b`, `c`, each in backticks.
pub(super) fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
