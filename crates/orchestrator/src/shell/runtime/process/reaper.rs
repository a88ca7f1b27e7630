//! Reaps what nobody waits for, when we are the first process of a container.
//!
//! Elsewhere the machine's first process does so. Servers and hooks are claimed by whoever started them, and reaped when their group has
//! ended, however long that takes: until then their number is nobody else's, and how they ended can be asked. Of the others, one that is
//! still there on the second look has been left to us by its parent.

use std::{
    collections::BTreeSet,
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{RawPid, WaitId, WaitIdOptions, waitid};
use tokio_util::sync::CancellationToken;

use super::procfs::{self, Identity};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(15);

/// Who is claimed. There is one table of children in a process, and so of these.
static CLAIMED: Mutex<BTreeSet<RawPid>> = Mutex::new(BTreeSet::new());

/// Until it is dropped, nobody but its owner reaps the child.
#[derive(Debug)]
#[must_use]
pub struct Claim(RawPid);

impl Claim {
    /// On a child that was just started.
    pub fn on(child: RawPid) -> Self {
        claimed().insert(child);
        Self(child)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        claimed().remove(&self.0);
    }
}

fn claimed() -> std::sync::MutexGuard<'static, BTreeSet<RawPid>> {
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether it falls to us.
pub fn is_needed() -> bool {
    std::process::id() == 1
}

/// Reaps until cancelled.
pub async fn reap(cancel: CancellationToken) {
    reap_every(LOOK, cancel).await;
}

async fn reap_every(pause: Duration, cancel: CancellationToken) {
    let mut look = tokio::time::interval(pause);
    let mut seen = HashSet::new();
    while cancel.run_until_cancelled(look.tick()).await.is_some() {
        seen = tokio::task::spawn_blocking(move || reap_again(&seen)).await.unwrap_or_default();
    }
}

/// Reaps those of `seen` that are still there, and returns those that are new.
fn reap_again(seen: &HashSet<Identity>) -> HashSet<Identity> {
    let unclaimed = |child: &Identity| !claimed().contains(&child.pid);
    let ended = procfs::ended_children().into_iter().filter(unclaimed);
    let (again, new): (HashSet<_>, HashSet<_>) = ended.partition(|child| seen.contains(child));
    for pid in again.into_iter().filter_map(|child| child.pid().ok()) {
        // Somebody else may have done so meanwhile.
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::root::{again, is_alone, is_root};

    /// In a container, say: nobody else would reap what was left by its parent.
    #[test]
    fn it_falls_to_the_first_process() {
        let name = "shell::runtime::process::reaper::tests::it_falls_to_the_first_process";
        if !is_needed() {
            if is_root(name) {
                again(&["unshare", "--pid", "--fork", "--mount-proc"], name);
            }
            return;
        }
        let status = std::process::Command::new("/bin/sh").args(["-c", "sleep 0.1 & exit 0"]).status().unwrap();
        assert!(status.success());
        let scheduler = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let soon = Duration::from_millis(10);
        let nobody_is_left = async {
            let mut look = tokio::time::interval(soon);
            while procfs::ended_children().is_empty() {
                look.tick().await;
            }
            // Only now is it worth while to begin.
            let reaping = reap_every(soon, CancellationToken::new());
            let reaped = async {
                while !procfs::ended_children().is_empty() {
                    look.tick().await;
                }
            };
            tokio::select! {
                () = reaping => {}
                () = reaped => {}
            }
        };
        scheduler.block_on(nobody_is_left);
        assert!(procfs::ended_children().is_empty());
    }

    #[test]
    fn what_a_parent_left_to_us_is_reaped_on_the_second_look() {
        // Children of other tests are nobody's to reap.
        if !is_alone("shell::runtime::process::reaper::tests::what_a_parent_left_to_us_is_reaped_on_the_second_look") {
            return;
        }
        let ourselves = rustix::process::getpid();
        rustix::process::set_child_subreaper(Some(ourselves)).unwrap();
        // The shell ends before its child, which is ours then.
        let status = std::process::Command::new("/bin/sh").args(["-c", "sleep 0.1 & exit 0"]).status().unwrap();
        assert!(status.success());
        let mut seen = HashSet::new();
        while seen.is_empty() {
            seen = reap_again(&HashSet::new());
            std::thread::park_timeout(Duration::from_millis(10));
        }
        assert_eq!(procfs::ended_children().len(), 1, "one look does nothing");
        assert!(reap_again(&seen).is_empty());
        assert!(procfs::ended_children().is_empty());
    }

    /// Its group may take longer to end than any number of looks, and whoever watches it may be busy for as long.
    #[test]
    fn one_that_is_claimed_keeps_its_number_and_how_it_ended() {
        if !is_alone("shell::runtime::process::reaper::tests::one_that_is_claimed_keeps_its_number_and_how_it_ended") {
            return;
        }
        let mut child = std::process::Command::new("/bin/sh").args(["-c", "exit 7"]).spawn().unwrap();
        let claim = Claim::on(RawPid::try_from(child.id()).unwrap());
        while procfs::ended_children().is_empty() {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let all = || procfs::ended_children().into_iter().collect::<HashSet<_>>();
        assert!(reap_again(&all()).is_empty(), "it is not seen");
        assert_eq!(all().len(), 1, "and not reaped");
        assert_eq!(child.wait().unwrap().code(), Some(7));

        let mut unclaimed = std::process::Command::new("/bin/sh").args(["-c", "exit 7"]).spawn().unwrap();
        drop(claim);
        while procfs::ended_children().is_empty() {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        assert!(reap_again(&all()).is_empty());
        assert!(all().is_empty());
        assert!(unclaimed.wait().is_err(), "somebody else has reaped it");
    }
}
