//! The tools. `health_check` is among them.

use std::io;

use health_endpoint::Health;
use rmcp::handler::server::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde::Deserialize;

use crate::notes::Notes;

/// One session's handler.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    notes: Notes,
    router: ToolRouter<Self>,
}

/// The arguments of `read_note`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Name {
    /// Letters, digits and dashes.
    name: String,
}

/// The arguments of `write_note`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Note {
    /// Letters, digits and dashes.
    name: String,
    /// What to remember.
    text: String,
}

#[tool_router]
impl Tools {
    pub(crate) fn new(notes: Notes, health: &Health) -> Self {
        Self { notes, router: Self::tool_router().with_route(health.tool()) }
    }

    #[tool(description = "Lists the names of all notes")]
    async fn list_notes(&self) -> Result<String, String> {
        Ok(self.notes.list().await.map_err(text)?.join("\n"))
    }

    #[tool(description = "Reads a note")]
    async fn read_note(&self, Parameters(Name { name }): Parameters<Name>) -> Result<String, String> {
        self.notes.read(&name).await.map_err(text)
    }

    #[tool(description = "Writes a note, over the one of that name if there is one")]
    async fn write_note(&self, Parameters(note): Parameters<Note>) -> Result<String, String> {
        self.notes.write(&note.name, &note.text).await.map_err(text)?;
        Ok(format!("wrote {}", note.name))
    }
}

#[tool_handler(router = self.router)]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("notes-server", env!("CARGO_PKG_VERSION")))
    }
}

/// A failure as a tool result with `isError`, for the model to read.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn text(error: io::Error) -> String {
    error.to_string()
}
