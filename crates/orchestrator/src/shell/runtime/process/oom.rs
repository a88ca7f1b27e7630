//! Whether the kernel killed for memory: a child, or a container of an engine that does not say so.
//!
//! It tells nobody whom it killed, but counts (`oom_kill`): on the whole machine, and in each control group. So the counts are looked at every
//! second: what died of SIGKILL while they rose, and not through us, was killed for memory, unless that was somebody else and somebody
//! sent a SIGKILL within the same two seconds. For a child in our own group only what was killed in there counts, where the kernel says it.

use std::{
    collections::VecDeque,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use rustix::process::RawPid;
use tokio_util::sync::CancellationToken;

use crate::shell::clock::wall;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Looks that are kept: a busy engine tells of a death half a minute later.
const KEPT: usize = 40;

/// When was looked, and the counts then.
#[derive(Clone, Debug, Default)]
pub struct Oom(Arc<Mutex<VecDeque<(Timestamp, Counts)>>>);

/// How many were killed. `None`: the kernel does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    machine: Option<u64>,
    /// In our control group.
    ours: Option<u64>,
}

impl Oom {
    /// Looks until cancelled.
    pub async fn watch(self, cancel: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        while cancel.run_until_cancelled(look.tick()).await.is_some() {
            self.note(wall(), Counts::now());
        }
    }

    fn note(&self, at: Timestamp, counts: Counts) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() == KEPT {
            looks.pop_front();
        }
        looks.push_back((at, counts));
    }

    /// Whether this child, which has ended and is not reaped yet, was killed just now.
    pub fn has_just_killed(&self, child: RawPid) -> bool {
        let Some((before, after)) = self.about(wall()) else { return false };
        if group_of(&child.to_string()).is_some_and(|group| Some(group) == group_of("self")) {
            before.has_risen_in_our_group(after)
        } else {
            before.has_risen(after)
        }
    }

    /// Whether somebody was killed within about a second of this moment. Not known before the first look.
    pub fn has_killed_about(&self, at: Timestamp) -> bool {
        self.about(at).is_some_and(|(before, after)| before.has_risen(after))
    }

    /// The counts about a second before and after this moment.
    fn about(&self, at: Timestamp) -> Option<(Counts, Counts)> {
        let (earlier, later) = (at.checked_sub(LOOK).ok()?, at.checked_add(LOOK).ok()?);
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = looks.iter().rev().find(|(when, _)| *when <= earlier).or(looks.front().filter(|(when, _)| *when <= at));
        let after = looks.iter().find(|(when, _)| *when >= later).map_or_else(Counts::now, |(_, counts)| *counts);
        before.map(|(_, before)| (*before, after))
    }
}

impl Counts {
    fn now() -> Self {
        let read = |path: PathBuf| fs::read_to_string(path).ok().and_then(|text| count(&text));
        Self { machine: read("/proc/vmstat".into()), ours: group_of("self").and_then(|group| read(counter(&group))) }
    }

    fn has_risen(self, now: Self) -> bool {
        rises(self.machine, now.machine).unwrap_or(false)
    }

    fn has_risen_in_our_group(self, now: Self) -> bool {
        rises(self.ours, now.ours).unwrap_or_else(|| self.has_risen(now))
    }
}

/// `None`: that is not known.
fn rises(before: Option<u64>, now: Option<u64>) -> Option<bool> {
    Some(now? > before?)
}

/// The control group of a process, which is known also once it has ended. With the first version of control groups it is not: then there is
/// none.
fn group_of(pid: &str) -> Option<String> {
    group(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)
}

/// Of the lines `number:controllers:path`, the one of the second version.
fn group(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

/// What it counts. The root of all has no such file, and none has where memory is counted by the first version.
fn counter(group: &str) -> PathBuf {
    format!("/sys/fs/cgroup{group}/memory.events").into()
}

fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a timestamp")
    }

    #[test]
    fn the_kernel_counts() {
        assert_eq!(count("pgfault 7\noom_kill 3\noom_killer 9\n"), Some(3));
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), Some(2));
        assert_eq!(count("pgfault 7\n"), None);
        assert!(Counts::now().machine.is_some());
    }

    #[test]
    fn a_count_that_rose_tells_of_that_moment() {
        let oom = Oom::default();
        assert!(!oom.has_killed_about(at(5)), "nobody has looked yet");
        for second in 0..20 {
            oom.note(at(second), Counts { machine: Some(if second < 10 { 7 } else { 8 }), ours: None });
        }
        let told: Vec<_> = (0..19).filter(|second| oom.has_killed_about(at(*second))).collect();
        assert_eq!(told, [9, 10]);
        assert_eq!(oom.has_killed_about(at(30)), Counts::now().machine > Some(8));
    }

    #[test]
    fn what_is_killed_elsewhere_is_none_of_ours() {
        let counts = |machine, ours| Counts { machine, ours };
        for (before, now, machine, ours) in [
            (counts(Some(0), Some(0)), counts(Some(1), Some(0)), true, false),
            (counts(Some(3), Some(0)), counts(Some(5), Some(1)), true, true),
            // Where the kernel says less, no more is known.
            (counts(Some(0), None), counts(Some(1), Some(7)), true, true),
            (counts(Some(7), Some(2)), counts(None, Some(2)), false, false),
            (counts(None, None), counts(Some(7), None), false, false),
        ] {
            assert_eq!((before.has_risen(now), before.has_risen_in_our_group(now)), (machine, ours), "{before:?} {now:?}");
        }
    }

    #[test]
    fn the_control_group_of_the_second_version_counts() {
        let mixed = group("9:name=systemd:/\n4:cpu,memory:/a/b\n0::/a.slice/b:c\n").expect("a group");
        assert_eq!(counter(&mixed), PathBuf::from("/sys/fs/cgroup/a.slice/b:c/memory.events"));
        assert_eq!(group("4:memory:/a\n"), None);
    }
}
