//! What the kernel says about processes (`/proc`, proc(5)).
//!
//! It only looks. Whoever acts on what it found holds a pidfd, since a pid can be given to another process meanwhile.

use std::time::Duration;
use std::{fs, io, thread};

use jiff::{SignedDuration, Timestamp};
use rustix::process::{Pid, RawPid};
use serde::{Deserialize, Serialize};

use crate::shell::clock::wall;

/// Milliseconds of one tick in `/proc/PID/stat`: `USER_HZ` is 100 on everything that this runs on.
const TICK_MS: i64 = 10;

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
    /// False for what has ended, with all its threads, and only waits to be reaped.
    pub alive: bool,
}

impl Identity {
    /// Looks a live process up. `None` when there is none.
    pub fn of(pid: RawPid) -> io::Result<Option<Self>> {
        Ok(stat(pid)?.filter(|stat| stat.alive).map(|stat| stat.identity))
    }

    /// Whether this very process lives.
    pub fn lives(self) -> io::Result<bool> {
        Ok(Self::of(self.pid)? == Some(self))
    }

    /// The same, where one that cannot be looked at is to be taken for alive.
    pub fn is_alive(self) -> bool {
        self.lives().unwrap_or(true)
    }

    /// When it started, of a process of this boot of the machine.
    pub fn started_at(self) -> Option<Timestamp> {
        started(&fs::read_to_string("/proc/uptime").ok()?, self.start, wall())
    }

    /// The pid as system calls want it.
    pub fn pid(self) -> io::Result<Pid> {
        Pid::from_raw(self.pid).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
    }
}

fn started(uptime: &str, ticks: u64, now: Timestamp) -> Option<Timestamp> {
    let (seconds, hundredths) = uptime.split_ascii_whitespace().next()?.split_once('.')?;
    let up = seconds.parse::<i64>().ok()?.checked_mul(100)?.checked_add(hundredths.parse().ok()?)?;
    let age = up.checked_sub(i64::try_from(ticks).ok()?)?.max(0);
    now.checked_sub(SignedDuration::from_millis(age.checked_mul(TICK_MS)?)).ok()
}

/// What is gone is nothing. Whatever else keeps us from looking (no descriptor left, no memory) says nothing about who is there.
fn there<T>(looked: io::Result<T>) -> io::Result<Option<T>> {
    let gone = |error: &io::Error| {
        error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
    };
    match looked {
        Ok(seen) => Ok(Some(seen)),
        Err(error) if gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// One process; `None` when it is gone.
pub fn stat(pid: RawPid) -> io::Result<Option<Stat>> {
    let Some(line) = line(pid)? else { return Ok(None) };
    parse(&line)
        .map(Some)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat is not understood")))
}

/// A name in it may be any bytes.
fn line(pid: RawPid) -> io::Result<Option<String>> {
    Ok(there(fs::read(format!("/proc/{pid}/stat")))?.map(|line| String::from_utf8_lossy(&line).into_owned()))
}

/// Whether processes can be looked at: we are one.
pub fn look() -> io::Result<()> {
    stat(ourselves())?.map(|_| ()).ok_or_else(unseen)
}

fn ourselves() -> RawPid {
    RawPid::try_from(std::process::id()).unwrap_or_default()
}

fn unseen() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "/proc does not show this process")
}

/// Every process that lives.
pub fn everyone() -> io::Result<Vec<Stat>> {
    Ok(all()?.into_iter().filter(|stat| stat.alive).collect())
}

/// Children of ours that have ended and were not reaped, as far as can be seen.
pub fn ended_children() -> Vec<Identity> {
    let ourselves = ourselves();
    let ended = all().unwrap_or_default().into_iter().filter(|stat| !stat.alive && stat.parent == ourselves);
    ended.map(|stat| stat.identity).collect()
}

fn all() -> io::Result<Vec<Stat>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        match stat(pid) {
            // Somebody else's, where those are hidden (`hidepid`).
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            looked => all.extend(looked?),
        }
    }
    // Where nobody is seen, that says nothing about who is there.
    let ourselves = ourselves();
    if all.iter().any(|stat| stat.identity.pid == ourselves) { Ok(all) } else { Err(unseen()) }
}

