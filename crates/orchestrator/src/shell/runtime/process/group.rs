//! Ends a process group, down to the last member, so that its ports are free.
//!
//! A leader that has a session of its own leads every group of it. Members are signalled through pidfds: a pid that was
//! given to another process meanwhile is never hit. What has left on purpose (`setsid`) is named, and not followed.

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::process::{PidfdFlags, RawPid, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use thiserror::Error;
use tokio::io::{Interest, unix::AsyncFd};
use tokio::time::{Instant, timeout_at};

use super::{
    INSTANCE_VARIABLE,
    beside::{LOOKS, beside},
    procfs::{self, Identity, Stat},
    record::Instance,
};

/// A group could not be ended.
#[derive(Debug, Error)]
pub enum GroupError {
    /// A process outlived SIGKILL, as one does that waits for a dead disk.
    #[error("process {pid} does not end, even after SIGKILL")]
    Undying {
        /// One of them.
        pid: RawPid,
    },
    /// The kernel refused.
    #[error("cannot signal process {pid}")]
    Refused {
        /// Which one.
        pid: RawPid,
        /// Why.
        source: io::Error,
    },
    /// Nobody knows who is there.
    #[error("cannot look for processes")]
    Unseen(#[source] io::Error),
}

/// Which processes belong together.
#[derive(Clone, Debug)]
pub enum Members {
    /// All of this leader's group or session. Only for a leader that we know to be there, or to have been there a moment ago.
    Of(RawPid),
    /// All of the instance's group or session, if its leader lives or at least one carries its token: a group's number is not given away
    /// while it has members. A leader needs no token: it may have written over it (`setproctitle`), or not let us read it.
    Marked(Instance),
    /// All who carry this token.
    Carrying(String),
}

impl Members {
    /// Who of them lives. It looks at every process of the machine, and waits for those that are just being executed: not for a task.
    pub fn living(&self) -> Vec<Stat> {
        let everyone = procfs::everyone();
        let in_group = |leader: RawPid| everyone.iter().filter(move |stat| stat.is_led_by(leader)).copied();
        let carries = |stat: &Stat, token: &str| procfs::has_environment(stat.identity.pid, INSTANCE_VARIABLE, token);
        match self {
            Self::Of(group) => in_group(*group).collect(),
            Self::Marked(Instance { token, leader, .. }) => {
                let marked = in_group(leader.pid).any(|stat| stat.identity == *leader || carries(&stat, token));
                if marked { in_group(leader.pid).collect() } else { Vec::new() }
            }
            Self::Carrying(token) => everyone.iter().filter(|stat| carries(stat, token)).copied().collect(),
        }
    }

    /// The same, while others go on.
    pub async fn found(&self) -> Result<Vec<Stat>, GroupError> {
        let members = self.clone();
        beside(&LOOKS, move || members.living()).await.map_err(GroupError::Unseen)
    }

    /// Who leads a group among them; the oldest, since a descendant can lead a group of its own.
    pub fn leader(&self) -> Option<Identity> {
        let leaders = self.living().into_iter().filter(|stat| stat.group == stat.identity.pid);
        leaders.map(|stat| stat.identity).min_by_key(|leader| leader.start)
    }

    /// Kills all of them, and returns when the last one is gone. It is waited for so long; looking for them does not count.
    pub async fn kill(&self, patience: Duration) -> Result<(), GroupError> {
        let deadline = after(patience);
        // A process may fork between our look and our signal: look again until there is nobody.
        loop {
            let handles = self.handles().await?;
            let Some(first) = handles.first() else { return Ok(()) };
            for handle in &handles {
                handle.signal(Signal::KILL)?;
            }
            if timeout_at(deadline, all_ended(&handles)).await.is_err() {
                let left = handles.iter().find(|handle| handle.identity.is_alive()).unwrap_or(first);
                return Err(GroupError::Undying { pid: left.identity.pid });
            }
        }
    }

    /// Whether nobody is left so soon, whoever ended them.
    pub async fn are_gone_within(&self, patience: Duration) -> Result<bool, GroupError> {
        let deadline = after(patience);
        loop {
            let handles = self.handles().await?;
            if handles.is_empty() {
                return Ok(true);
            }
            if timeout_at(deadline, all_ended(&handles)).await.is_err() {
                return Ok(false);
            }
        }
    }

    async fn handles(&self) -> Result<Vec<Handle>, GroupError> {
        let opened = self.found().await?.into_iter().map(|stat| Handle::open(stat.identity));
        opened.filter_map(Result::transpose).collect()
    }
}

/// A moment that no clock can hold is as good as one in a year.
fn after(patience: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    Instant::now() + patience.min(YEAR)
}

async fn all_ended(handles: &[Handle]) {
    for handle in handles {
        handle.ended().await;
    }
}

/// Asks a whole group or session to end. A stopped one is woken, or it could not hear it.
pub async fn ask_to_end(leader: Identity) -> Result<(), GroupError> {
    for signal in [Signal::TERM, Signal::CONT] {
        match leader.pid().and_then(|pid| kill_process_group(pid, signal).map_err(io::Error::from)) {
            Err(error) if error.raw_os_error() != Some(rustix::io::Errno::SRCH.raw_os_error()) => {
                return Err(GroupError::Refused { pid: leader.pid, source: error });
            }
            _ => {}
        }
        for stat in Members::Of(leader.pid).found().await?.iter().filter(|stat| stat.group != leader.pid) {
            Handle::open(stat.identity)?.map_or(Ok(()), |handle| handle.signal(signal))?;
        }
    }
    Ok(())
}

/// Who carries an instance's token and belongs to it no more, with their names.
pub fn strays(instance: &Instance) -> Vec<(RawPid, String)> {
    let left = procfs::everyone().into_iter().filter(|stat| !stat.is_led_by(instance.leader.pid));
    let pids = left.map(|stat| stat.identity.pid);
    let carriers = pids.filter(|pid| procfs::shows_environment(*pid, INSTANCE_VARIABLE, &instance.token));
    carriers.map(|pid| (pid, procfs::name(pid))).collect()
}

impl Stat {
    /// Whether it is in the group or in the session of this leader.
    fn is_led_by(&self, leader: RawPid) -> bool {
        self.group == leader || self.session == leader
    }
}

#[expect(
    deprecated,
    reason = "its successor is an unsafe fn; what that asks for, a descriptor that stays the same, an OwnedFd gives"
)]
fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}

