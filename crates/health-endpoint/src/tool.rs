//! The same answer as an MCP tool, `health_check`, for clients that see the protocol alone.

use std::sync::Arc;

use rmcp::handler::server::tool::{ToolCallContext, ToolRoute};
use rmcp::model::{CallToolResponse, CallToolResult, JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use crate::{Health, TOOL};

impl Health {
    /// A tool named `health_check` that answers as `/health` does: as structured content, and as text for clients that
    /// read no other. It never fails, since saying `down` is its work. It asks for no token: who may call tools may
    /// call this one.
    ///
    /// ```
    /// use health_endpoint::Health;
    /// use rmcp::handler::server::tool::ToolRouter;
    ///
    /// # #[derive(Clone)]
    /// struct MyServer;
    ///
    /// let health = Health::builder("my-server").build();
    /// let tools: ToolRouter<MyServer> = ToolRouter::new().with_route(health.tool());
    /// ```
    pub fn tool<S: Send + Sync + 'static>(&self) -> ToolRoute<S> {
        let health = self.clone();
        ToolRoute::new_dyn(description(), move |_: ToolCallContext<'_, S>| {
            let result = health.tool_result();
            Box::pin(std::future::ready(Ok(CallToolResponse::from(result))))
        })
    }

    fn tool_result(&self) -> CallToolResult {
        // Names, reasons and metadata are JSON already, so `null` does not happen.
        CallToolResult::structured(serde_json::to_value(self.response()).unwrap_or(Value::Null))
    }
}

fn description() -> Tool {
    let about = "Whether this server is well: ok, degraded or down, with its components";
    let annotations = ToolAnnotations::new().read_only(true).idempotent(true).open_world(false);
    Tool::new(TOOL, about, schema(json!({"type": "object"})))
        .with_raw_output_schema(schema(json!({
            "type": "object",
            "required": ["status", "timestamp", "uptime_seconds"],
            "properties": {
                "status": {"enum": ["ok", "degraded", "down"]},
                "timestamp": {"type": "string", "format": "date-time"},
                "uptime_seconds": {"type": "integer", "minimum": 0},
            },
        })))
        .with_annotations(annotations)
}

fn schema(schema: Value) -> Arc<JsonObject> {
    match schema {
        Value::Object(schema) => Arc::new(schema),
        _ => Arc::default(),
    }
}

#[cfg(test)]
mod tests {
    use rmcp::handler::server::tool::ToolRouter;
    use rmcp::model::{CallToolRequestParams, ServerCapabilities, ServerConfig};
    use rmcp::{ServerHandler, ServiceExt, tool_handler};

    use super::*;
    use crate::CheckError;

    #[derive(Clone)]
    struct Server {
        tools: ToolRouter<Self>,
    }

    #[tool_handler(router = self.tools)]
    impl ServerHandler for Server {
        fn get_info(&self) -> ServerConfig {
            ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
        }
    }

    #[tokio::test]
    async fn a_client_reads_the_health_response() {
        let health = Health::builder("a").check("database", || async { Err(CheckError::down("refused")) }).build();
        health.settled().await;
        let server = Server { tools: ToolRouter::new().with_route(health.tool()) };
        let (near, far) = tokio::io::duplex(4096);
        let (server, client) = tokio::join!(server.serve(near), ().serve(far));
        let (_server, client) = (server.unwrap(), client.unwrap());

        let tools = client.list_all_tools().await.unwrap();
        assert_eq!(tools.iter().map(|tool| &*tool.name).collect::<Vec<_>>(), ["health_check"]);
        let result = client.call_tool(CallToolRequestParams::new("health_check")).await.unwrap();
        assert_eq!(result.is_error, Some(false), "to say `down` is no failure");
        let structured = result.structured_content.unwrap();
        assert_eq!(health_spec::validate::validate(&structured), []);
        assert_eq!((&structured["status"], &structured["checks"]["database"]), (&"down".into(), &"down".into()));
        let text = &result.content[0].as_text().unwrap().text;
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), structured);
    }
}