/// What it is called: the first fifteen bytes of its program's name.
pub fn name(pid: RawPid) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(&name).trim().to_owned()
}

/// Who of these was started with `variable=value` in its environment, as far as that is for us to read; no more than `enough` need be found.
pub fn with_environment(among: &[Stat], variable: &str, value: &str, enough: usize) -> io::Result<Vec<Stat>> {
    let pids = among.iter().map(|stat| stat.identity.pid).collect();
    let found = holders(pids, enough, |pid| look_for(pid, variable, value), || thread::park_timeout(PAUSE))?;
    Ok(among.iter().filter(|stat| found.contains(&stat.identity.pid)).copied().collect())
}

/// Whether it has it, at a single look: one that is just being executed is missed, and one that cannot be looked at.
pub fn shows_environment(pid: RawPid, variable: &str, value: &str) -> bool {
    shown(pid).is_ok_and(|environment| environment.is_some_and(|environment| holds(&environment, variable, value)))
}

fn holds(environment: &[u8], variable: &str, value: &str) -> bool {
    let wanted = format!("{variable}={value}");
    environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
}

/// So often one is looked at that shows nothing.
const LOOKS: u32 = 20;

/// So long after the last time.
const PAUSE: Duration = Duration::from_millis(5);

/// What an environment says of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    /// It holds what was looked for.
    It,
    /// It does not, or nobody is there, or it is not for us to read.
    Another,
    /// Nothing, as yet.
    Nothing,
}

fn look_for(pid: RawPid, variable: &str, value: &str) -> io::Result<Shows> {
    let environment = match shown(pid) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(Shows::Another),
        looked => looked?,
    };
    Ok(match environment {
        Some(environment) if holds(&environment, variable, value) => Shows::It,
        Some(environment) if environment.is_empty() && !is_kernel_thread(pid)? => Shows::Nothing,
        _ => Shows::Another,
    })
}