/// A process that cannot be mistaken for another.
#[derive(Debug)]
pub struct Handle {
    identity: Identity,
    descriptor: AsyncFd<OwnedFd>,
}

impl Handle {
    /// `None` when the process is gone.
    pub fn open(identity: Identity) -> Result<Option<Self>, GroupError> {
        let refused = |source| GroupError::Refused { pid: identity.pid, source };
        let pid = identity.pid().map_err(refused)?;
        let descriptor = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
            Ok(descriptor) => descriptor,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => return Err(refused(error.into())),
        };
        let descriptor = watch(descriptor).map_err(refused)?;
        // Asked after the pidfd was opened: it is this very process that we hold.
        Ok(procfs::stat(identity.pid).is_some_and(|stat| stat.identity == identity).then_some(Self { identity, descriptor }))
    }

    /// Returns when the process has ended. Whether its parent has reaped it does not matter.
    pub async fn ended(&self) {
        // An error can only say that the runtime shuts down.
        let _ = self.descriptor.readable().await;
    }

    fn signal(&self, signal: Signal) -> Result<(), GroupError> {
        match pidfd_send_signal(self.descriptor.get_ref(), signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(GroupError::Refused { pid: self.identity.pid, source: error.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_leader_that_hides_its_token_is_known_by_its_start() {
        let mut child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let leader = Identity::of(RawPid::try_from(child.id()).unwrap()).unwrap();
        let members = |leader| Members::Marked(Instance { token: "not shown".to_owned(), leader, bound: false });
        let found: Vec<_> = members(leader).living().iter().map(|stat| stat.identity).collect();
        let of_another = members(Identity { start: leader.start + 1, ..leader }).living();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found, [leader]);
        assert_eq!(of_another, [], "its number, and not it");
    }
}
