//! What has left a server's group on purpose goes on without it; somebody should know.
//!
//! Who that is can be told only by a look into every process, and a process that hangs in the kernel may keep whoever looks into it.
//! So nobody waits for it: no stop, no start, and not the looks on which those depend.

use std::time::Duration;

use rustix::process::RawPid;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::INSTANCE_VARIABLE;
use super::procfs;
use super::record::Instance;

/// One look at a time, of its own: where it hangs, it keeps nothing else from being looked at, and no second one hangs beside it.
static TURN: Semaphore = Semaphore::const_new(1);

/// At our own end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Names them in the log, soon. While another look is under way there is none.
pub(super) fn name_soon(server: &str, instance: Instance) {
    if let Ok(turn) = TURN.try_acquire() {
        let server = server.to_owned();
        // It says what it has found by itself.
        drop(tokio::task::spawn_blocking(move || {
            name(&server, &instance);
            drop(turn);
        }));
    }
}

/// The same; before we end it is waited for a little, or nobody would hear of them.
pub(super) async fn name_after_stop(server: &str, instance: Instance, ours: &CancellationToken) {
    if ours.is_cancelled() {
        name_at_last(server, instance).await;
    } else {
        name_soon(server, instance);
    }
}

async fn name_at_last(server: &str, instance: Instance) {
    let server = server.to_owned();
    let named = async {
        if let Ok(turn) = TURN.acquire().await {
            let look = move || {
                name(&server, &instance);
                drop(turn);
            };
            // Nothing depends on it.
            let _ = tokio::task::spawn_blocking(look).await;
        }
    };
    let _ = timeout(PATIENCE, named).await;
}

fn name(server: &str, instance: &Instance) {
    for (pid, name) in strays(instance) {
        tracing::warn!(
            server,
            pid,
            name,
            "a process of this server has left its group and goes on; end it if it is not meant to"
        );
    }
}

/// Who carries an instance's token and belongs to it no more, with their names, as far as can be seen.
fn strays(instance: &Instance) -> Vec<(RawPid, String)> {
    let everyone = procfs::everyone().unwrap_or_default();
    let left = everyone.into_iter().filter(|stat| !stat.is_led_by(instance.leader.pid));
    let pids = left.map(|stat| stat.identity.pid);
    let carriers = pids.filter(|pid| procfs::shows_environment(*pid, INSTANCE_VARIABLE, &instance.token));
    carriers.map(|pid| (pid, procfs::name(pid))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::runtime::process::procfs::Identity;

    #[tokio::test]
    async fn a_look_that_hangs_keeps_nobody() {
        let instance = || Instance { token: "none".to_owned(), leader: Identity { pid: 1, start: 1 }, bound: false };
        let hangs = TURN.acquire().await.unwrap();
        name_soon("a", instance());
        name_at_last("a", instance()).await;
        assert_eq!(TURN.available_permits(), 0, "nobody else looks");
        drop(hangs);
        name_at_last("a", instance()).await;
        assert_eq!(TURN.available_permits(), 1);
    }

    #[test]
    fn who_carries_the_token_in_another_group_is_one() {
        let token = uuid::Uuid::new_v4().to_string();
        let mut child = std::process::Command::new("sleep").arg("1000").env(INSTANCE_VARIABLE, &token).spawn().unwrap();
        let pid = RawPid::try_from(child.id()).unwrap();
        let group = procfs::stat(pid).unwrap().unwrap().group;
        let of =
            |leader: RawPid| strays(&Instance { token: token.clone(), leader: Identity { pid: leader, start: 1 }, bound: false });
        let (of_its_own, of_another) = (of(group), of(RawPid::MAX));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((of_its_own, of_another), (vec![], vec![(pid, "sleep".to_owned())]));
    }
}
