//! Checks that found what they always find: written and told a little later, many at once.
//!
//! A transaction, a line and a view for each would cost more than the check. Nothing is decided later for it, and everything else that
//! happens takes what is held along, in order. A crash loses at most the last of them, which no decision rests on. The loop does not wait
//! until they are written ([`super::Writing`]), so that a slow disk delays no check.

use std::time::Duration;

use health_spec::EventKind;

use crate::machine::{Happened, Mono};

/// How long one is held; short enough for eyes, and long enough that a fleet costs few transactions.
const HELD: Duration = Duration::from_millis(250);

/// So many are not held any longer, if the disk is free.
const MANY: usize = 256;

/// So many are not held in any case: the loop waits for the disk.
const MOST: usize = 16 * MANY;

/// What is held.
#[derive(Debug, Default)]
pub struct Routine {
    happened: Vec<Happened>,
    due: Option<Mono>,
}

impl Routine {
    /// When it has to be written.
    pub(super) fn due(&self) -> Option<Mono> {
        self.due
    }

    /// Holds what has happened, which is routine.
    pub(super) fn hold(&mut self, happened: Vec<Happened>, now: Mono) {
        if !happened.is_empty() {
            self.due.get_or_insert(now.after(HELD));
        }
        self.happened.extend(happened);
    }

    /// Whether it is to be written before it is due.
    pub(super) fn is_full(&self) -> bool {
        self.happened.len() >= MANY
    }

    /// Whether the disk is so slow that no more can be held.
    pub(super) fn overflows(&self) -> bool {
        self.happened.len() >= MOST
    }

    /// Everything that is held.
    pub(super) fn take(&mut self) -> Vec<Happened> {
        self.due = None;
        std::mem::take(&mut self.happened)
    }
}

/// A failure may be the first of a streak.
pub(super) fn is_routine(it: &Happened) -> bool {
    matches!(it.kind, EventKind::HealthCheckCompleted { failure: None, .. })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use health_spec::Status;
    use health_spec::event::Failure;

    use super::*;

    fn at(milliseconds: u64) -> Mono {
        Mono(Duration::from_millis(milliseconds))
    }

    fn check(milliseconds: u64, failure: Option<&str>) -> Happened {
        let failure = failure.map(|reason| Failure { reason: reason.to_owned(), message: String::new() });
        let kind = EventKind::HealthCheckCompleted { status: Status::Ok, response_time_ms: 1, checks: BTreeMap::new(), failure };
        Happened { at: at(milliseconds), server: None, kind, moment: None, phase: None, incident: None }
    }

    #[test]
    fn what_is_routine_waits_from_the_first_on() {
        let mut routine = Routine::default();
        routine.hold(vec![], at(0));
        assert_eq!(routine.due(), None);
        routine.hold(vec![check(1, None)], at(1));
        routine.hold(vec![check(2, None)], at(2));
        assert_eq!(routine.due(), Some(at(251)));
        assert_eq!(routine.take().iter().map(|it| it.at).collect::<Vec<_>>(), [at(1), at(2)]);
        assert_eq!((routine.due(), routine.take().len()), (None, 0));
    }

    #[test]
    fn a_failure_is_not_routine() {
        assert!(is_routine(&check(1, None)) && !is_routine(&check(1, Some("timeout"))));
    }

    #[test]
    fn many_are_written_early_and_too_many_are_waited_for() {
        let mut routine = Routine::default();
        let checks = |count: u64| (0..count).map(|at| check(at, None)).collect();
        routine.hold(checks(255), at(255));
        assert!(!routine.is_full());
        routine.hold(checks(1), at(256));
        assert!(routine.is_full() && !routine.overflows());
        routine.hold(checks(15 * 256), at(257));
        assert!(routine.overflows());
    }
}
