//! From trees to one JSON value and the places of all its parts: several documents, and several files, are put together here.
//!
//! Lists of several documents are one list; sections are put together key by key. Judges nothing but what cannot be
//! filled in, and what stands twice.

use std::collections::HashSet;
use std::path::PathBuf;

use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::interpolate::{Lookup, fill, retype};
use super::places::{Places, Spot, step};
use super::problem::Problem;
use super::syntax::spot;
use super::tree::Node;

/// A key and its value.
type Entry = (Spanned<String>, Spanned<Node>);

/// Puts documents together.
pub(super) struct Builder<'a> {
    pub(super) value: Map<String, Value>,
    pub(super) places: Places,
    pub(super) problems: Vec<Problem>,
    /// Keys that stand twice in one mapping; the first one is kept.
    pub(super) twice: Vec<Problem>,
    /// Where `servers:` stands with nothing behind it.
    pub(super) nothing: Vec<Spot>,
    /// Files that values were read from.
    pub(super) secrets: Vec<PathBuf>,
    pub(super) lookup: Lookup<'a>,
    /// What is being read.
    source: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(lookup: Lookup<'a>) -> Self {
        let (problems, twice, nothing, secrets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { value: Map::new(), places: Places::default(), problems, twice, nothing, secrets, lookup, source: 0 }
    }

    /// Adds one document of the file `source`.
    pub(super) fn add(&mut self, mut root: Spanned<Node>, source: usize, first: bool) {
        self.source = source;
        let start = if first { Spot::start(source) } else { spot(&root.defined, source) };
        unwrap_entries(&mut root.value);
        match root.value {
            Node::Map(sections) => self.distinct(&sections, "").into_iter().for_each(|section| self.section(section)),
            Node::Seq(_) => self.refuse(start, "the file is a list, not a mapping", "put `servers:` in front of the list"),
            _ => self.refuse(start, "the file is one value, not a mapping", "start with `servers:` and a list of servers"),
        }
    }

    fn refuse(&mut self, spot: Spot, message: &str, help: &str) {
        self.problems.push(self.places.at(spot, "", message.to_owned(), Some(help.to_owned())));
    }

    fn section(&mut self, entry: &Entry) {
        let (key, node) = entry;
        let pointer = step("", &key.value);
        if key.value == "servers" && matches!(node.value, Node::Null) {
            self.nothing.push(spot(&key.defined, self.source));
        }
        match (self.value.get(&key.value), &node.value) {
            (None | Some(Value::Null), _) => {
                let (key, value) = self.entry(entry, "");
                self.value.insert(key, value);
            }
            (Some(_), Node::Null) => {}
            (Some(Value::Array(items)), Node::Seq(more)) => {
                let before = items.len();
                let more = self.items(more, &pointer, before);
                if let Some(Value::Array(items)) = self.value.get_mut(&key.value) {
                    items.extend(more);
                }
            }
            (Some(Value::Object(_)), Node::Map(more)) => {
                self.distinct(more, &pointer).into_iter().for_each(|entry| self.merge(&key.value, entry));
            }
            (Some(value), node) if is_same(value, node) => {}
            (Some(_), _) => self.stands_twice(&pointer, key),
        }
    }

    /// One more key of a section that another document has begun.
    fn merge(&mut self, section: &str, entry: &Entry) {
        let parent = step("", section);
        let pointer = step(&parent, &entry.0.value);
        let known = self.value.get(section).and_then(|section| section.get(&entry.0.value)).filter(|value| !value.is_null());
        match known {
            Some(value) if is_same(value, &entry.1.value) => {}
            Some(_) => self.stands_twice(&pointer, &entry.0),
            None => {
                let (key, value) = self.entry(entry, &parent);
                if let Some(Value::Object(section)) = self.value.get_mut(section) {
                    section.insert(key, value);
                }
            }
        }
    }

    fn stands_twice(&mut self, pointer: &str, key: &Spanned<String>) {
        let other = self.places.shown(pointer).map_or(String::new(), |place| format!("; it stands at {place} as well"));
        let message = format!("`{}` is set twice{other}", key.value);
        let problem = self.places.at(spot(&key.defined, self.source), pointer, message, Some("keep one of the two".to_owned()));
        self.problems.push(problem);
    }

    fn node(&mut self, node: &Spanned<Node>, pointer: &str, key: Option<Spot>) -> Value {
        let spot = place(node, key, self.source);
        self.places.value(pointer, spot);
        match &node.value {
            Node::Null => Value::Null,
            Node::Bool(value) => Value::Bool(*value),
            Node::Int(value) => Number::from_i128(*value).map_or_else(|| Value::String(value.to_string()), Value::Number),
            Node::Float(value) => Number::from_f64(*value).map_or_else(|| Value::String(value.to_string()), Value::Number),
            Node::Str(text) => self.text(text, pointer, spot),
            Node::Seq(items) => self.items(items, pointer, 0).into(),
            Node::Map(entries) => {
                let entries = self.distinct(entries, pointer).into_iter();
                entries.map(|entry| self.entry(entry, pointer)).collect::<Map<_, _>>().into()
            }
        }
    }

    /// The entries without those whose key stands there already, which are a mistake.
    fn distinct<'e>(&mut self, entries: &'e [Entry], pointer: &str) -> Vec<&'e Entry> {
        let mut seen = HashSet::new();
        let (kept, again): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _)| seen.insert(key.value.as_str()));
        for (key, _) in again {
            let message = format!("the key `{}` stands twice in the same mapping", key.value);
            let (spot, pointer) = (spot(&key.defined, self.source), step(pointer, &key.value));
            self.twice.push(self.places.at(spot, &pointer, message, Some("keep one of the two".to_owned())));
        }
        kept
    }

    fn items(&mut self, items: &[Spanned<Node>], pointer: &str, before: usize) -> Vec<Value> {
        let items = items.iter().enumerate();
        items.map(|(at, item)| self.node(item, &step(pointer, &(before + at).to_string()), None)).collect()
    }

    fn entry(&mut self, (key, value): &Entry, pointer: &str) -> (String, Value) {
        let pointer = step(pointer, &key.value);
        let spot = spot(&key.defined, self.source);
        self.places.key(&pointer, spot);
        let value = self.node(value, &pointer, Some(spot));
        (key.value.clone(), value)
    }

    fn text(&mut self, text: &str, pointer: &str, spot: Spot) -> Value {
        match fill(text, self.lookup, &mut self.secrets) {
            Ok(None) => Value::String(text.to_owned()),
            Ok(Some(filled)) if self.quoted(pointer) => Value::String(filled),
            Ok(Some(filled)) => match retype(filled.clone()) {
                // A variable that is filled in so has this value, the empty one too.
                Value::Null if pointer.contains("/runtime/env/") => Value::String(filled),
                value => value,
            },
            Err(gap) => {
                self.problems.push(self.places.at(spot, pointer, gap.message(), Some(gap.help())));
                Value::String(text.to_owned())
            }
        }
    }

    fn quoted(&self, pointer: &str) -> bool {
        self.places.written(pointer).is_some_and(|written| written.starts_with(['"', '\'']))
    }
}

