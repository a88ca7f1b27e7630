//! What survives a restart of the monitor: everything that a server's future depends on, as plain records.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use health_spec::Phase;
use health_spec::config::Strategy;
use health_spec::status::Observed;
use serde::{Deserialize, Serialize};

use super::hold::Hold;
use super::{Death, Mono};

/// What earlier runs have left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FleetMemory {
    /// The number of the latest incident.
    pub incidents: u64,
    /// By server name.
    pub servers: BTreeMap<String, ServerMemory>,
}

/// One server's state. Checks in flight are not part of it: they are simply made again.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, not a mode")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerMemory {
    /// What the world sees.
    pub status: Observed,
    /// What the monitor is doing.
    pub phase: Phase,
    /// The word of the last status change.
    pub reason: Option<String>,
    /// Since when it has this status.
    pub since: Mono,
    /// Failures in a row.
    pub failures: u32,
    /// Good answers in a row.
    pub successes: u32,
    /// The start of the first failed check of the streak.
    pub first_failure: Option<Mono>,
    /// The start of the last check, or the moment that takes its place.
    pub pace_from: Mono,
    /// When the next check starts.
    pub next_check: Option<Mono>,
    /// It asked to be left alone until then.
    #[serde(default)]
    pub alone_until: Option<Mono>,
    /// Until when failures do not count.
    pub grace_until: Mono,
    /// The distance between checks of a server that was given up.
    pub distance: Duration,
    /// Attempts since the counter last started over.
    pub attempts: u32,
    /// When attempts started, within the budget's window.
    pub spent: VecDeque<Mono>,
    /// Since when it has been up.
    pub up_since: Option<Mono>,
    /// It has been up at some time.
    pub was_up: bool,
    /// It has wanted credentials or been overloaded while up.
    pub was_alive_only: bool,
    /// It was stopped, and has not been well since.
    pub was_stopped: bool,
    /// Why it is `stopped`. Memories of before do not say.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// Who has last started it, beside our own actions.
    #[serde(default)]
    pub starter: Starter,
    /// Its death has been said, and it has not been started or well since.
    #[serde(default)]
    pub is_dead: bool,
    /// It has been well after its death was said, and has not been started since: something else answers in its place.
    #[serde(default)]
    pub is_outlived: bool,
    /// Only checks have decided that it is down: no engine, no supervisor.
    #[serde(default)]
    pub by_checks: bool,
    /// When it became `suspect`, within ten intervals (rule 11).
    #[serde(default)]
    pub episodes: VecDeque<Mono>,
    /// It became so too often, and is published as `degraded`.
    #[serde(default)]
    pub is_flapping: bool,
    /// Its clock was off when it last answered.
    #[serde(default)]
    pub is_skewed: bool,
    /// The last check of it could not be made, through a fault of ours.
    #[serde(default)]
    pub is_blind: bool,
    /// A `recreate` has begun, and what it has replaced may still be there.
    #[serde(default)]
    pub unsettled: bool,
    /// What a `recreate` has made has been well: what it has replaced is not put back any more.
    #[serde(default)]
    pub proven: bool,
    /// An action of ours has taken away the network that it shares.
    #[serde(default)]
    pub cut: Option<Cut>,
    /// What recovery is doing.
    pub recovery: Recovery,
    /// Why recovery may not run.
    pub held: Option<Box<Hold>>,
    /// An operator's pause.
    pub paused: Option<Box<Pause>>,
    /// A signal that may end it was reported, and it has not ended since.
    #[serde(default)]
    pub signal: Option<Box<Signal>>,
    /// A death that is not judged yet.
    pub dying: Option<Box<Dying>>,
    /// The open incident.
    pub incident: Option<Incident>,
    /// Why the last attempt within it failed.
    #[serde(default)]
    pub last_error: Option<Box<str>>,
    /// The uptime that it last reported.
    pub uptime_seconds: Option<u64>,
    /// A session with it has been kept since it started.
    #[serde(default)]
    pub has_session: bool,
    /// Actions of ours.
    pub restarts_ours: u64,
    /// Starts that were not ours.
    pub restarts_engine: u64,
}

