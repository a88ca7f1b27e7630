//! How a child process is run: its session, its streams, its end and its log.

use serde::{Deserialize, Serialize};

use crate::config::Seconds;

/// What a child process leads, and what therefore ends with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Session {
    /// A process group of its own.
    #[default]
    Group,
    /// A session of its own: groups that its children make end with it too.
    Session,
}

/// Who speaks on a child's standard input and output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stdio {
    /// Nobody: input is empty, output goes to the log.
    #[default]
    None,
    /// The protocol: input is a pipe that stays open, output is read, only stderr goes to the log. Its `mcp` probe asks through them.
    Mcp,
}

/// What becomes of a child that outlived the orchestrator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnCrash {
    /// It goes on, and is watched again.
    #[default]
    Adopt,
    /// It is ended and started anew.
    End,
}

/// How a child is ended: each step only when the one before did not do. The whole group is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Stop {
    /// `stdio: mcp`: its input is closed, and it has this long to end. Default 2.
    #[cfg_attr(feature = "schema", schemars(extend("default" = 2)))]
    pub stdin_seconds: Option<Seconds>,
    /// Then SIGTERM, and this long. Default 5.
    #[cfg_attr(feature = "schema", schemars(extend("default" = 5)))]
    pub term_seconds: Option<Seconds>,
    /// Then SIGKILL, and this long until it is given up as unkillable. Default 10.
    #[cfg_attr(feature = "schema", schemars(extend("default" = 10)))]
    pub kill_seconds: Option<Seconds>,
}

/// How much of a child's output is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ProcessLog {
    /// A file that is larger than this is put aside, in MiB. Default 8.
    #[cfg_attr(feature = "schema", schemars(extend("default" = 8), range(min = 1, max = 1_024)))]
    pub max_mib: Option<u32>,
    /// How many older files are kept beside it. Default 1; 0: none.
    #[cfg_attr(feature = "schema", schemars(extend("default" = 1), range(max = 100)))]
    pub files: Option<u32>,
}
