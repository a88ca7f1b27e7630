//! What the disk has refused, until it takes it. Each server gets at most one action meanwhile (contract, section 3.2).

use std::collections::BTreeSet;
use std::time::Duration;

use crate::machine::{Input, Mono};
use crate::shell::causes::causes;
use crate::shell::store::{StoreError, Written};

/// How many events are kept: as many as the log is held to (contract, section 5). Of more, the oldest are lost.
const MOST: usize = 100_000;

/// More than these are not offered with every check.
const MANY: usize = 1_000;

/// How often many are offered.
const PACE: Duration = Duration::from_secs(1);

/// What could not be written yet.
#[derive(Debug, Default)]
pub struct Unwritten {
    pub(super) events: Vec<Written>,
    pub(super) servers: BTreeSet<usize>,
    pub(super) gone: Vec<String>,
    is_lost: bool,
    tried: Mono,
    is_log_behind: bool,
}

impl Unwritten {
    /// Whether it is worth trying now.
    pub(super) fn may_try(&mut self, now: Mono) -> bool {
        let tries = !self.is_lost || self.events.len() < MANY || now.since(self.tried) >= PACE;
        if tries {
            self.tried = now;
        }
        tries
    }

    pub(super) fn keep(&mut self, events: Vec<Written>, changed: &BTreeSet<usize>) {
        self.events.extend(events);
        let excess = self.events.len().saturating_sub(MOST);
        self.events.drain(..excess);
        self.servers.extend(changed);
    }

    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.servers.clear();
        self.gone.clear();
    }

    /// The last that was offered was refused.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// When nothing was to be written.
    pub(super) fn as_before(&self) -> Result<(), StoreError> {
        if self.is_lost { Err(StoreError::Unwritten) } else { Ok(()) }
    }

    /// What the machine is told when the disk has turned. `since` is the first moment that is not on it.
    pub(super) fn turn(&mut self, since: Mono, written: Result<(), StoreError>) -> Option<Input> {
        let was_lost = std::mem::replace(&mut self.is_lost, written.is_err());
        match written {
            Err(error) if !was_lost => Some(Input::StateLost { since, error: causes(&error) }),
            Ok(()) if was_lost => Some(Input::StateBack),
            _ => None,
        }
    }

    /// Whether the JSONL log has just fallen behind.
    pub(super) fn log_falls_behind(&mut self, is_behind: bool) -> bool {
        !std::mem::replace(&mut self.is_log_behind, is_behind) && is_behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(seq: u64) -> Written {
        Written { seq, server_name: None, event_type: "server_down", json: "{}".into() }
    }

    fn refused() -> Result<(), StoreError> {
        Err(StoreError::Unwritten)
    }

    #[test]
    fn of_too_many_the_oldest_are_lost() {
        let mut unwritten = Unwritten::default();
        for first in (0..3 * MOST as u64 / 2).step_by(1_000) {
            unwritten.keep((first..first + 1_000).map(written).collect(), &BTreeSet::new());
        }
        assert_eq!(unwritten.events.len(), MOST);
        assert_eq!(unwritten.events[0].seq, MOST as u64 / 2);
    }

    #[test]
    fn a_turn_is_told_once() {
        let mut unwritten = Unwritten::default();
        let since = Mono(Duration::from_secs(7));
        assert!(unwritten.turn(since, Ok(())).is_none());
        assert!(matches!(unwritten.turn(since, refused()), Some(Input::StateLost { since: told, .. }) if told == since));
        assert!(unwritten.turn(since, refused()).is_none());
        assert_eq!(unwritten.turn(since, Ok(())), Some(Input::StateBack));
        assert!(unwritten.turn(since, Ok(())).is_none());
    }

    #[test]
    fn many_are_offered_once_a_second() {
        let mut unwritten = Unwritten::default();
        let at = |milliseconds| Mono(Duration::from_millis(milliseconds));
        assert!(unwritten.may_try(at(10)));
        unwritten.keep((0..2_000).map(written).collect(), &BTreeSet::new());
        let _told = unwritten.turn(at(10), refused());
        assert!(!unwritten.may_try(at(20)) && !unwritten.may_try(at(1_009)));
        assert!(unwritten.may_try(at(1_010)) && !unwritten.may_try(at(1_020)));
    }
}
