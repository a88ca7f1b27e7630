//! What is said to a server: JSON-RPC requests of both eras, and the headers that go with them.

use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::{Call, known::SessionId};

/// The newest version that is spoken.
pub(super) const MODERN: &str = "2026-07-28";

/// The newest version with sessions; every older server answers it with one that it knows.
pub(super) const LEGACY: &str = "2025-11-25";

/// The id of every request over HTTP: each has an answer to itself.
pub(super) const ID: u64 = 1;

pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// One request or notification.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) method: &'static str,
    params: Map<String, Value>,
    is_notification: bool,
}

/// In which form it is said.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form<'a> {
    /// Of the new era.
    Modern,
    /// Of the old one, outside a session.
    Bare,
    /// Of the old one, in a session.
    In(&'a SessionId),
}

impl Message {
    fn new(method: &'static str, params: Value) -> Self {
        let Value::Object(params) = params else { return Self { method, params: Map::new(), is_notification: false } };
        Self { method, params, is_notification: false }
    }

    pub(super) fn discover() -> Self {
        Self::new("server/discover", Value::Null)
    }

    pub(super) fn ping() -> Self {
        Self::new("ping", Value::Null)
    }

    pub(super) fn list() -> Self {
        Self::new("tools/list", Value::Null)
    }

    pub(super) fn call(call: &Call) -> Self {
        Self::new("tools/call", json!({ "name": call.tool, "arguments": call.arguments }))
    }

    pub(super) fn initialize() -> Self {
        Self::new("initialize", json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client() }))
    }

    pub(super) fn initialized() -> Self {
        Self { is_notification: true, ..Self::new("notifications/initialized", Value::Null) }
    }

    /// The JSON text.
    pub(super) fn body(&self, form: Form<'_>, id: u64) -> String {
        let mut params = self.params.clone();
        if matches!(form, Form::Modern) {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": client(),
            });
            params.insert("_meta".to_owned(), meta);
        }
        let mut message = json!({ "jsonrpc": "2.0", "method": self.method });
        if !self.is_notification {
            message["id"] = id.into();
        }
        if !params.is_empty() {
            message["params"] = Value::Object(params);
        }
        message.to_string()
    }

    pub(super) fn headers(&self, form: Form<'_>) -> Vec<(HeaderName, HeaderValue)> {
        match form {
            Form::Bare => vec![],
            Form::In(session) => vec![(SESSION, session.id.clone()), (VERSION, session.version.clone())],
            Form::Modern => {
                let name = self.params.get("name").and_then(Value::as_str).and_then(|name| HeaderValue::try_from(name).ok());
                let usual = [(VERSION, HeaderValue::from_static(MODERN)), (METHOD, HeaderValue::from_static(self.method))];
                usual.into_iter().chain(name.map(|name| (NAME, name))).collect()
            }
        }
    }
}

fn client() -> Value {
    json!({ "name": "mcp-health", "version": env!("CARGO_PKG_VERSION") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_era_has_its_form() {
        let modern: Value = serde_json::from_str(&Message::list().body(Form::Modern, ID)).expect("JSON");
        assert_eq!(modern["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], MODERN);
        assert_eq!(Message::ping().body(Form::Bare, ID), r#"{"id":1,"jsonrpc":"2.0","method":"ping"}"#);
        let note: Value = serde_json::from_str(&Message::initialized().body(Form::Bare, ID)).expect("JSON");
        assert_eq!(note.get("id"), None);
        let call = Call { tool: "add".to_owned(), arguments: Map::new(), expect: None };
        let names: Vec<_> = Message::call(&call).headers(Form::Modern).into_iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["mcp-protocol-version", "mcp-method", "mcp-name"]);
    }
}
