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
        let before = self.0.load(Ordering::Relaxed);
        before != UNKNOWN && kills() > before
    }
}

/// A count of 0 is one more in here, so that it is told from none.
const UNKNOWN: u64 = 0;

fn kills() -> u64 {
    fs::read_to_string("/proc/vmstat").ok().and_then(|text| count(&text)).map_or(UNKNOWN, |count| count + 1)
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
        let oom = Oom::default();
        assert!(!oom.has_just_killed(), "nobody has looked yet");
        oom.0.store(kills(), Ordering::Relaxed);
        let before = kills();
        assert!(!oom.has_just_killed() || kills() > before);
        oom.0.store(kills().saturating_sub(1).max(1), Ordering::Relaxed);
        assert_eq!(oom.has_just_killed(), kills() > 1);
    }
}
