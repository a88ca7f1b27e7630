//! What the engine says when asked about a container.

use super::State;
use crate::shell::runtime::container::event::{Act, Health};

/// What the engine says when asked about a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Its full id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: State,
    /// When it was last started if it runs, or when it ended: in nanoseconds since 1970.
    pub since: i64,
    /// How it last ended.
    pub exit_code: Option<i64>,
    /// Whether that was for memory.
    pub oom_killed: bool,
    /// It may only have so much memory.
    pub memory_limited: bool,
    /// Somebody stopped it, as far as the engine still knows.
    pub stopped: bool,
    /// What asks it to end.
    pub stop_signal: Option<i32>,
    /// When its engine starts it again on its own.
    pub comes_back: ComesBack,
    /// How often its engine has done so.
    pub restarts: i64,
    /// The verdict of its HEALTHCHECK.
    pub health: Option<Health>,
}

/// A container's own restart policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComesBack {
    /// It stays dead.
    #[default]
    Never,
    /// Unless it ended with code 0.
    AfterFailure,
    /// However it ended.
    Always,
}

/// Whether these events, from the last start on, tell of a stop: Docker says so, and Podman clears away twice.
pub fn tell_of_a_stop(acts: &[Act]) -> bool {
    let begin = acts.iter().rposition(|act| *act == Act::Start).map_or(0, |at| at + 1);
    let count = |wanted: Act| acts[begin..].iter().filter(|act| **act == wanted).count();
    count(Act::Stop) > 0 || count(Act::Cleanup) > 1
}
