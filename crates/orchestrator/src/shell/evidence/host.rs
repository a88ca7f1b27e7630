//! How busy this machine is, as far as its kernel tells: `/proc`, and the file system of the state directory.

use std::fs::read_to_string;
use std::path::Path;

use health_spec::incident::{HostLoad, Pressure};

/// Looks. Blocks for as long as the kernel takes to answer, which is no time; what it does not tell is `None`.
pub(super) fn load(state_directory: &Path) -> HostLoad {
    let (memory, virtual_memory) = (text("/proc/meminfo"), text("/proc/vmstat"));
    let disk = rustix::fs::statvfs(state_directory).ok();
    let disk = disk.as_ref();
    HostLoad {
        load: averages(&text("/proc/loadavg")),
        processors: std::thread::available_parallelism().ok().map(|count| count.get() as u64),
        memory_bytes: kibibytes(&memory, "MemTotal:"),
        memory_available_bytes: kibibytes(&memory, "MemAvailable:"),
        pressure: pressure(),
        oom_kills: number(&virtual_memory, "oom_kill"),
        disk_free_bytes: disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        disk_bytes: disk.map(|disk| disk.f_blocks.saturating_mul(disk.f_frsize)),
    }
}

fn text(path: &str) -> String {
    read_to_string(path).unwrap_or_default()
}

fn averages(text: &str) -> Option<[f64; 3]> {
    let mut words = text.split_ascii_whitespace().map(str::parse);
    let mut next = || words.next()?.ok();
    Some([next()?, next()?, next()?])
}

/// The number after a name at the beginning of a line.
fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next()? == name).then(|| words.next()?.parse().ok())?
    })
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    number(text, name)?.checked_mul(1024)
}

/// Kernels may be built without it.
fn pressure() -> Option<Pressure> {
    let of = |what: &str| some_of_ten_seconds(&text(&format!("/proc/pressure/{what}")));
    let pressure = Pressure { cpu: of("cpu"), memory: of("memory"), io: of("io") };
    (pressure != Pressure::default()).then_some(pressure)
}

fn some_of_ten_seconds(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    line.split_ascii_whitespace().find_map(|word| word.strip_prefix("avg10=")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read() {
        assert_eq!(averages("0.50 1.25 2.00 1/234 5678\n"), Some([0.5, 1.25, 2.0]));
        assert_eq!(averages("nonsense"), None);
        assert_eq!(kibibytes("MemTotal:       2048 kB\nMemAvailable: 1024 kB\n", "MemAvailable:"), Some(1_048_576));
        assert_eq!(number("pgfault 7\noom_kill 3\noom_killer 9\n", "oom_kill"), Some(3));
        let pressure = "some avg10=1.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=9.00 avg60=0 avg300=0 total=0\n";
        assert_eq!(some_of_ten_seconds(pressure), Some(1.5));
        assert_eq!(some_of_ten_seconds(""), None);
    }

    #[test]
    fn this_machine_has_memory_and_a_disk() {
        let load = load(Path::new("/"));
        assert!(load.memory_bytes > Some(0) && load.disk_bytes > Some(0) && load.load.is_some(), "{load:?}");
    }
}
