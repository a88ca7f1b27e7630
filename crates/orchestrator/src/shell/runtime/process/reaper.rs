//! Reaps what nobody waits for, when we are the first process of a container.
//!
//! Elsewhere the machine's first process does so. Our own children are reaped by whoever started them, at once or when
//! their group has ended; one that is still there on the second look has been left to us by its parent.

use std::{collections::HashSet, time::Duration};

use rustix::process::{WaitId, WaitIdOptions, waitid};
use tokio_util::sync::CancellationToken;

use super::procfs::{self, Identity};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(15);

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
    let (again, new): (HashSet<_>, HashSet<_>) = procfs::ended_children().into_iter().partition(|child| seen.contains(child));
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
}
