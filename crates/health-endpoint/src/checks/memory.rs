//! Whether a process stays below its memory limit. It frees nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::bytes;
use crate::{Check, CheckError, CheckResult};

/// Where control groups are.
const CGROUPS: &str = "/sys/fs/cgroup";
/// From this share of the limit on it is a warning. The kernel kills at the limit itself, without one.
const WARN_PERCENT: u64 = 90;

/// `degraded` from 90 % of a memory limit on, and `down` at the limit: a leak is what a restart does help against.
///
/// ```
/// use health_endpoint::{Health, checks::MemoryLimit};
///
/// let health = Health::builder("my-server").check("memory", MemoryLimit::of_process(512 << 20)).build();
/// ```
///
/// Linux only.
#[derive(Clone, Debug)]
pub struct MemoryLimit {
    limit: Limit,
}

#[derive(Clone, Debug)]
enum Limit {
    Process(u64),
    Container(PathBuf),
}

impl MemoryLimit {
    /// Holds the resident memory of this process, without its children, to so many bytes.
    pub fn of_process(bytes: u64) -> Self {
        Self { limit: Limit::Process(bytes) }
    }

    /// Holds the container, with every process in it, to the limit that it was started with (`docker run --memory`,
    /// `resources.limits.memory`, `MemoryMax=`). Files that are merely cached do not count.
    ///
    /// Without a limit, and where control groups of version 2 are missing, it is `ok`.
    pub fn of_container() -> Self {
        Self { limit: Limit::Container(own_cgroup().unwrap_or_else(|_| CGROUPS.into())) }
    }

    fn read(&self) -> io::Result<Option<(u64, u64)>> {
        match &self.limit {
            Limit::Process(limit) => Ok(Some((resident(&fs::read_to_string("/proc/self/status")?)?, *limit))),
            Limit::Container(cgroup) => container(cgroup),
        }
    }
}

impl Check for MemoryLimit {
    // A few files that the kernel makes up in memory: no wait is worth a thread.
    async fn check(&self) -> CheckResult {
        match self.read()? {
            Some((used, limit)) => judge(used, limit),
            None => Ok(()),
        }
    }
}

fn judge(used: u64, limit: u64) -> CheckResult {
    let reason = || format!("{} of {} in use", bytes(used), bytes(limit));
    if used >= limit {
        Err(CheckError::down(reason()))
    } else if used >= limit / 100 * WARN_PERCENT {
        Err(CheckError::degraded(reason()))
    } else {
        Ok(())
    }
}

/// `VmRSS:     1234 kB`.
fn resident(status: &str) -> io::Result<u64> {
    let number = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    number.map(|kib| kib * 1024).ok_or_else(|| io::Error::other("no VmRSS in /proc/self/status"))
}

/// The one line of version 2: `0::/system.slice/my-server.service`.
fn own_cgroup() -> io::Result<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup")?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    Ok(Path::new(CGROUPS).join(path))
}

/// Memory in use, and the limit of the group or of one above it, whichever is tighter.
fn container(cgroup: &Path) -> io::Result<Option<(u64, u64)>> {
    let groups = cgroup.ancestors().take_while(|group| group.starts_with(CGROUPS) || *group == cgroup);
    let limited = groups.filter_map(|group| Some((group, number(&group.join("memory.max"))?)));
    let Some((group, limit)) = limited.min_by_key(|(_, limit)| *limit) else { return Ok(None) };
    let statistics = fs::read_to_string(group.join("memory.stat"))?;
    let cached = statistics.lines().find_map(|line| line.strip_prefix("inactive_file ")?.parse().ok()).unwrap_or(0);
    let used = number(&group.join("memory.current")).unwrap_or(0);
    Ok(Some((used.saturating_sub(cached), limit)))
}

/// None for `max`, and for a file that is not there.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use health_spec::Status;

    use super::*;

    #[test]
    fn close_to_the_limit_is_a_warning_and_at_it_is_the_end() {
        let (mib, limit) = (1 << 20, 100 << 20);
        assert_eq!(judge(89 * mib, limit), Ok(()));
        assert_eq!(judge(90 * mib, limit), Err(CheckError::degraded("90.0 MiB of 100.0 MiB in use")));
        assert_eq!(judge(limit, limit), Err(CheckError::down("100.0 MiB of 100.0 MiB in use")));
    }

    #[tokio::test]
    async fn this_process_uses_some_memory() {
        assert_eq!(MemoryLimit::of_process(1 << 50).check().await, Ok(()));
        assert_eq!(MemoryLimit::of_process(1).check().await.unwrap_err().status(), Status::Down);
    }

    #[test]
    fn a_container_is_held_to_its_own_limit_without_its_caches() {
        let group = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| fs::write(group.path().join(name), content).unwrap();
        assert_eq!(container(group.path()).unwrap(), None, "no control group");
        write("memory.max", "max\n");
        assert_eq!(container(group.path()).unwrap(), None, "no limit");
        write("memory.max", "1000\n");
        write("memory.current", "700\n");
        write("memory.stat", "anon 400\ninactive_file 300\n");
        assert_eq!(container(group.path()).unwrap(), Some((400, 1000)));
    }

    #[tokio::test]
    async fn the_real_group_can_be_read_or_is_not_there() {
        assert_ne!(MemoryLimit::of_container().check().await.map_err(|error| error.status()), Err(Status::Down));
    }
}
