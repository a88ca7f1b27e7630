//! Checks that found what they always find: written and told a little later, many at once.
//!
//! A transaction, a line and a view for each would cost more than the check. Nothing is decided later for it, and everything else that
//! happens takes what is held along, in order. A crash loses at most the last of them, which no decision rests on.

use std::time::Duration;

use health_spec::EventKind;

use crate::machine::{Happened, Mono};

/// How long one is held; short enough for eyes, and long enough that a fleet costs few transactions.
const HELD: Duration = Duration::from_millis(250);

/// So many are not held any longer.
const MANY: usize = 256;

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

    /// Holds what has happened, or gives it back: with what is held in front of it, if it has to be written now.
    pub(super) fn hold(&mut self, happened: Vec<Happened>, now: Mono) -> Option<Vec<Happened>> {
        let is_held = happened.iter().all(is_routine) && self.happened.len() + happened.len() < MANY;
        if is_held {
            if !happened.is_empty() {
                self.due.get_or_insert(now.after(HELD));
            }
            self.happened.extend(happened);
            return None;
        }
        Some(self.take().into_iter().chain(happened).collect())
    }

    /// Everything that is held.
    pub(super) fn take(&mut self) -> Vec<Happened> {
        self.due = None;
        std::mem::take(&mut self.happened)
    }
}

/// A failure may be the first of a streak.
fn is_routine(it: &Happened) -> bool {
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
    fn what_is_routine_waits_and_anything_else_takes_it_along_in_order() {
        let mut routine = Routine::default();
        assert_eq!((routine.hold(vec![check(1, None)], at(1)), routine.due()), (None, Some(at(251))));
        assert_eq!((routine.hold(vec![check(2, None)], at(2)), routine.due()), (None, Some(at(251))));
        let all = routine.hold(vec![check(3, Some("timeout"))], at(3)).expect("to be written");
        assert_eq!(all.iter().map(|it| it.at).collect::<Vec<_>>(), [at(1), at(2), at(3)]);
        assert_eq!((routine.due(), routine.take().len()), (None, 0));
    }

    #[test]
    fn many_are_written_at_once() {
        let mut routine = Routine::default();
        assert_eq!(routine.hold(vec![], at(0)), None);
        assert_eq!(routine.due(), None);
        let all = routine.hold((0..256).map(|at| check(at, None)).collect(), at(256));
        assert_eq!(all.map(|all| all.len()), Some(256));
    }
}
