//! How much memory a process may have (`/proc`, cgroups(7)).

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Where the first version of control groups writes no limit, it writes about this much.
const NO_LIMIT: u64 = 1 << 62;

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
