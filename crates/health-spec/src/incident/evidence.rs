//! What a restart would have destroyed (contract, section 3.2): gathered when an incident opens, before each action, and after it.
//!
//! Secrets are masked, control characters are escaped, long texts are cut. What could not be had is named in `missing`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::DetectedBy;
use crate::Status;

/// Everything that is kept of one incident; at most [`MAX_EVIDENCE_BYTES`](super::MAX_EVIDENCE_BYTES) as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Evidence {
    /// Who noticed first, and how.
    pub noticed: Option<Noticed>,
    /// How it died, as it was reported; the last time.
    pub death: Option<Death>,
    /// When the state was noted that `changed` compares with: when the server last became well.
    #[serde(with = "crate::time::millis_option")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Timestamp>"))]
    pub well_at: Option<Timestamp>,
    /// What is not as it was then.
    pub changed: Vec<Change>,
    /// What was found, each time that was looked, in order.
    pub captures: Vec<Capture>,
    /// What was left out to stay within the bound.
    pub left_out: Vec<String>,
}

/// Who noticed first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Noticed {
    /// Who.
    pub by: DetectedBy,
    /// When the first sign of it was.
    #[serde(with = "crate::time::millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub at: Timestamp,
    /// How, in a sentence.
    pub how: String,
}

/// How it died, as the engine or the supervisor reported it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Death {
    /// When that was reported.
    #[serde(with = "crate::time::millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub at: Timestamp,
    /// Its exit code, when there is one.
    pub exit_code: Option<i64>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether the kernel killed it for memory.
    pub oom_killed: bool,
    /// Whether it left a core dump; `null`: nobody said.
    pub core_dumped: Option<bool>,
    /// Why it could not even start.
    pub error: Option<String>,
}

/// Something that is not as it was when the server was last well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Change {
    /// Such as `image.digest` or `registry.endpoint`.
    pub what: String,
    /// Then; `null`: it was not there. What may be a secret is a digest.
    pub before: Option<String>,
    /// Now.
    pub after: Option<String>,
}

/// When a capture was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The incident had just opened.
    Opened,
    /// An attempt was about to act.
    BeforeAttempt,
    /// It was known how an attempt went.
    AfterAttempt,
}

/// What was found at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Capture {
    /// When it was begun.
    #[serde(with = "crate::time::millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub at: Timestamp,
    /// On what occasion.
    pub moment: Moment,
    /// The attempt before or after which it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How long it took.
    pub took_ms: u64,
    /// The last answers to checks, at most ten, oldest first; without those of an earlier capture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answer>,
    /// What runs the server, as it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RuntimeState>,
    /// Before: the last 50 lines. After an attempt: the first lines since it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<Logs>,
    /// How busy the engine was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineLoad>,
    /// How busy this machine was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostLoad>,
    /// The orchestrator's version.
    pub orchestrator_version: String,
    /// What could not be had, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// What one check got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Answer {
    /// When the check began.
    #[serde(with = "crate::time::millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub at: Timestamp,
    /// What it found; `down` for a failure.
    pub verdict: Status,
    /// A word of the verdict table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How long it took.
    pub took_ms: u64,
    /// The status code of the answer, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// How long each phase took, in milliseconds, where that was measured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub phases: BTreeMap<String, f32>,
    /// The first 512 bytes of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How long the whole body was, in bytes, as far as it was read.
    pub body_bytes: u64,
}

/// What runs a server, as it was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RuntimeState {
    /// `docker`, `podman`, `process`, `systemd`.
    pub kind: String,
    /// The container's name, the program, or the unit.
    pub name: String,
    /// The container's id, or the process's number.
    pub id: Option<String>,
    /// Whether it ran.
    pub running: Option<bool>,
    /// In the words of what runs it.
    pub status: Option<String>,
    /// When it last started.
    #[serde(with = "crate::time::millis_option")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Timestamp>"))]
    pub started_at: Option<Timestamp>,
    /// When it last ended.
    #[serde(with = "crate::time::millis_option")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Timestamp>"))]
    pub finished_at: Option<Timestamp>,
    /// How it last ended, while it does not run.
    pub exit_code: Option<i64>,
    /// Whether the kernel killed it, or something in it, for memory.
    pub oom_killed: Option<bool>,
    /// Its memory limit; `null`: none.
    pub memory_limit_bytes: Option<u64>,
    /// How often what runs it has restarted it on its own.
    pub restarts: Option<u64>,
    /// Why it could not start, or what runs it complains about.
    pub error: Option<String>,
    /// The engine's own health check: `healthy`, `unhealthy`, `starting`.
    pub health: Option<String>,
    /// The image of a container.
    pub image: Option<Image>,
    /// Names of the environment variables; never their values.
    pub environment: Vec<String>,
}

/// A container's image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Image {
    /// The reference that the container was made from.
    pub reference: String,
    /// The digest of the image that it runs.
    pub digest: String,
    /// The digests under which registries know it.
    pub repository_digests: Vec<String>,
    /// The digest that the reference names now, when that is another one.
    pub reference_now: Option<String>,
}

/// Lines of a server's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Logs {
    /// Where they were read.
    pub source: String,
    /// In order.
    pub lines: Vec<LogLine>,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct LogLine {
    /// When it was written, where that is known.
    #[serde(with = "crate::time::millis_option", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Timestamp>"))]
    pub at: Option<Timestamp>,
    /// `stdout` or `stderr`, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The line.
    pub text: String,
}

/// How busy a container engine is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct EngineLoad {
    /// Its name in the configuration.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// Containers that run.
    pub running: Option<u64>,
    /// All containers.
    pub containers: Option<u64>,
    /// Processors of its machine.
    pub processors: Option<u64>,
    /// Memory of its machine.
    pub memory_bytes: Option<u64>,
}

/// How busy the orchestrator's machine is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct HostLoad {
    /// Processes that run or wait: over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// Processors.
    pub processors: Option<u64>,
    /// All memory.
    pub memory_bytes: Option<u64>,
    /// What of it can be had.
    pub memory_available_bytes: Option<u64>,
    /// The share of the last 10 s in which something waited for a processor, memory or the disk, in percent.
    pub pressure: Option<Pressure>,
    /// How often the kernel has killed something for memory since the machine started.
    pub oom_kills: Option<u64>,
    /// Room left where the state directory is.
    pub disk_free_bytes: Option<u64>,
    /// All room there.
    pub disk_bytes: Option<u64>,
}

/// What waits, in percent of the last 10 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Pressure {
    /// For a processor.
    pub cpu: Option<f64>,
    /// For memory.
    pub memory: Option<f64>,
    /// For the disk.
    pub io: Option<f64>,
}