/// What says the same twice is no mistake: every file may begin with its `version`.
fn is_same(value: &Value, node: &Node) -> bool {
    match (value, node) {
        (Value::String(value), Node::Str(text)) => value == text,
        (Value::Bool(value), Node::Bool(other)) => value == other,
        (Value::Number(value), Node::Int(other)) => Number::from_i128(*other).is_some_and(|other| *value == other),
        (Value::Number(value), Node::Float(other)) => Number::from_f64(*other).is_some_and(|other| *value == other),
        _ => false,
    }
}

/// An entry `{server: {...}, tools, metadata}` is read as its `server`, with the keys beside it carried along.
fn unwrap_entries(root: &mut Node) {
    let Node::Map(sections) = root else { return };
    for (key, section) in sections {
        if let ("servers", Node::Seq(entries)) = (key.value.as_str(), &mut section.value) {
            for entry in entries {
                unwrap_entry(&mut entry.value);
            }
        }
    }
}

fn unwrap_entry(entry: &mut Node) {
    let Node::Map(outer) = entry else { return };
    if outer.iter().any(|(key, _)| key.value == "name") {
        return;
    }
    let is_server = |(key, value): &Entry| key.value == "server" && matches!(value.value, Node::Map(_));
    let Some(at) = outer.iter().position(is_server) else { return };
    if let Node::Map(mut server) = outer.remove(at).1.value {
        let beside = outer.drain(..).filter(|(key, _)| server.iter().all(|(inner, _)| inner.value != key.value));
        let beside: Vec<_> = beside.collect();
        server.extend(beside);
        *outer = server;
    }
}

/// A scalar stands where it stands, and where its anchor does if it is an alias: there the text is. A container, which may go on for pages, is its key, or its own first key.
fn place(node: &Spanned<Node>, key: Option<Spot>, source: usize) -> Spot {
    match (&node.value, key) {
        (Node::Null | Node::Seq(_) | Node::Map(_), Some(key)) => key,
        (Node::Map(entries), None) if !entries.is_empty() => spot(&entries[0].0.defined, source),
        _ => spot(&node.defined, source),
    }
}
