//! File descriptors: as many as the configuration can need, or a word about it before they run out.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::probe::Target;

/// Log, database, listeners, API and stream clients.
const OWN: u64 = 128;

/// Pipes, handles and the log of a child.
const PER_CHILD: u64 = 4;

/// What can be open at once when every check hangs.
pub fn needed<'a>(targets: impl Iterator<Item = &'a Target>, children: usize) -> u64 {
    let count = |many: usize| u64::try_from(many).unwrap_or(u64::MAX);
    let looks: u64 = targets.map(|target| count(target.looks.len())).sum();
    looks.saturating_add(PER_CHILD.saturating_mul(count(children))).saturating_add(OWN)
}

/// Raises our soft limit to what is needed, as far as the hard one allows; never lowers it. What is wrong, when that is not enough.
///
/// Not further than needed: children inherit it, and old programs cannot use high numbers.
pub fn provide(needed: u64) -> Option<String> {
    let before = getrlimit(Resource::Nofile);
    if before.current.is_none_or(|current| current >= needed) {
        return None;
    }
    let wanted = before.maximum.map_or(needed, |maximum| needed.min(maximum));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..before });
    let reached = if raised.is_ok() { wanted } else { before.current.unwrap_or(wanted) };
    short(needed, reached)
}

fn short(needed: u64, reached: u64) -> Option<String> {
    (reached < needed).then(|| {
        format!(
            "the configuration can need {needed} file descriptors, and only {reached} are allowed: raise the hard limit \
             (LimitNOFILE={needed} of a systemd unit, --ulimit nofile={needed} of a container)"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::probe::Look;

    #[test]
    fn every_probe_and_every_child_counts() {
        let target = |looks: usize| Target { looks: vec![Look::Process; looks].into(), trace_id: None };
        assert_eq!(needed([target(1), target(3)].iter(), 2), OWN + 4 + 8);
    }

    #[test]
    fn what_is_not_enough_is_said() {
        assert_eq!(short(100, 100), None);
        let said = short(10_128, 1_024).expect("a word");
        assert!(said.contains("10128 file descriptors, and only 1024"), "{said}");
    }

    #[test]
    fn enough_is_left_alone() {
        let before = getrlimit(Resource::Nofile);
        assert_eq!(provide(1), None);
        assert_eq!(getrlimit(Resource::Nofile), before);
    }
}
