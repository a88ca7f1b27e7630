//! What the monitor cannot see: servers that it could not look at, and whether it suspects itself. Folded from what is published;
//! decides nothing.

use std::collections::BTreeMap;

use health_spec::{Event, EventKind, Phase, ServerView};

/// So many servers are named.
const NAMED: usize = 3;

/// Which servers could not be looked at, and why, until a check of them ends again.
#[derive(Debug, Default)]
pub struct Sight {
    blind: BTreeMap<String, String>,
}

impl Sight {
    /// One more event.
    pub fn fold(&mut self, event: &Event) {
        let Some(server) = &event.server_name else { return };
        match &event.kind {
            EventKind::MonitorImpaired { reason, error } if reason == "probe" => {
                self.blind.insert(server.clone(), error.clone());
            }
            EventKind::HealthCheckCompleted { .. } | EventKind::ServerDeregistered => {
                self.blind.remove(server);
            }
            _ => {}
        }
    }

    /// What is in the way, of servers that are to run; `None` while everything is seen.
    pub fn trouble<'a>(&self, views: impl Iterator<Item = &'a ServerView>) -> Option<String> {
        let (mut stormed, mut on, mut blind) = (0, None, Vec::new());
        for view in views {
            if let Some(held) = view.held.as_ref().filter(|held| held.reason == "storm") {
                stormed += 1;
                on.get_or_insert_with(|| held.on.join(", "));
            }
            // One that is stopped is not asked for again soon.
            if view.phase != Phase::Stopped {
                blind.extend(self.blind.get(&view.name).map(|error| format!("{}: {error}", view.name)));
            }
        }
        let storm =
            on.map(|on| format!("a storm holds recovery of {}, since these did not answer either: {on}", servers(stormed)));
        let blind = (!blind.is_empty()).then(|| {
            let more = if blind.len() > NAMED { "; ..." } else { "" };
            format!("{} cannot be looked at: {}{more}", servers(blind.len()), blind[..blind.len().min(NAMED)].join("; "))
        });
        let all: Vec<_> = [storm, blind].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

fn servers(count: usize) -> String {
    if count == 1 { "1 server".to_owned() } else { format!("{count} servers") }
}

#[cfg(test)]
mod tests {
    use health_spec::Status;
    use health_spec::view::Held;

    use super::*;
    use crate::shell::incidents::tests::event;
    use crate::shell::view::tests::sample;

    #[test]
    fn whoever_cannot_be_looked_at_is_named_until_a_check_ends() {
        let mut sight = Sight::default();
        let impaired = |reason: &str| EventKind::MonitorImpaired { reason: reason.into(), error: "t cannot be used".into() };
        let checked =
            EventKind::HealthCheckCompleted { status: Status::Ok, response_time_ms: 1, checks: BTreeMap::new(), failure: None };
        let stopped = ServerView { phase: Phase::Stopped, ..sample("a") };
        assert_eq!(sight.trouble([sample("a")].iter()), None);
        sight.fold(&event(1, None, impaired("recreate")));
        assert_eq!(sight.trouble([sample("a")].iter()), None);
        sight.fold(&event(1, None, impaired("probe")));
        assert_eq!(
            sight.trouble([sample("a"), sample("b")].iter()).as_deref(),
            Some("1 server cannot be looked at: a: t cannot be used")
        );
        assert_eq!(sight.trouble([stopped].iter()), None);
        sight.fold(&event(2, None, checked));
        assert_eq!(sight.trouble([sample("a")].iter()), None);
    }

    #[test]
    fn a_storm_is_seen_by_what_it_holds() {
        let held = |reason: &str| {
            let on = vec!["c".to_owned(), "d".to_owned()];
            ServerView { held: Some(Held { reason: reason.into(), on }), ..sample("a") }
        };
        let trouble = |reason: &str| Sight::default().trouble([held(reason), sample("b"), held(reason)].iter());
        assert_eq!(trouble("paused"), None);
        let expected = "a storm holds recovery of 2 servers, since these did not answer either: c, d";
        assert_eq!(trouble("storm").as_deref(), Some(expected));
    }
}
