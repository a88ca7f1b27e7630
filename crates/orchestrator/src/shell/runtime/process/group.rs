//! Ends a process group, down to the last member, so that its ports are free.
//!
//! A leader that has a session of its own leads every group of it. Members are signalled through pidfds: a pid that was
//! given to another process meanwhile is never hit. What has left on purpose (`setsid`) is named, and not followed.

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::process::{Pid, PidfdFlags, RawPid, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use thiserror::Error;
use tokio::io::{Interest, unix::AsyncFd};
use tokio::time::{Instant, timeout_at};

use super::{
    INSTANCE_VARIABLE,
    beside::{LOOKS, beside},
    procfs::{self, Identity, Stat},
    record::Instance,
};

/// So many are held at once: a server may have more processes than we may have descriptors.
const AT_ONCE: usize = 64;

/// A group could not be ended.
#[derive(Debug, Error)]
pub enum GroupError {
    /// A process outlived SIGKILL, as one does that waits for a dead disk.
    #[error(
        "process {pid} does not end, even after SIGKILL: it waits for the kernel, as for a dead disk; `ps -o stat,wchan -p {pid}` shows for what"
    )]
    Undying {
        /// One of them.
        pid: RawPid,
    },
    /// The kernel refused.
    #[error("cannot signal process {pid}; it has to be of the user that the orchestrator runs as")]
    Refused {
        /// Which one.
        pid: RawPid,
        /// Why.
        source: io::Error,
    },
    /// Nobody knows who is there.
    #[error("cannot look for processes in /proc")]
    Unseen(#[source] io::Error),
    /// One of the processes that are looked at keeps whoever looks.
    #[error(
        "the look for its processes in /proc hangs, since one of them waits for the kernel, as for a dead disk; \
         `ps -eo pid,stat,wchan,comm` shows it with a `D`"
    )]
    Hangs(#[source] io::Error),
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

impl From<io::Error> for GroupError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut { Self::Hangs(error) } else { Self::Unseen(error) }
    }
}

impl Members {
    /// Who of them lives. It looks at every process of the machine, and waits for those that are just being executed: not for a task.
    pub fn living(&self) -> io::Result<Vec<Stat>> {
        let everyone = procfs::everyone()?;
        let in_group = |leader: RawPid| everyone.iter().filter(move |stat| stat.is_led_by(leader)).copied();
        match self {
            Self::Of(group) => Ok(in_group(*group).collect()),
            Self::Marked(Instance { token, leader, .. }) => {
                let group: Vec<Stat> = in_group(leader.pid).collect();
                let is_it = group.iter().any(|stat| stat.identity == *leader)
                    || !procfs::with_environment(&group, INSTANCE_VARIABLE, token, 1)?.is_empty();
                Ok(if is_it { group } else { Vec::new() })
            }
            Self::Carrying(token) => procfs::with_environment(&everyone, INSTANCE_VARIABLE, token, usize::MAX),
        }
    }

    /// The same, while others go on.
    pub async fn found(&self) -> Result<Vec<Stat>, GroupError> {
        let members = self.clone();
        Ok(beside(&LOOKS, move || members.living()).await.and_then(|found| found)?)
    }

    /// Who leads a group among them; the oldest, since a descendant can lead a group of its own.
    pub fn leader(&self) -> io::Result<Option<Identity>> {
        let leaders = self.living()?.into_iter().filter(|stat| stat.group == stat.identity.pid);
        Ok(leaders.map(|stat| stat.identity).min_by_key(|leader| leader.start))
    }

    /// Kills all of them, and returns when the last one is gone. It is waited for so long, and at least one look at who is left. One that
    /// must not be killed does not save the others.
    pub async fn kill(&self, patience: Duration) -> Result<(), GroupError> {
        let deadline = after(patience);
        self.kill_at_once();
        let mut in_time = true;
        // A process may fork between our look and our signal: look again until there is nobody.
        loop {
            let (mut held, mut first, mut refused) = (Vec::new(), None, None);
            for stat in self.found().await? {
                let Some(handle) = Handle::open(stat.identity)? else { continue };
                first.get_or_insert(stat.identity);
                match handle.signal(Signal::KILL) {
                    Ok(()) if held.len() < AT_ONCE => held.push(handle),
                    Ok(()) => {}
                    Err(error) => drop(refused.get_or_insert(error)),
                }
            }
            let Some(first) = first else { return Ok(()) };
            if !in_time {
                return Err(GroupError::Undying { pid: first.pid });
            }
            if timeout_at(deadline, all_ended(&held)).await.is_err() {
                let left = held.iter().map(|handle| handle.identity).find(|left| left.is_alive()).unwrap_or(first);
                return Err(GroupError::Undying { pid: left.pid });
            }
            if let Some(refused) = refused {
                return Err(refused);
            }
            in_time = Instant::now() < deadline;
        }
    }

