//! The MCP side: three harmless tools over streamable HTTP.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

/// One session's handler; it has no state of its own.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    name: String,
}

/// The arguments of `echo` and `reverse`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Text {
    /// Any text.
    text: String,
}

/// The arguments of `add`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Numbers {
    /// The first number.
    a: f64,
    /// The second number.
    b: f64,
}

#[expect(clippy::unused_self, reason = "the macro takes methods")]
#[tool_router]
impl Tools {
    #[tool(description = "Answers with the same text")]
    fn echo(&self, Parameters(Text { text }): Parameters<Text>) -> String {
        text
    }

    #[tool(description = "Adds two numbers")]
    fn add(&self, Parameters(Numbers { a, b }): Parameters<Numbers>) -> String {
        (a + b).to_string()
    }

    #[tool(description = "Answers with the text backwards")]
    fn reverse(&self, Parameters(Text { text }): Parameters<Text>) -> String {
        text.chars().rev().collect()
    }
}

#[tool_handler]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(&self.name, env!("CARGO_PKG_VERSION")))
    }
}

/// The service behind `/mcp`. Its sessions end with `stop`.
///
/// Any `Host` is accepted unless it listens on loopback: in a container it is asked by names that it does not know.
pub(crate) fn service(name: &str, loopback: bool, stop: CancellationToken) -> StreamableHttpService<Tools, LocalSessionManager> {
    let tools = Tools { name: name.to_owned() };
    let config = StreamableHttpServerConfig::default().with_cancellation_token(stop);
    let config = if loopback { config } else { config.disable_allowed_hosts() };
    StreamableHttpService::new(move || Ok(tools.clone()), LocalSessionManager::default().into(), config)
}
