//! What an operator writes (contract, section 2): the registry file and its defaults.
//!
//! Every key is optional here, so that a server's section can be merged over the file's section, key by key. The defaults stand in
//! [`defaults`]: the schema shows them, and the orchestrator compiles them in.

pub mod defaults;
mod discovery;
mod engine;
mod fleet;
mod hook;
mod simulate;
mod strategy;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::registry::ServerEntry;
pub use discovery::{AddressBy, Discovery};
pub use engine::{Engine, EngineKind, EngineTls};
pub use fleet::{Listen, Maintenance, Overlay, RetainedEvents, RetainedUptime, Retention};
pub use simulate::{Becomes, Dies, EngineScene, Link, OperatorDoes, RestartEffect, RestartResult, Scene, Simulate};
pub use {hook::Hook, strategy::Strategies, strategy::Strategy};

/// The whole configuration, from however many files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// The registry format's version, `1.1`.
    pub version: Option<Value>,
    /// The servers to watch.
    pub servers: Vec<ServerEntry>,
    /// Defaults of every server's `health_check`.
    pub health_check: HealthCheck,
    /// Defaults of every server's `recovery`.
    pub recovery: Recovery,
    /// The event log.
    pub event_emission: EventEmission,
    /// Container engines. Default: what is found by the usual environment variables and at the usual paths.
    pub engines: Vec<Engine>,
    /// Containers that are watched because their labels ask for it.
    pub discovery: Discovery,
    /// Times in which recovery is held on purpose.
    pub maintenance: Vec<Maintenance>,
    /// What is kept for how long.
    pub retention: Retention,
    /// Where the daemons listen.
    pub listen: Listen,
    /// What goes over the entries of `servers`, by server name: for a registry that others write.
    pub health: BTreeMap<String, Overlay>,
    /// For `orchestrator simulate` only: what happens to the servers.
    pub simulate: Option<Simulate>,
}

/// A number of seconds (fractions allowed) or a string with a unit: `30`, `0.5`, `"30s"`, `"5m"`; at most [`Seconds::LONGEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(pub Duration);

/// How a server is checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct HealthCheck {
    /// From the start of one check to the start of the next. Default 30.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::INTERVAL)))]
    pub interval_seconds: Option<Seconds>,
    /// One deadline over the whole exchange. Default 5.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::TIMEOUT)))]
    pub timeout_seconds: Option<Seconds>,
    /// Failures in a row that make a server down. Default 3.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::FAILURE_THRESHOLD), range(min = 1, max = u32::MAX)))]
    pub failure_threshold: Option<u32>,
    /// Good answers in a row that bring it back. Default 3.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::SUCCESS_THRESHOLD), range(min = 1, max = u32::MAX)))]
    pub success_threshold: Option<u32>,
    /// The pace while an answer is being confirmed. Default 1, or the interval if that is shorter.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::CONFIRM_INTERVAL)))]
    pub confirm_interval_seconds: Option<Seconds>,
    /// Grace after a start: failures do not count, a success ends it. 0: none. Default 30.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::START_PERIOD)))]
    pub start_period_seconds: Option<Seconds>,
    /// The longest distance between checks of a server that was given up. Default 120.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::MAX_BACKOFF)))]
    pub max_backoff_seconds: Option<Seconds>,
}

/// How a server is brought back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Recovery {
    /// Whether anything is ever done. Default true.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::ENABLED)))]
    pub enabled: Option<bool>,
    /// `act`, or `observe`: decide and log, never do. Default `act`.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::MODE)))]
    pub mode: Option<Mode>,
    /// What an attempt does; a list is a ladder, one rung an attempt. Default `restart`.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::STRATEGY)))]
    pub strategy: Option<Strategies>,
    /// What strategy `repair` does.
    pub repair: Option<Hook>,
    /// Runs before every attempt. When it fails nothing is done, and the attempt has failed.
    pub before: Option<Hook>,
    /// Runs when what an attempt does has ended well, before the server is verified. When it fails the attempt has failed.
    pub after: Option<Hook>,
    /// The delays before the attempts. Default: 1, 5 and 30 seconds.
    #[cfg_attr(feature = "schema", schemars(extend("default" = serde_json::json!({ "schedule": defaults::SCHEDULE }))))]
    pub backoff: Option<Backoff>,
    /// How many attempts, when the backoff is exponential. Default 5.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::MAX_ATTEMPTS), range(min = 1, max = u32::MAX)))]
    pub max_attempts: Option<u32>,
    /// How long an attempt has to come back. Default 30, or the start period if that is longer.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::VERIFY_TIMEOUT)))]
    pub verify_timeout_seconds: Option<Seconds>,
    /// Healthy this long: the attempt counter starts over. Default 600.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::RESET_AFTER)))]
    pub reset_after_seconds: Option<Seconds>,
    /// A limit that slow crash loops meet too. Default: 10 in a day.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::BUDGET)))]
    pub budget: Option<Budget>,
    /// Whether exit code 0 is a death or a stop. Default `restart`.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::ON_EXIT_ZERO)))]
    pub on_exit_zero: Option<OnExitZero>,
    /// Whether a registered container that is not running when first seen is started. Default false.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::START_STOPPED)))]
    pub start_stopped: Option<bool>,
    /// How many recoveries run at once, over all servers; not for one server. Default 4.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::MAX_CONCURRENT), range(min = 1, max = 1_000)))]
    pub max_concurrent: Option<u32>,
}

