//! From a tree to a JSON value and the places of all its parts. Judges nothing but what cannot be filled in.

use std::path::Path;

use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::interpolate::{fill, retype};
use super::places::{Places, Spot, step};
use super::problem::Problem;
use super::syntax::spot;
use super::tree::Node;

/// What a tree became.
pub(super) struct Built {
    pub(super) value: Value,
    pub(super) places: Places,
    pub(super) problems: Vec<Problem>,
}

/// Builds the value of the whole file `text`, which stands at `path`.
pub(super) fn build(mut root: Spanned<Node>, path: &Path, text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Built {
    unwrap_entries(&mut root.value);
    let mut builder = Builder { places: Places::new(path, text), problems: Vec::new(), lookup };
    let value = builder.node(&root, "", None);
    Built { value, places: builder.places, problems: builder.problems }
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
    let is_server =
        |(key, value): &(Spanned<String>, Spanned<Node>)| key.value == "server" && matches!(value.value, Node::Map(_));
    let Some(at) = outer.iter().position(is_server) else { return };
    if let Node::Map(mut server) = outer.remove(at).1.value {
        let beside = outer.drain(..).filter(|(key, _)| server.iter().all(|(inner, _)| inner.value != key.value));
        let beside: Vec<_> = beside.collect();
        server.extend(beside);
        *outer = server;
    }
}

struct Builder<'a> {
    places: Places,
    problems: Vec<Problem>,
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl Builder<'_> {
    fn node(&mut self, node: &Spanned<Node>, pointer: &str, key: Option<Spot>) -> Value {
        let spot = place(node, key);
        self.places.value(pointer, spot);
        match &node.value {
            Node::Null => Value::Null,
            Node::Bool(value) => Value::Bool(*value),
            Node::Int(value) => Number::from_i128(*value).map_or_else(|| Value::String(value.to_string()), Value::Number),
            Node::Float(value) => Number::from_f64(*value).map_or_else(|| Value::String(value.to_string()), Value::Number),
            Node::Str(text) => self.text(text, pointer, spot),
            Node::Seq(items) => {
                let items = items.iter().enumerate();
                items.map(|(at, item)| self.node(item, &step(pointer, &at.to_string()), None)).collect()
            }
            Node::Map(entries) => entries.iter().map(|entry| self.entry(entry, pointer)).collect::<Map<_, _>>().into(),
        }
    }

    fn entry(&mut self, (key, value): &(Spanned<String>, Spanned<Node>), pointer: &str) -> (String, Value) {
        let pointer = step(pointer, &key.value);
        let spot = spot(&key.defined);
        self.places.key(&pointer, spot);
        let value = self.node(value, &pointer, Some(spot));
        (key.value.clone(), value)
    }

    fn text(&mut self, text: &str, pointer: &str, spot: Spot) -> Value {
        match fill(text, self.lookup) {
            Ok(None) => Value::String(text.to_owned()),
            Ok(Some(filled)) if self.quoted(pointer) => Value::String(filled),
            Ok(Some(filled)) => retype(filled),
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

/// A scalar stands where it stands, and where its anchor does if it is an alias: there the text is. A container, which may go on for pages, is its key, or its own first key.
fn place(node: &Spanned<Node>, key: Option<Spot>) -> Spot {
    match (&node.value, key) {
        (Node::Null | Node::Seq(_) | Node::Map(_), Some(key)) => key,
        (Node::Map(entries), None) if !entries.is_empty() => spot(&entries[0].0.defined),
        _ => spot(&node.defined),
    }
}
