//! What is known of one server beside the machine.
//!
//! A server that is checked elsewhere, or asked something else, begins anew: that it was read well there says nothing about here.

use std::time::Duration;

use health_spec::verdict::History;
use health_spec::view::LastCheck;
use health_spec::{EventKind, Status};

use crate::machine::{Happened, Mono};
use crate::shell::probe::aim::Aim;
use crate::shell::text::ending::ending;

/// What is known of one server beside the machine.
#[derive(Clone, Debug, Default)]
pub struct ServerFile {
    /// The registry's group.
    pub group: Option<String>,
    /// What earlier answers have taught.
    pub history: History,
    /// The last check.
    pub last_check: Option<LastCheck>,
    /// Where checks look.
    pub aim: Aim,
    /// Since when they look elsewhere than before, if they have.
    pub aimed_at: Option<Mono>,
    /// Why it could not be looked at, until a check of it has ended again.
    pub blind: Option<Box<str>>,
    /// When and how its process or container ended last, until it is well again.
    pub end: Option<Box<(Mono, String)>>,
}

impl ServerFile {
    /// Something has happened to it.
    pub fn hear(&mut self, happened: &Happened) {
        match &happened.kind {
            EventKind::MonitorImpaired { reason, error } if reason == "probe" => self.blind = Some(error.as_str().into()),
            EventKind::ContainerDied { exit_code, signal, oom_killed, error, .. } => {
                let how = ending(*exit_code, *signal, *oom_killed, error.as_deref());
                self.end = Some(Box::new((happened.at, how)));
            }
            EventKind::HealthCheckCompleted { status, .. } => {
                self.blind = None;
                if *status != Status::Down {
                    self.end = None;
                }
            }
            _ => {}
        }
    }

    /// Checked so from now on. A container that was recreated has another address and is the same server: unless the files say where it is
    /// (`is_written`), only what it is asked counts.
    pub fn aim(&mut self, aim: Aim, is_written: bool, now: Mono) {
        let is_same = if is_written { aim == self.aim } else { aim.asks == self.aim.asks };
        // What an older program has left does not say where it looked.
        if !is_same && self.aim != Aim::default() {
            self.history = History::default();
            self.aimed_at = Some(now);
        }
        self.aim = aim;
    }

    /// Whether a check that took so long began before that: what it found says nothing about here either.
    pub fn was_elsewhere(&self, took: Duration, now: Mono) -> bool {
        self.aimed_at.is_some_and(|at| now.since(at) < took)
    }
}

#[cfg(test)]
mod tests {
    use health_spec::Dialect;
    use health_spec::registry::Depth;

    use super::*;
    use crate::shell::probe::address::Address;
    use crate::shell::probe::http::HttpTarget;
    use crate::shell::probe::mcp::{Channel, McpTarget};
    use crate::shell::probe::{Look, Target};

    fn http(url: &str) -> HttpTarget {
        HttpTarget::new(Address::parse(url).expect("an address"))
    }

    fn mcp(url: &str, depth: Depth) -> Aim {
        let target = McpTarget::new(Channel::Http(Box::new(http(url))), depth, None);
        Target { looks: [Look::Mcp(Box::new(target))].into(), trace_id: None }.aim()
    }

    fn remembers(first: &Aim, then: Aim, is_written: bool) -> bool {
        let history = History { spoke: Some(Dialect::V1), ..History::default() };
        let mut file = ServerFile { history, ..ServerFile::default() };
        file.aim(first.clone(), true, Mono::default());
        assert!(file.history.spoke.is_some(), "nobody knew where it was checked before");
        let now = Mono(Duration::from_secs(9));
        file.aim(then, is_written, now);
        assert_eq!(file.was_elsewhere(Duration::from_secs(1), now), file.history.spoke.is_none(), "it was under way");
        assert!(!file.was_elsewhere(Duration::from_secs(1), now.after(Duration::from_secs(1))));
        file.history.spoke.is_some()
    }

    #[test]
    fn what_was_learnt_elsewhere_is_forgotten() {
        let aim = |url: &str| Target::http(http(url)).aim();
        let first = aim("http://127.0.0.1:81/health");
        assert!(remembers(&first, aim("http://127.0.0.1:81/health"), true));
        assert!(!remembers(&first, aim("http://127.0.0.1:81/wrong"), true));
        assert!(!remembers(&first, aim("http://127.0.0.1:82/health"), true));
        assert!(remembers(&first, aim("http://127.0.0.1:82/health"), false), "a container that came back elsewhere");
        assert!(!remembers(&first, aim("http://127.0.0.1:82/wrong"), false));
        assert!(!remembers(&first, mcp("http://127.0.0.1:81/health", Depth::List), true));
        let list = mcp("http://127.0.0.1:81/mcp", Depth::List);
        assert!(remembers(&list, mcp("http://127.0.0.1:81/mcp", Depth::List), true));
        assert!(!remembers(&list, mcp("http://127.0.0.1:81/mcp", Depth::Discover), true));
    }

    /// Invariant: an end is told until it is well again, and what is in the way of checks until one has been made.
    #[test]
    fn what_has_happened_to_it_is_kept_while_it_counts() {
        let mut file = ServerFile::default();
        let happened = |kind| Happened { at: Mono(Duration::from_secs(9)), server: None, kind, moment: None, phase: None, incident: None };
        let checked = |status| {
            happened(EventKind::HealthCheckCompleted { status, response_time_ms: 1, checks: [].into(), failure: None })
        };
        let impaired = |reason: &str| happened(EventKind::MonitorImpaired { reason: reason.into(), error: "t".into() });
        let (exit_code, signal, error) = (Some(3), None, None);
        file.hear(&happened(EventKind::ContainerDied { exit_code, signal, oom_killed: false, core_dumped: false, error }));
        file.hear(&impaired("recreate"));
        assert_eq!(file.blind, None);
        file.hear(&impaired("probe"));
        let known = |file: &ServerFile| (file.blind.as_deref().map(str::to_owned), file.end.as_ref().map(|end| end.1.clone()));
        let end = Some(", exit code 3".to_owned());
        assert_eq!(known(&file), (Some("t".into()), end.clone()));
        file.hear(&checked(Status::Down));
        assert_eq!(known(&file), (None, end));
        file.hear(&checked(Status::Ok));
        assert_eq!(known(&file), (None, None));
    }
}