/// What recovery is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Recovery {
    /// Nothing.
    Idle,
    /// An attempt's delay runs.
    Waiting {
        /// When it ends.
        due: Mono,
        /// How long it is.
        delay: Duration,
    },
    /// The action runs.
    Acting {
        /// Names the action.
        serial: u64,
        /// What is being tried.
        attempt: Attempt,
        /// How. Memories of before do not say.
        #[serde(default)]
        strategy: Option<Strategy>,
        /// Somebody stopped the server meanwhile.
        stopped: bool,
        /// How far it is.
        #[serde(default)]
        stage: Stage,
        /// The attempt has failed, and the action is to put back what it had replaced.
        #[serde(default)]
        undoing: bool,
        /// When it was decided; from when it may touch the server, when that was allowed. Memories of before do not say.
        #[serde(default)]
        since: Option<Mono>,
    },
    /// The server has until then to come back.
    Verifying {
        /// Until when.
        until: Mono,
        /// What was tried.
        attempt: Attempt,
        /// An end of the monitor cut the action off, and nothing that runs has been heard of since.
        #[serde(default)]
        cut_off: bool,
        /// It did so before anything was done to the server.
        #[serde(default)]
        untouched: bool,
    },
}

/// How far an action is, as its runtime tells. A runtime that tells nothing leaves it at the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Evidence is gathered, the hook before it runs: nothing has been done to the server.
    Prepares,
    /// The same, and it has been told not to touch the server: it may not any more, whatever happens.
    CalledOff,
    /// The same, because somebody else has started the server.
    Overtaken,
    /// It may touch the server: a death is the action's own.
    #[default]
    Begun,
    /// The server has been started.
    Started,
    /// And has died again.
    Died,
    /// And has ended with exit code 0, which is a stop for this server.
    Ended,
}

impl Stage {
    /// Nothing has been done to the server yet.
    pub fn is_before_touching(self) -> bool {
        matches!(self, Self::Prepares | Self::CalledOff | Self::Overtaken)
    }
}

/// Who brings a server back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    /// We do, for the so-manieth time.
    Counted(u32),
    /// An operator asked for it; it is not counted.
    Operator,
    /// The engine or somebody else started it.
    Foreign,
    /// We do, since the server whose network it shares was brought back in this way; it is not counted.
    Follows(Strategy),
}

/// Why a server was stopped on purpose: the `reason` of `server_stopped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// Somebody did.
    Operator,
    /// Somebody froze it, with its engine.
    Paused,
    /// It ended with exit code 0, which is a stop for this server.
    ExitZero,
}

impl Stop {
    /// As events have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Paused => "paused",
            Self::ExitZero => "exit_zero",
        }
    }
}

/// Who has started a server, beside our own actions: the `reason` of `server_started`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Starter {
    /// Somebody has.
    #[default]
    Outside,
    /// Its engine has, on its own.
    Engine,
}

impl Starter {
    /// As events have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Engine => "engine",
        }
    }
}

/// A network that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The server whose network it was.
    pub leader: String,
    /// What was done to that one, and is to be done to this one.
    pub strategy: Strategy,
    /// What had been done to that one before: so it is, should nothing have come of this.
    #[serde(default)]
    pub before: Option<Strategy>,
}

/// An operator's pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Until when.
    pub until: Option<Mono>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// A signal that may end a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// When it was reported.
    pub at: Mono,
    /// It was one that asks, and not SIGKILL alone.
    pub asks: bool,
    /// How long its end may take.
    pub within: Duration,
}

/// A death after a reported signal: a stop may still be reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dying {
    /// When it is judged.
    pub until: Mono,
    /// How it died.
    pub death: Death,
    /// When it was reported.
    pub at: Mono,
}

/// From `server_down` until it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number, one more each time.
    pub number: u64,
    /// When it opened.
    pub opened: Mono,
    /// Attempts or budget are used up.
    pub exhausted: bool,
}