/// Whether decisions are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Carry them out.
    Act,
    /// Log what would be done.
    Observe,
}

/// The delays before the attempts: `schedule`, or the three others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Backoff {
    /// The delay before attempt 1, 2, 3 and so on; then a person is needed.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub schedule: Option<Vec<Seconds>>,
    /// Exponential: the delay before attempt 1. Default 1.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::INITIAL_DELAY)))]
    pub initial_delay: Option<Seconds>,
    /// Exponential: what each delay is multiplied by. Default 2.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::MULTIPLIER), range(min = 1.0)))]
    pub multiplier: Option<f64>,
    /// Exponential: the longest delay. Default 300.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::MAX_DELAY)))]
    pub max_delay: Option<Seconds>,
}

/// At most `attempts` in any `window_seconds`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// How many. Default 10.
    #[serde(default = "attempts")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = u32::MAX)))]
    pub attempts: u32,
    /// In how long. Default: a day.
    #[serde(default = "window")]
    pub window_seconds: Seconds,
}

fn attempts() -> u32 {
    defaults::BUDGET.attempts
}

fn window() -> Seconds {
    defaults::BUDGET.window_seconds
}

/// What exit code 0 means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnExitZero {
    /// A death like any other.
    Restart,
    /// It stopped on purpose.
    Stop,
}

/// The event log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct EventEmission {
    /// Whether the JSONL log is written. Default true.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::ENABLED)))]
    pub enabled: Option<bool>,
    /// Whether checks over HTTP carry `traceparent`, and `X-Chora-Trace-Id` with the `trace_id` of the events. Default true.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::TRACE_CONTEXT)))]
    pub trace_context: Option<bool>,
    /// The log file, in the state directory unless absolute. Default `health-events.jsonl`.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::JSONL_LOG)))]
    pub jsonl_log: Option<String>,
}

impl Seconds {
    /// The longest that can be configured, 31 years: what is added to any moment is still one.
    pub const LONGEST: Self = Self::new(1_000_000_000);

    /// Whole seconds.
    pub const fn new(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Reads `30s`, `500ms`, `1.5m`, `2h`, `1d`.
    fn parse(text: &str) -> Option<Self> {
        let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, unit) = text.split_at(unit_at);
        let factor = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        Self::from_f64(number.trim_end().parse::<f64>().ok()? * factor)
    }

    /// `None` for what is no duration: negative, infinite, more than `Duration` holds.
    pub fn from_f64(seconds: f64) -> Option<Self> {
        // Whole microseconds: enough for every pace, and `0.1` stays `0.1`.
        let seconds = (seconds * 1e6).round() / 1e6;
        Duration::try_from_secs_f64(seconds).ok().map(Self)
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.subsec_nanos() == 0 {
            serializer.serialize_u64(self.0.as_secs())
        } else {
            serializer.serialize_f64(self.0.as_secs_f64())
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let seconds = match &value {
            Value::Number(number) => number.as_f64().and_then(Self::from_f64),
            Value::String(text) => Self::parse(text),
            _ => None,
        };
        let seconds = seconds
            .ok_or_else(|| serde::de::Error::custom(format_args!("{value} is not a duration; write 30, 0.5 or \"30s\"")))?;
        if seconds > Self::LONGEST {
            let longest = Self::LONGEST.0.as_secs();
            return Err(serde::de::Error::custom(format_args!(
                "{value} is too long; a duration has at most {longest} seconds (31 years)"
            )));
        }
        Ok(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_have_a_unit() {
        let read = |json: &str| serde_json::from_str::<Seconds>(json).map(|seconds| seconds.0).ok();
        assert_eq!(read("30"), Some(Duration::from_secs(30)));
        assert_eq!(read("0.1"), Some(Duration::from_millis(100)));
        assert_eq!(read("\"5m\""), Some(Duration::from_secs(300)));
        assert_eq!(read("\"250ms\""), Some(Duration::from_millis(250)));
        for wrong in ["-1", "\"30\"", "\"soon\"", "\"5 parsecs\"", "true", "1e300"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(read("1e9"), Some(Seconds::LONGEST.0));
        for long in ["1e19", "1000000001", "\"11575d\""] {
            let error = serde_json::from_str::<Seconds>(long).expect_err(long).to_string();
            assert!(error.contains("is too long; a duration has at most 1000000000 seconds"), "{error}");
        }
    }
}
