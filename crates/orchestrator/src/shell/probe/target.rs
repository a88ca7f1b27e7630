//! All that one server is checked by.

use health_spec::registry::ProbeKind;
use hyper::header::HeaderValue;

use super::address::To;
use super::http::HttpTarget;
use super::mcp::McpTarget;

/// How one server is checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// All of it, at once; never empty while the server is registered.
    pub looks: Box<[Look]>,
    /// The server's own workflow.
    pub trace_id: Option<HeaderValue>,
}

/// One way to look.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    /// `GET`.
    Http(HttpTarget),
    /// MCP.
    Mcp(Box<McpTarget>),
    /// A connection.
    Tcp(To),
    /// The engine's word.
    Container,
    /// The child is alive.
    Process,
}

impl Target {
    /// One plain `GET`.
    pub fn http(target: HttpTarget) -> Self {
        Self { looks: [Look::Http(target)].into(), trace_id: None }
    }

    /// The parts that keep a session.
    pub fn sessions(&self) -> impl Iterator<Item = &McpTarget> {
        self.looks.iter().filter_map(|look| match look {
            Look::Mcp(target) => Some(&**target),
            _ => None,
        })
    }
}

impl Look {
    /// The word in the configuration.
    pub fn kind(&self) -> ProbeKind {
        match self {
            Self::Http(_) => ProbeKind::Http,
            Self::Mcp(_) => ProbeKind::Mcp,
            Self::Tcp(_) => ProbeKind::Tcp,
            Self::Container => ProbeKind::Container,
            Self::Process => ProbeKind::Process,
        }
    }
}
