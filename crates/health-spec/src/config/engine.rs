//! Container engines: what they speak, where they are, and how the connection is secured.

use serde::{Deserialize, Serialize};

/// A container engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// What `runtime.engine` refers to.
    pub name: String,
    /// What it speaks.
    pub kind: EngineKind,
    /// `unix:///var/run/docker.sock`, `tcp://host:port`, or `https://host:port`.
    pub address: String,
    /// TLS over `tcp://` or `https://`: whom to trust, and who we are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<EngineTls>,
}

/// TLS to an engine. Relative paths start at the directory of the file that names them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct EngineTls {
    /// PEM: who may have signed the engine's certificate. Default: whom the system trusts.
    pub ca_file: Option<String>,
    /// PEM: our own certificate, with its chain; with `key_file`.
    pub cert_file: Option<String>,
    /// PEM: its key.
    pub key_file: Option<String>,
}

/// What an engine speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// Docker's API, from Docker.
    Docker,
    /// Docker's API, as Podman speaks it.
    Podman,
}

impl EngineKind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}
