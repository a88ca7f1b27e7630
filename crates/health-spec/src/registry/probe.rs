//! How a server is checked (contract, section 2.1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One way to check a server. Several are made at once; the worst verdict counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The kind of check.
    pub kind: ProbeKind,
    /// `http`: what is asked, as `http://`, `https://` or `unix:///path.sock:/health`. Default: the entry's `health_url`.
    /// `mcp`: where MCP is spoken. Default: the entry's `endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `http`, `mcp`: connect to this socket instead of the URL's host. Relative to the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unix_socket: Option<String>,
    /// `tcp`: `host:port`. Default: those of the `health_url`, `endpoint` or `port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `http`, `mcp`: further headers. Values are not shown to anybody.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// `http`, `mcp`: further headers whose values stand in files, which are read again when they change.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub header_files: BTreeMap<String, String>,
    /// `http`, `mcp`: a file with a token, sent as `Authorization: Bearer ...`; read again when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token_file: Option<String>,
    /// `http`, `mcp`: the `Host` header. Default: the URL's own host and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `http`, `mcp` over `https://`: how the connection is secured. Default: the system's roots, no client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ProbeTls>,
    /// `mcp`: how deep it looks. Default `discover`; `call` when a `tool` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<Depth>,
    /// `mcp`, depth `call`: a harmless tool. The result of one that is called `health_check` is read as a health response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// `mcp`, depth `call`: the tool's arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Map<String, Value>>,
    /// `mcp`, depth `call`: what the result has to be. A text: one that it contains. Anything else: the JSON value that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Value>,
}

/// The kinds of check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// `GET health_url`.
    #[default]
    Http,
    /// Speaks MCP, of both eras.
    Mcp,
    /// A connection opens.
    Tcp,
    /// The engine's word: it runs, and what its HEALTHCHECK says.
    Container,
    /// The child is alive.
    Process,
}

/// How deep an `mcp` check looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// `server/discover`, or `ping` of a server of the older era.
    Discover,
    /// `tools/list` too: it sees a bridge whose child is dead.
    List,
    /// A tool too: it sees a worker pool that is full.
    Call,
}

/// How a connection is secured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ProbeTls {
    /// Certificates (PEM) that are trusted instead of the system's.
    pub ca_file: Option<String>,
    /// Our own certificate with its chain (PEM); with `key_file`.
    pub cert_file: Option<String>,
    /// Its key (PEM); with `cert_file`.
    pub key_file: Option<String>,
    /// The name that is asked for and that the certificate has to bear. Default: the URL's host.
    pub server_name: Option<String>,
}

impl ProbeKind {
    /// The word in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Mcp => "mcp",
            Self::Tcp => "tcp",
            Self::Container => "container",
            Self::Process => "process",
        }
    }

    /// Whether it is a request over HTTP.
    pub fn is_request(self) -> bool {
        matches!(self, Self::Http | Self::Mcp)
    }
}