    /// A group that is certainly meant, all of it in one instant: one that forks without end is not run after. What is left, or refused, is
    /// found by the look that follows.
    fn kill_at_once(&self) {
        if let Self::Of(leader) = self
            && let Some(group) = Pid::from_raw(*leader)
        {
            let _ = kill_process_group(group, Signal::KILL);
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

    /// Of some of them: whoever calls looks again until nobody is left.
    async fn handles(&self) -> Result<Vec<Handle>, GroupError> {
        let opened = self.found().await?.into_iter().map(|stat| Handle::open(stat.identity));
        opened.filter_map(Result::transpose).take(AT_ONCE).collect()
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
pub async fn ask_to_end(leader: RawPid) -> Result<(), GroupError> {
    for signal in [Signal::TERM, Signal::CONT] {
        match Pid::from_raw(leader).map_or(Err(rustix::io::Errno::INVAL), |group| kill_process_group(group, signal)) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(GroupError::Refused { pid: leader, source: error.into() }),
        }
        for stat in Members::Of(leader).found().await?.iter().filter(|stat| stat.group != leader) {
            Handle::open(stat.identity)?.map_or(Ok(()), |handle| handle.signal(signal))?;
        }
    }
    Ok(())
}

impl Stat {
    /// Whether it is in the group or in the session of this leader.
    pub(super) fn is_led_by(&self, leader: RawPid) -> bool {
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
            // Its number is a thread's by now, or a group has it whose leader is gone: what the kernel says of these differs by its version.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) if !identity.lives().map_err(GroupError::Unseen)? => {
                return Ok(None);
            }
            Err(error) => return Err(refused(error.into())),
        };
        let descriptor = watch(descriptor).map_err(refused)?;
        // Asked after the pidfd was opened: it is this very process that we hold.
        let found = procfs::stat(identity.pid).map_err(GroupError::Unseen)?;
        Ok(found.is_some_and(|stat| stat.identity == identity).then_some(Self { identity, descriptor }))
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
    use crate::shell::root::is_root;

    #[test]
    fn a_leader_that_hides_its_token_is_known_by_its_start() {
        let mut child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let leader = Identity::of(RawPid::try_from(child.id()).unwrap()).unwrap().unwrap();
        let members = |leader| Members::Marked(Instance { token: "not shown".to_owned(), leader, bound: false });
        let found: Vec<_> = members(leader).living().unwrap().iter().map(|stat| stat.identity).collect();
        let of_another = members(Identity { start: leader.start + 1, ..leader }).living().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found, [leader]);
        assert_eq!(of_another, [], "its number, and not it");
    }

    #[tokio::test]
    async fn a_process_whose_number_is_a_threads_by_now_is_gone() {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            tell.send(rustix::thread::gettid().as_raw_pid()).unwrap();
            ended.recv().unwrap_err();
        });
        let opened = Handle::open(Identity { pid: told.recv().unwrap(), start: 1 });
        drop(end);
        thread.join().unwrap();
        assert!(matches!(opened, Ok(None)), "{opened:?}");
    }

    /// The leader is root's, another member is not: who is that other one may kill only the latter.
    fn killed_by_another_user(leader: RawPid) -> Result<(), GroupError> {
        let kill = move || {
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(54321)).unwrap();
            let scheduler = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            scheduler.block_on(Members::Marked(instance(Identity::of(leader).unwrap().unwrap())).kill(Duration::from_secs(30)))
        };
        std::thread::spawn(kill).join().unwrap()
    }

    fn instance(leader: Identity) -> Instance {
        Instance { token: "not shown".to_owned(), leader, bound: false }
    }

    #[test]
    fn one_that_must_not_be_killed_does_not_save_the_others() {
        if !is_root("shell::runtime::process::group::tests::one_that_must_not_be_killed_does_not_save_the_others") {
            return;
        }
        let sleep = || {
            let mut sleep = Command::new("sleep");
            sleep.arg("1000").current_dir("/");
            sleep
        };
        let mut first = sleep().process_group(0).spawn().unwrap();
        let leader = RawPid::try_from(first.id()).unwrap();
        let mut second = sleep().process_group(leader).uid(54321).gid(54321).spawn().unwrap();
        let killed = killed_by_another_user(leader);
        let lives = second.try_wait().unwrap().is_none();
        for child in [&mut first, &mut second] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(matches!(killed, Err(GroupError::Refused { pid, .. }) if pid == leader), "{killed:?}");
        assert!(!lives, "the other one");
    }

    /// Whoever a look would find has a successor by then.
    #[tokio::test]
    async fn one_that_forks_without_end_is_not_run_after() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "f() { echo; f & }; f"]).process_group(0).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        // Ten generations.
        std::io::Read::read_exact(&mut output, &mut [0; 10]).unwrap();
        let members = Members::Of(RawPid::try_from(child.id()).unwrap());
        members.kill_at_once();
        let (ended, end) = std::sync::mpsc::channel();
        // All of them hold it.
        std::thread::spawn(move || ended.send(std::io::read_to_string(output)));
        let all_ended = end.recv_timeout(Duration::from_secs(10)).is_ok();
        let killed = members.kill(Duration::from_secs(30)).await;
        child.wait().unwrap();
        assert!(killed.is_ok() && all_ended, "{killed:?}");
    }
}
