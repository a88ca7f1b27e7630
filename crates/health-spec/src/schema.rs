//! The published JSON Schemas, generated from the types.

use schemars::generate::SchemaSettings;
use schemars::transform::RestrictFormats;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::config::{File, Seconds};
use crate::slo::Slo;
use crate::stream::{Frame, Message, Request};
use crate::{Ecosystem, Event, HealthResponse, Incident, ServerView};

/// Every published schema: its file name below `schemas/` and its content.
pub fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("health-check-v1.0.json", health_check()),
        ("event.json", titled::<Event>("An event of the orchestrator")),
        ("server-view.json", titled::<ServerView>("A server, as everyone sees it")),
        ("incident.json", titled::<Incident>("An incident, with its evidence")),
        ("slo.json", titled::<Slo>("Service levels: what was promised, and what was measured")),
        ("ecosystem.json", titled::<Ecosystem>("The health of all servers")),
        ("stream.json", stream()),
        ("registry.json", registry()),
    ]
}

/// What an operator may write. Ready for a validator: unknown keys of a server pass, all others do not.
pub fn registry() -> Value {
    titled::<File>("The registry and configuration of mcp-health")
}

/// What may come over the stream, in either profile.
fn stream() -> Value {
    titled::<Said>("A message of the gateway's stream")
}

/// A message of the plain profile, or a frame of `mcp-health.v1`.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Said {
    /// Profile `mcp-health.v1`, from the gateway.
    Frame(Frame),
    /// Profile `mcp-health.v1`, from the client.
    Request(Request),
    /// The plain profile.
    Message(Message),
}

fn health_check() -> Value {
    titled::<HealthResponse>("MCP health check response, version 1.0")
}

fn titled<T: JsonSchema>(title: &str) -> Value {
    // `uint64` and the like are no formats of JSON Schema, and strict validators refuse them.
    let settings = SchemaSettings::draft07().with_transform(RestrictFormats::default());
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}

/// The three words, in the form that validators explain best.
pub(crate) fn status(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["ok", "degraded", "down"] })
}

/// An integer without an upper bound, and without formats that JSON Schema does not define.
pub(crate) fn uptime(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": 0 })
}

/// `checks`: names in the pattern are held to the three statuses, other names pass.
pub(crate) fn components(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "patternProperties": { "^[a-z_]+$": status(generator) } })
}

impl JsonSchema for Seconds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seconds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a number of seconds of at least 0, or a string with a unit (ms, s, m, h, d), such as 30, 0.5 or \"5m\"",
            "anyOf": [
                { "type": "number", "minimum": 0, "maximum": 1e9 },
                { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$" },
            ],
        })
    }
}
