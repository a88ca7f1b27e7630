//! What the engine says when asked about a container.

use std::time::Duration;

use super::State;
use crate::machine::Death;
use crate::shell::runtime::container::event::{Act, Health};

/// What the engine says when asked about a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that the engine says")]
pub struct Look {
    /// Its full id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: State,
    /// When it was last started if it runs, or when it ended: in nanoseconds since 1970.
    pub since: i64,
    /// When it was last started, likewise, also if it has ended since.
    pub started: i64,
    /// How it last ended.
    pub exit_code: Option<i64>,
    /// Whether that was for memory.
    pub oom_killed: bool,
    /// It may only have so much memory.
    pub memory_limited: bool,
    /// Somebody stopped it, as far as the engine still knows.
    pub stopped: bool,
    /// Somebody is stopping it, and it has not ended yet.
    pub is_stopping: bool,
    /// What asks it to end.
    pub stop_signal: Option<i32>,
    /// How long its engine waits for that, where it was created with such a time.
    pub stop_timeout: Option<Duration>,
    /// When its engine starts it again on its own.
    pub comes_back: ComesBack,
    /// How often its engine has done so.
    pub restarts: i64,
    /// The verdict of its HEALTHCHECK.
    pub health: Option<Health>,
}

impl Look {
    /// How it has ended, of one that nobody saw end.
    pub(super) fn end(&self) -> Death {
        Death { exit_code: self.exit_code, oom_killed: self.oom_killed, ..Death::default() }
    }
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

/// Whether this name or id, as it is in the registry, means the container of this name and id. Engines take the beginning of any id for a
/// name, however short: without a container `db` they answer with one whose id begins so.
pub fn means(wanted: &str, name: &str, id: &str) -> bool {
    wanted == name || (is_id(wanted) && id.starts_with(wanted))
}

/// Whether it can be an id, or what `docker ps` shows of one.
pub fn is_id(wanted: &str) -> bool {
    wanted.len() >= 12 && wanted.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

/// Whether these events, from the last start on, tell of a stop: Docker says so, and Podman clears away twice.
pub fn tell_of_a_stop(acts: &[Act]) -> bool {
    let begin = acts.iter().rposition(|act| *act == Act::Start).map_or(0, |at| at + 1);
    let count = |wanted: Act| acts[begin..].iter().filter(|act| **act == wanted).count();
    count(Act::Stop) > 0 || count(Act::Cleanup) > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_is_no_name() {
        let id = "db0123456789abcdef";
        for (wanted, name, expected) in [
            ("db", "db", true),
            ("db", "other", false),
            ("db012345678", "other", false),
            ("db0123456789", "other", true),
            (id, "other", true),
            ("db0123456788", "other", false),
            ("DB0123456789", "other", false),
        ] {
            assert_eq!(means(wanted, name, id), expected, "{wanted} {name}");
        }
    }
}
