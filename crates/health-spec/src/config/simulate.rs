//! A scripted world, for trying a policy on virtual time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Seconds;

/// A scripted world for `orchestrator simulate` (contract, section 3.3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Simulate {
    /// How much virtual time.
    pub duration_seconds: Seconds,
    /// When that is, for maintenance windows; a Monday when it is not given.
    #[serde(default)]
    pub start: Option<Timestamp>,
    /// What happens; every server starts `ok` at 0.
    #[serde(default)]
    pub script: Vec<Scene>,
}

/// One line of a script: exactly one of `becomes`, `dies`, `restart`, `operator`, which happen to a server, and `network`, `engine`, `state`,
/// which happen to the monitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// When, in seconds from the start.
    pub at: Seconds,
    /// Which server.
    #[serde(default)]
    pub server: Option<String>,
    /// How it answers from now on.
    #[serde(default)]
    pub becomes: Option<Becomes>,
    /// The engine reports its death; checks are refused from then on.
    #[serde(default)]
    pub dies: Option<Dies>,
    /// What a restart does from now on.
    #[serde(default)]
    pub restart: Option<RestartEffect>,
    /// What somebody does.
    #[serde(default)]
    pub operator: Option<OperatorDoes>,
    /// Nothing answers the monitor any more, or it does again.
    #[serde(default)]
    pub network: Option<Link>,
    /// A container engine cannot be reached, or can be again.
    #[serde(default)]
    pub engine: Option<EngineScene>,
    /// The state directory cannot be written, or can be again.
    #[serde(default)]
    pub state: Option<Link>,
}

/// Something that the monitor needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// Is gone.
    Lost,
    /// Is there again.
    Back,
}

/// What happens to a container engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EngineScene {
    /// Its name.
    pub name: String,
    /// What.
    pub is: Link,
}

/// How a scripted server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the contract's own words, explained in section 3.3")]
pub enum Becomes {
    Ok,
    Degraded,
    Overloaded,
    NeedsAuth,
    Down,
    #[serde(rename = "http_500")]
    Http500,
    Refuse,
    Stale,
    Invalid,
    Hang,
}

/// A scripted death.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Dies {
    /// The exit code that the engine reports.
    pub exit_code: i64,
}

/// What a scripted restart does; a key left out keeps its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RestartEffect {
    /// How it ends; first `fixes`.
    #[serde(default)]
    pub result: Option<RestartResult>,
    /// How long it takes; first 1.
    #[serde(default)]
    pub takes_seconds: Option<Seconds>,
}

/// How a scripted restart ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RestartResult {
    /// The server is ok afterwards.
    Fixes,
    /// The server stays as it is.
    NoEffect,
    /// The action itself errs.
    Error,
}

/// What somebody does in a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OperatorDoes {
    /// Holds recovery.
    Pause,
    /// Ends the pause.
    Resume,
    /// Stops the server; the engine reports it.
    Stop,
    /// Starts it; the engine reports it.
    Start,
    /// Has it restarted by the orchestrator.
    Restart,
    /// Has it checked at once.
    Check,
}