/// A process that is just being executed shows an empty environment for a moment: it is looked at again, for a tenth of a second at most. All
/// that show none are looked at together, since some never have one.
fn holders(
    pids: Vec<RawPid>,
    enough: usize,
    look: impl Fn(RawPid) -> io::Result<Shows>,
    mut pause: impl FnMut(),
) -> io::Result<Vec<RawPid>> {
    let (mut found, mut unsure) = (Vec::new(), pids);
    for at in 0..LOOKS {
        if at > 0 {
            pause();
        }
        for pid in std::mem::take(&mut unsure) {
            match look(pid)? {
                Shows::It => found.push(pid),
                Shows::Another => {}
                Shows::Nothing => unsure.push(pid),
            }
            if found.len() >= enough {
                return Ok(found);
            }
        }
        if unsure.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// A process whose first thread has ended before the others shows nothing any more; they do.
fn shown(pid: RawPid) -> io::Result<Option<Vec<u8>>> {
    match there(fs::read(format!("/proc/{pid}/environ")))? {
        Some(environment) if !environment.is_empty() => Ok(Some(environment)),
        nothing => Ok(shown_by_a_thread(pid)?.or(nothing)),
    }
}

fn shown_by_a_thread(pid: RawPid) -> io::Result<Option<Vec<u8>>> {
    let Some(threads) = there(fs::read_dir(format!("/proc/{pid}/task")))? else { return Ok(None) };
    for thread in threads {
        let Some(thread) = there(thread)? else { continue };
        let environment = there(fs::read(thread.path().join("environ")))?.filter(|environment| !environment.is_empty());
        if environment.is_some() {
            return Ok(environment);
        }
    }
    Ok(None)
}

/// Kernel threads have no environment at all.
fn is_kernel_thread(pid: RawPid) -> io::Result<bool> {
    /// `PF_KTHREAD` of the kernel's `sched.h`.
    const KERNEL_THREAD: u64 = 0x0020_0000;
    let flags = |line: String| line.rsplit_once(')')?.1.split_whitespace().nth(6)?.parse::<u64>().ok();
    Ok(line(pid)?.and_then(flags).is_some_and(|flags| flags & KERNEL_THREAD != 0))
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
    let number = |at: usize| fields.get(at)?.parse().ok();
    let alive = match *fields.first()? {
        "X" | "x" => false,
        // Its first thread has ended (`pthread_exit`); it goes on as long as it has others.
        "Z" => number(17)? > 1,
        _ => true,
    };
    let identity = Identity { pid, start: fields.get(19)?.parse().ok()? };
    Some(Stat { identity, parent: number(1)?, group: number(2)?, session: number(3)?, alive })
}

#[cfg(test)]
mod tests {
    use rustix::process::{Resource, Rlimit};

    use super::*;
    use crate::shell::root::is_alone;

    #[test]
    fn a_start_is_counted_from_that_of_the_machine() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a timestamp");
        let at = |uptime: &str, ticks: u64| started(uptime, ticks, now).map(|at| at.to_string());
        assert_eq!(at("100.25 7.00\n", 2_500).as_deref(), Some("2026-01-02T03:02:49.75Z"));
        assert_eq!(at("100.25 7.00\n", 20_000).as_deref(), Some("2026-01-02T03:04:05Z"), "not in the future");
        assert_eq!(at("nonsense", 1), None);
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) S (b) Z 1 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 0 0";
        let identity = Identity { pid: 42, start: 987_654 };
        assert_eq!(parse(line), Some(Stat { identity, parent: 1, group: 40, session: 39, alive: false }));
        assert_eq!(parse(&line.replace(") Z", ") S")).map(|stat| stat.alive), Some(true));
        assert_eq!(parse(&line.replace(" 20 0 1 ", " 20 0 2 ")).map(|stat| stat.alive), Some(true), "one thread goes on");
        assert_eq!(parse("42 (cut"), None);
    }

    #[test]
    fn we_find_ourselves() {
        let pid = RawPid::try_from(std::process::id()).unwrap();
        let ourselves = Identity::of(pid).unwrap().unwrap();
        assert!(ourselves.is_alive());
        assert!(!Identity { start: ourselves.start + 1, ..ourselves }.is_alive());
        let ours: Vec<_> = everyone().unwrap().into_iter().filter(|stat| stat.identity == ourselves).collect();
        let (variable, value) = std::env::vars().find(|(_, value)| !value.is_empty()).unwrap();
        assert_eq!(with_environment(&ours, &variable, &value, 1).unwrap(), ours);
        assert_eq!(with_environment(&ours, "MCP_HEALTH_INSTANCE", "nobody", 1).unwrap(), []);
        assert!(!boot_id().is_empty());
    }

    /// Fifty that never show one, and one that shows it at the third look.
    #[test]
    fn those_that_show_no_environment_are_looked_at_together() {
        let (looks, mut pauses) = (std::cell::RefCell::new(Vec::new()), 0);
        let look = |pid| {
            looks.borrow_mut().push(pid);
            let before = looks.borrow().iter().filter(|looked| **looked == pid).count();
            Ok(if pid == 51 && before > 2 { Shows::It } else { Shows::Nothing })
        };
        assert_eq!(holders((1..=51).collect(), usize::MAX, look, || pauses += 1).unwrap(), [51]);
        assert_eq!(pauses, LOOKS - 1, "one pause for all of them");
        assert_eq!(looks.take().iter().filter(|pid| **pid == 7).count(), LOOKS as usize);
    }

    #[test]
    fn whoever_cannot_look_does_not_say_that_nobody_is_there() {
        // What it uses up, others would lack.
        if !is_alone("shell::runtime::process::procfs::tests::whoever_cannot_look_does_not_say_that_nobody_is_there") {
            return;
        }
        let ourselves = Identity::of(RawPid::try_from(std::process::id()).unwrap()).unwrap().unwrap();
        let us = stat(ourselves.pid).unwrap().unwrap();
        let before = rustix::process::getrlimit(Resource::Nofile);
        rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..before }).unwrap();
        let taken: Vec<_> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
        let looks = [
            stat(ourselves.pid).map(drop),
            ourselves.lives().map(drop),
            everyone().map(drop),
            with_environment(&[us], "A", "B", 1).map(drop),
        ];
        let is_alive = ourselves.is_alive();
        drop(taken);
        assert!(looks.iter().all(Result::is_err) && is_alive, "{looks:?}");
        assert_eq!(stat(RawPid::MAX).unwrap(), None, "nobody is there");
    }
}
