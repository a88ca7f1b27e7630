//! Whether the kernel killed for memory: a child, or a container of an engine that does not say so.
//!
//! It tells nobody whom it killed, but counts (`oom_kill` in `/proc/vmstat`). So the count is looked at every second: what died
//! of SIGKILL while it rose, and not through us, was killed for memory, unless that was somebody else and somebody
//! sent a SIGKILL within the same two seconds.

use std::{
    collections::VecDeque,
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::shell::clock::wall;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Looks that are kept: a busy engine tells of a death half a minute later.
const KEPT: usize = 40;

/// When was looked, and the count then.
#[derive(Clone, Debug, Default)]
pub struct Oom(Arc<Mutex<VecDeque<(Timestamp, u64)>>>);

impl Oom {
    /// Looks until cancelled.
    pub async fn watch(self, cancel: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        while cancel.run_until_cancelled(look.tick()).await.is_some() {
            self.note(wall(), kills());
        }
    }

    fn note(&self, at: Timestamp, count: u64) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() == KEPT {
            looks.pop_front();
        }
        looks.push_back((at, count));
    }

    /// Whether it was so just now.
    pub fn has_just_killed(&self) -> bool {
        self.has_killed_about(wall())
    }

    /// Whether it was so within about a second of this moment. Not known before the first look.
    pub fn has_killed_about(&self, at: Timestamp) -> bool {
        let (Ok(earlier), Ok(later)) = (at.checked_sub(LOOK), at.checked_add(LOOK)) else { return false };
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = looks.iter().rev().find(|(when, _)| *when <= earlier).or(looks.front().filter(|(when, _)| *when <= at));
        let after = || looks.iter().find(|(when, _)| *when >= later).map_or_else(kills, |(_, count)| *count);
        before.is_some_and(|(_, before)| has_risen(*before, after()))
    }
}

/// A count of 0 is one more in here, so that it is told from none.
const UNKNOWN: u64 = 0;

fn has_risen(before: u64, now: u64) -> bool {
    before != UNKNOWN && now > before
}

fn kills() -> u64 {
    stored(fs::read_to_string("/proc/vmstat").ok().and_then(|text| count(&text)))
}

fn stored(count: Option<u64>) -> u64 {
    count.map_or(UNKNOWN, |count| count + 1)
}

fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_counts() {
        assert_eq!(count("pgfault 7\noom_kill 3\noom_killer 9\n"), Some(3));
        assert_eq!(count("pgfault 7\n"), None);
        assert!(kills() > UNKNOWN);
    }

    #[test]
    fn a_count_that_rose_tells_of_that_moment() {
        let (oom, at) = (Oom::default(), |second| Timestamp::from_second(second).expect("a timestamp"));
        assert!(!oom.has_killed_about(at(5)), "nobody has looked yet");
        for second in 0..20 {
            oom.note(at(second), if second < 10 { 7 } else { 8 });
        }
        let told: Vec<_> = (0..19).filter(|second| oom.has_killed_about(at(*second))).collect();
        assert_eq!(told, [9, 10]);
        assert_eq!(oom.has_killed_about(at(30)), kills() > 8);
    }

    #[test]
    fn a_count_that_the_kernel_did_not_say_has_not_risen() {
        for (before, now, risen) in [
            (Some(0), Some(0), false),
            (Some(0), Some(1), true),
            (Some(3), Some(5), true),
            (None, Some(7), false),
            (Some(7), None, false),
            (None, None, false),
        ] {
            assert_eq!(has_risen(stored(before), stored(now)), risen, "{before:?} {now:?}");
        }
    }
}
