//! Whether the kernel killed a child for memory.
//!
//! It tells nobody whom it killed, but counts (`oom_kill` in `/proc/vmstat`). So the count is looked at every second: a child
//! that died of SIGKILL while it rose, and not through us, was killed for memory, unless that was somebody else and somebody
//! sent a SIGKILL within the same two seconds.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// The count of one or two seconds ago.
#[derive(Clone, Debug, Default)]
pub struct Oom(Arc<AtomicU64>);

impl Oom {
    /// Looks until cancelled.
    pub async fn watch(self, cancel: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        let mut last = kills();
        self.0.store(last, Ordering::Relaxed);
        while cancel.run_until_cancelled(look.tick()).await.is_some() {
            self.0.store(last, Ordering::Relaxed);
            last = kills();
        }
    }

    /// Whether it was so just now. Not known before the first look.
    pub fn has_just_killed(&self) -> bool {
        has_risen(self.0.load(Ordering::Relaxed), kills())
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
    fn a_count_that_rose_was_just_now() {
        assert!(!Oom::default().has_just_killed(), "nobody has looked yet");
        for (before, now, risen) in
            [(Some(0), Some(0), false), (Some(0), Some(1), true), (Some(3), Some(3), false), (Some(3), Some(5), true)]
        {
            assert_eq!(has_risen(stored(before), stored(now)), risen, "{before:?} {now:?}");
        }
        for (before, now) in [(None, Some(7)), (Some(7), None), (None, None)] {
            assert!(!has_risen(stored(before), stored(now)), "{before:?} {now:?}: the kernel did not say");
        }
    }
}
