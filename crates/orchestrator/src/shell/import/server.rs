//! One server on its way into the registry.

use serde_json::{Map, Value, json};

use super::reference::{escaped, escaped_in};
use crate::shell::causes::causes;
use crate::shell::probe::address::Address;

/// What is known of it so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    pub(super) name: String,
    /// The file it was in.
    pub(super) origin: String,
    /// Keys of the entry beside `name`, in the order in which they are written.
    pub(super) fields: Vec<(&'static str, Value)>,
    pub(super) notes: Vec<String>,
    /// Why it does not become an entry at all.
    pub(super) left_out: Option<String>,
}

impl Server {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(super) fn note(&mut self, message: impl Into<String>) {
        self.notes.push(message.into());
    }

    pub(super) fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.fields.push((key, value.into()));
    }

    /// Carries what people read: it means nothing to us, so `${` in it means nothing either.
    pub(super) fn carry(&mut self, key: &'static str, value: Option<&Value>) {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            self.set(key, escaped_in(value));
        }
    }

    /// Carries what nothing here reads, under `metadata`.
    pub(super) fn keep(&mut self, under: &str, rest: Map<String, Value>) {
        if !rest.is_empty() {
            let metadata = Map::from_iter([(under.to_owned(), escaped_in(&Value::Object(rest)))]);
            self.set("metadata", metadata);
        }
    }

    /// Where it speaks MCP, as the registry writes it.
    pub(super) fn endpoint(&mut self, url: &str) {
        self.set("endpoint", url);
        match Address::parse(url) {
            Ok(_) => self.note("its health is asked for at /health of the same address; give a health_url if it is elsewhere"),
            Err(error) => self.note(format!("give a health_url, since the endpoint cannot be asked: {}", causes(&error))),
        }
    }

    /// It speaks over pipes: over ours, if we start it; those of a container lead nowhere.
    pub(super) fn speaks_on_pipes(&mut self) {
        let runtime = self.fields.iter_mut().find_map(|(key, value)| value.as_object_mut().filter(|_| *key == "runtime"));
        let Some(runtime) = runtime else {
            return self.note(
                "health_url is missing: it speaks over stdin and stdout, so there is no address to check. Serve it over HTTP with a \
                 GET /health, and give its health_url",
            );
        };
        runtime.insert("stdio".to_owned(), "mcp".into());
        self.set("probes", json!([{ "kind": "mcp" }]));
        self.note("the orchestrator starts one of its own, and speaks with that over its pipes; those that clients start it does not see");
    }

    /// The whole entry.
    pub(super) fn entry(&self) -> Value {
        let name = ("name".to_owned(), Value::String(escaped(&self.name)));
        let fields = self.fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        Value::Object([name].into_iter().chain(fields).collect())
    }
}
