//! What the machine is told.

use std::time::Duration;

use health_spec::Verdict;
use serde::{Deserialize, Serialize};

use super::memory::Cut;

/// A moment: the time since the first start of this state directory. It never goes backwards, also across restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mono(pub Duration);

impl Mono {
    /// This much later; it saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// How long `earlier` lies back; zero when it does not.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A server: its place in the fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServerId(pub usize);

/// A container engine: its place in the configuration. Or a manager of units, see [`EngineId::of_bus`], or [`EngineId::PROCESSES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EngineId(pub usize);

impl EngineId {
    /// This machine, as far as it shows its processes. No place in a configuration, and no bus.
    pub const PROCESSES: Self = Self(usize::MAX / 2 + 1);

    /// The systemd on this bus: the same in every configuration, and no place in one.
    pub fn of_bus(bus: &str) -> Self {
        // FNV-1a, in the upper half of the numbers.
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = bus.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
        let half = usize::MAX / 2;
        Self(usize::MAX - usize::try_from(hash % half as u64).unwrap_or_default())
    }
}

/// Names one check or action. A result with a ticket that is no longer current is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ticket {
    /// The server.
    pub server: ServerId,
    /// Never used twice by one fleet.
    pub serial: u64,
}

/// What the machine is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A deadline has passed. A spurious wake is always safe.
    Woken,
    /// A check ended.
    Observed {
        /// Which one.
        ticket: Ticket,
        /// What it found.
        verdict: Verdict,
        /// How long it took.
        took: Duration,
    },
    /// A check could not be made, through no fault of the server's: no verdict.
    Blind {
        /// Which one.
        ticket: Ticket,
        /// The cause.
        error: String,
    },
    /// An action has prepared everything, and waits for leave to touch its server.
    Touches {
        /// Which one.
        ticket: Ticket,
    },
    /// An action ended.
    Finished {
        /// Which one.
        ticket: Ticket,
        /// The cause, when it erred.
        result: Result<(), String>,
    },
    /// What a `recreate` had left open is settled.
    Settled {
        /// As it was ordered.
        ticket: Ticket,
        /// The cause, when it could not be.
        result: Result<(), String>,
    },
    /// What runs the server reports something.
    Reported(ServerId, Word),
    /// An engine cannot be reached.
    EngineLost(EngineId, String),
    /// It can be reached again, and its state has been compared.
    EngineBack(EngineId),
    /// The state directory cannot be written.
    StateLost {
        /// The first moment that is not on disk.
        since: Mono,
        /// The cause.
        error: String,
    },
    /// It can be written again, and everything is on disk.
    StateBack,
    /// A maintenance window of the server is open until then; `None`: none is.
    Maintenance(ServerId, Option<Mono>),
}

/// What an engine, or the supervisor of our own processes, says about a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// The container or process ended.
    Died(Death),
    /// Somebody sent it SIGKILL; whether a death that follows is a stop, a `Stopped` within a second tells.
    Killed,
    /// Somebody sent it another signal that may end it, as a stop does first: its end may take, and so may the word that it was a stop. How
    /// long its engine waits for that end before it kills it, where it was created with such a time.
    AskedToEnd(Option<Duration>),
    /// Nobody asks that any more, and it has not ended of it.
    AskedNoMore,
    /// Somebody stopped it on purpose.
    Stopped,
    /// Somebody has frozen it with its engine.
    Paused,
    /// It was started, or goes on after a pause, and not by an action that was ordered.
    Started,
    /// Its engine has started it again on its own, by the container's restart policy.
    Restarted,
    /// It is there but was not running when first seen; how it has ended, as far as that is still known.
    NotRunning(Death),
    /// The same, and its engine still knows that somebody stopped it.
    FoundStopped,
    /// The action of ours that runs fails before it touches it, or an earlier run ended before its action did: it goes on as it was.
    Spared,
    /// An action of ours has taken away the network that it shares with another server.
    Cut(Cut),
    /// That action on this other server has done nothing to it after all.
    NotCut(String),
    /// It is there and running when first seen, and was started with other settings than are in force.
    RunsOtherwise,
    /// It is there and running when first seen, when the engine came back, or because an action has just started it.
    Running,
}

/// How a container or process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of an engine's own, and none excludes another")]
pub struct Death {
    /// Its exit code, when there is one. Engines report 128 + signal for a killed container.
    pub exit_code: Option<i64>,
    /// The signal that ended it, when known.
    pub signal: Option<i32>,
    /// Whether the kernel killed it for memory.
    pub oom_killed: bool,
    /// Whether it left a core dump.
    #[serde(default)]
    pub core_dumped: bool,
    /// Why it could not even start.
    pub error: Option<String>,
    /// Its engine has been told to start it again on its own.
    #[serde(default)]
    pub comes_back: bool,
    /// Whether it was a stop is said afterwards, if it was.
    #[serde(default)]
    pub unclear: bool,
    /// An earlier run has told it already.
    #[serde(default)]
    pub known: bool,
    /// What was told as a stop before was none: it was its engine's own end.
    #[serde(default)]
    pub retracts_stop: bool,
}

/// What a person wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Restart it now.
    Restart {
        /// Who.
        by: String,
    },
    /// Check it now.
    Check {
        /// Who.
        by: String,
    },
    /// Hold its recovery. Another pause takes the place of one that runs.
    Pause {
        /// Until when; until resumed when `None`.
        until: Option<Mono>,
        /// Who.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// End the pause.
    Resume {
        /// Who.
        by: String,
    },
}
