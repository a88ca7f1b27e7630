//! Processes seen from outside: `/proc` and signals.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal};

/// Sends a signal; a process that is gone is no error.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _gone = rustix::process::kill_process(pid, signal);
    }
}

/// Every process whose command line starts with `program` and has `argument` among its words.
pub(crate) fn find(program: &Path, argument: &str) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| is_call_of(&line, program, argument))).collect()
}

fn is_call_of(line: &[u8], program: &Path, argument: &str) -> bool {
    let mut words = line.split(|byte| *byte == 0);
    words.next() == Some(program.as_os_str().as_encoded_bytes()) && words.any(|word| word == argument.as_bytes())
}

/// User and system time so far, of all threads, also of those that ended.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    let ticks = cpu_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    Some(Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second()).ok()?)
}

/// Fields 14 and 15; the second field is a name in parentheses that may hold blanks.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_name, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// Resident memory in bytes.
pub(crate) fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?;
    Some(kib.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_past_a_name_with_blanks_and_parentheses() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 7 5 0 0 20 0 1 0 100 0 0";
        assert_eq!(cpu_ticks(stat), Some(12));
    }

    #[test]
    fn a_call_is_known_by_program_and_argument() {
        let line = b"/x/sample-server\0--listen\x00127.0.0.1:9\0";
        assert!(is_call_of(line, Path::new("/x/sample-server"), "127.0.0.1:9"));
        assert!(!is_call_of(line, Path::new("/x/sample-server"), "127.0.0.1:90"));
        assert!(!is_call_of(line, Path::new("/y/sample-server"), "127.0.0.1:9"));
    }

    #[test]
    fn this_very_process_has_time_and_memory() {
        assert!(cpu_time(std::process::id()).is_some());
        assert!(resident(std::process::id()).is_some_and(|bytes| bytes > 0));
    }
}
