//! What the kernel says about processes (`/proc`, proc(5)).
//!
//! It only looks. Whoever acts on what it found holds a pidfd, since a pid can be given to another process meanwhile.

use std::time::Duration;
use std::{fs, io, thread};

use rustix::process::{Pid, RawPid};
use serde::{Deserialize, Serialize};

/// A process, told apart from a later one that was given the same pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: RawPid,
    /// When it started, in clock ticks since the machine did (field 22 of `/proc/PID/stat`).
    pub start: u64,
}

/// A line of `/proc/PID/stat`, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Which process.
    pub identity: Identity,
    /// Who started it, or whoever it was left to.
    pub parent: RawPid,
    /// Its process group.
    pub group: RawPid,
    /// Its session.
    pub session: RawPid,
    /// False for what has ended and only waits to be reaped.
    pub alive: bool,
}

impl Identity {
    /// Looks a live process up. `None` when there is none.
    pub fn of(pid: RawPid) -> Option<Self> {
        stat(pid).filter(|stat| stat.alive).map(|stat| stat.identity)
    }

    /// Whether this very process lives.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// The pid as system calls want it.
    pub fn pid(self) -> io::Result<Pid> {
        Pid::from_raw(self.pid).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
    }
}

/// One process; `None` when it is gone.
pub fn stat(pid: RawPid) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Every process that lives.
pub fn everyone() -> Vec<Stat> {
    all().filter(|stat| stat.alive).collect()
}

/// Children of ours that have ended and were not reaped.
pub fn ended_children() -> Vec<Identity> {
    let ourselves = RawPid::try_from(std::process::id()).unwrap_or_default();
    all().filter(|stat| !stat.alive && stat.parent == ourselves).map(|stat| stat.identity).collect()
}

fn all() -> impl Iterator<Item = Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter_map(stat)
}

/// What it is called: the first fifteen bytes of its program's name.
pub fn name(pid: RawPid) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// Whether `variable=value` is in the environment that a process was started with.
/// False as well when we may not read it.
pub fn has_environment(pid: RawPid, variable: &str, value: &str) -> bool {
    environment(pid).is_some_and(|environment| holds(&environment, variable, value))
}

/// The same at a single look: one that is just being executed is missed.
pub fn shows_environment(pid: RawPid, variable: &str, value: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| holds(&environment, variable, value))
}

fn holds(environment: &[u8], variable: &str, value: &str) -> bool {
    let wanted = format!("{variable}={value}");
    environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
}

/// The environment that a process was started with. A process that is just being executed shows an empty one for a
/// moment: it is looked at again, for a tenth of a second at most.
fn environment(pid: RawPid) -> Option<Vec<u8>> {
    const LOOKS: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(5);
    for _ in 1..LOOKS {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        if !environment.is_empty() || is_kernel_thread(pid)? {
            return Some(environment);
        }
        thread::park_timeout(PAUSE);
    }
    fs::read(format!("/proc/{pid}/environ")).ok()
}

/// Kernel threads have no environment at all.
fn is_kernel_thread(pid: RawPid) -> Option<bool> {
    /// `PF_KTHREAD` of the kernel's `sched.h`.
    const KERNEL_THREAD: u64 = 0x0020_0000;
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let flags: u64 = line.rsplit_once(')')?.1.split_whitespace().nth(6)?.parse().ok()?;
    Some(flags & KERNEL_THREAD != 0)
}

/// Names this boot of the machine: pids and start times mean nothing beyond it.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// The command's name stands in parentheses and may hold anything, parentheses too: fields are counted after the last one.
fn parse(line: &str) -> Option<Stat> {
    let (head, tail) = line.rsplit_once(')')?;
    let pid = head.split_once(' ')?.0.parse().ok()?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let alive = !matches!(*fields.first()?, "Z" | "X" | "x");
    let number = |at: usize| fields.get(at)?.parse().ok();
    let identity = Identity { pid, start: fields.get(19)?.parse().ok()? };
    Some(Stat { identity, parent: number(1)?, group: number(2)?, session: number(3)?, alive })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) S (b) Z 1 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 0 0";
        let identity = Identity { pid: 42, start: 987_654 };
        assert_eq!(parse(line), Some(Stat { identity, parent: 1, group: 40, session: 39, alive: false }));
        assert_eq!(parse(&line.replace(") Z", ") S")).map(|stat| stat.alive), Some(true));
        assert_eq!(parse("42 (cut"), None);
    }

    #[test]
    fn we_find_ourselves() {
        let pid = RawPid::try_from(std::process::id()).unwrap();
        let ourselves = Identity::of(pid).unwrap();
        assert!(ourselves.is_alive());
        assert!(!Identity { start: ourselves.start + 1, ..ourselves }.is_alive());
        assert!(everyone().iter().any(|stat| stat.identity == ourselves));
        let (variable, value) = std::env::vars().find(|(_, value)| !value.is_empty()).unwrap();
        assert!(has_environment(pid, &variable, &value));
        assert!(!has_environment(pid, "MCP_HEALTH_INSTANCE", "nobody"));
        assert!(!boot_id().is_empty());
    }
}
