//! What the kernel knows of a process beyond whether it lives: when it started, and how much memory it may have (`/proc`, cgroups(7)).

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use crate::shell::clock::wall;
use crate::shell::runtime::process::procfs::Identity;

/// Milliseconds of one tick in `/proc/PID/stat`: `USER_HZ` is 100 on everything that this runs on.
const TICK_MS: i64 = 10;

/// Where the first version of control groups writes no limit, it writes about this much.
const NO_LIMIT: u64 = 1 << 62;

/// When it started, of a process of this boot of the machine.
pub(super) fn started_at(process: Identity) -> Option<Timestamp> {
    started(&read_to_string("/proc/uptime").ok()?, process.start, wall())
}

fn started(uptime: &str, ticks: u64, now: Timestamp) -> Option<Timestamp> {
    let (seconds, hundredths) = uptime.split_ascii_whitespace().next()?.split_once('.')?;
    let up = seconds.parse::<i64>().ok()?.checked_mul(100)?.checked_add(hundredths.parse().ok()?)?;
    let age = up.checked_sub(i64::try_from(ticks).ok()?)?.max(0);
    now.checked_sub(SignedDuration::from_millis(age.checked_mul(TICK_MS)?)).ok()
}

/// The least of what its control group and those around it may have; `None`: there is no limit. Of one that has ended nobody knows the group:
/// it was started in ours, as the next one will be.
pub(super) fn memory_limit(alive: Option<i64>) -> Option<u64> {
    let who = alive.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    least(&read_to_string(format!("/proc/{who}/cgroup")).ok()?, |path| read_to_string(path).ok())
}

/// Of the lines `number:controllers:path`, those that limit memory, in the first version of control groups and in the second.
fn least(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let files = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next()?, parts.next()?);
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|it| it == "memory") => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => return None,
        };
        // What is above our own namespace cannot be seen.
        (!group.contains("..")).then(|| (root, file, group.trim_start_matches('/')))
    });
    let around = files.flat_map(|(root, file, group)| {
        Path::new(group).ancestors().map(move |at| Path::new(root).join(at).join(file)).collect::<Vec<PathBuf>>()
    });
    let limits = around.filter_map(|path| read(&path)?.trim().parse().ok());
    limits.filter(|bytes| *bytes < NO_LIMIT).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_counted_from_that_of_the_machine() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a timestamp");
        let at = |uptime: &str, ticks: u64| started(uptime, ticks, now).map(|at| at.to_string());
        assert_eq!(at("100.25 7.00\n", 2_500).as_deref(), Some("2026-01-02T03:02:49.75Z"));
        assert_eq!(at("100.25 7.00\n", 20_000).as_deref(), Some("2026-01-02T03:04:05Z"), "not in the future");
        assert_eq!(at("nonsense", 1), None);
    }

    #[test]
    fn the_least_limit_around_a_process_counts() {
        let files = [
            ("/sys/fs/cgroup/a.slice/b/memory.max", "max\n"),
            ("/sys/fs/cgroup/a.slice/memory.max", "67108864\n"),
            ("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n"),
        ];
        let read = |path: &Path| files.iter().find(|(at, _)| Path::new(at) == path).map(|(_, text)| (*text).to_owned());
        assert_eq!(least("0::/a.slice/b\n", read), Some(64 << 20));
        assert_eq!(least("4:cpu,memory:/x\n0::/\n", read), Some(128 << 20));
        assert_eq!(least("4:cpu:/x\n0::/../a.slice\n0::/c\n", read), None);
    }
}
