//! The ecosystem's `registry.yaml`: one entry a server (contract, section 2).
//!
//! These types say what may be written. What the values mean together is compiled by the orchestrator.

mod probe;
mod process;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Dialect;
use crate::config::{EngineKind, HealthCheck, Recovery, Seconds};
pub use probe::{Depth, Probe, ProbeKind, ProbeTls};
pub use process::{OnCrash, ProcessLog, Session, Stdio, Stop};

/// One server. Keys that are not listed here are carried along with a warning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ServerEntry {
    /// Unique name.
    #[cfg_attr(feature = "schema", schemars(required, length(min = 1)))]
    pub name: String,
    /// Unique if given; the name otherwise.
    pub namespace: Option<String>,
    /// Where the server speaks MCP.
    pub endpoint: Option<String>,
    /// Where it answers `GET /health`. Default: `/health` at the endpoint's authority, or at `port` on 127.0.0.1.
    pub health_url: Option<String>,
    /// The port it listens on, when `health_url` is not given.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: Option<u16>,
    /// The form of health answer that it promises; no other is read then. Default: any of them.
    pub health_spec_version: Option<Dialect>,
    /// Names the workflow in every event about this server.
    pub trace_id: Option<String>,
    /// Shown, and used to filter.
    pub group: Option<String>,
    /// How it is checked; all of it at once, and the worst verdict counts. Default: one `http` probe.
    pub probes: Vec<Probe>,
    /// How it can be restarted. Default: it cannot; it is only watched.
    pub runtime: Option<Runtime>,
    /// Names of servers that must be healthy before this one is recovered.
    pub depends_on: Vec<String>,
    /// Overrides the file's `health_check`, key by key.
    pub health_check: HealthCheck,
    /// Overrides the file's `recovery`, key by key; `backoff` is replaced as a whole.
    pub recovery: Recovery,
    /// Carried, not interpreted.
    pub description: Option<Value>,
    /// Carried, not interpreted.
    pub version: Option<Value>,
    /// Carried, not interpreted.
    pub capabilities: Option<Value>,
    /// Carried, not interpreted.
    pub quality_tier: Option<Value>,
    /// Carried, not interpreted.
    pub maintainers: Option<Value>,
    /// Carried, not interpreted.
    pub repository: Option<Value>,
    /// Carried, not interpreted.
    pub tools: Option<Value>,
    /// Carried, not interpreted.
    pub docker_image: Option<Value>,
    /// Carried, not interpreted.
    pub volumes: Option<Value>,
    /// Carried, not interpreted.
    pub created_at: Option<Value>,
    /// Carried, not interpreted.
    pub updated_at: Option<Value>,
}

/// How a server is started and restarted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// What runs it.
    pub kind: RuntimeKind,
    /// `docker`, `podman`: the container's name or id.
    #[serde(default)]
    pub container: Option<String>,
    /// `docker`, `podman`: the name of an entry of `engines`. Default: the first one of that kind.
    #[serde(default)]
    pub engine: Option<String>,
    /// `process`: the program.
    #[serde(default)]
    pub command: Option<String>,
    /// `process`: its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// `process`: environment variables, added to the orchestrator's own.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// `process`: the working directory. Default: the registry file's.
    #[serde(default)]
    pub cwd: Option<String>,
    /// `docker`, `podman`: how long it may take to end when it is asked to, before it is killed. Default: what it was created with, else 10.
    #[serde(default)]
    pub stop_timeout_seconds: Option<Seconds>,
    /// `process`: a file of `NAME=value` lines, read at every start; `env` goes over it. Relative to the registry file.
    #[serde(default)]
    pub env_file: Option<String>,
    /// `process`: who it runs as: a user's name, or numbers `uid` or `uid:gid`; with the user's groups. Default: the orchestrator's user.
    #[serde(default)]
    pub user: Option<String>,
    /// `process`: what it leads. Default `group`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("default" = "group")))]
    pub session: Option<Session>,
    /// `process`: who speaks on its input and output. Default `none`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("default" = "none")))]
    pub stdio: Option<Stdio>,
    /// `process`: how it is ended.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// `process`: what becomes of it when it outlived the orchestrator. Default `adopt`; one with `stdio: mcp` cannot be adopted.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("default" = "adopt")))]
    pub on_crash: Option<OnCrash>,
    /// `process`: how much of its output is kept.
    #[serde(default)]
    pub log: Option<ProcessLog>,
    /// `systemd`: the unit, such as `taskmgr.service`.
    #[serde(default)]
    pub unit: Option<String>,
    /// `systemd`: `system`, `user`, or a D-Bus address. Default `system`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("default" = "system")))]
    pub bus: Option<String>,
}

/// What runs a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RuntimeKind {
    /// A child process that the orchestrator starts and supervises.
    Process,
    /// A container of a Docker engine.
    Docker,
    /// A container of a Podman engine.
    Podman,
    /// A unit of systemd, which starts and stops it.
    Systemd,
    /// Nothing that we can restart: watch only.
    #[default]
    None,
}

impl RuntimeKind {
    /// The engine that runs it; `None` for what is no container.
    pub fn engine(self) -> Option<EngineKind> {
        match self {
            Self::Docker => Some(EngineKind::Docker),
            Self::Podman => Some(EngineKind::Podman),
            Self::Process | Self::Systemd | Self::None => None,
        }
    }
}
