//! What the monitor cannot see: servers that it could not look at, and whether it suspects itself. Read from what is published;
//! decides nothing.

use health_spec::{Phase, ServerView};

use super::view::in_the_way;

/// So many servers are named.
const NAMED: usize = 3;

/// What is in the way, of servers that are to run; `None` while everything is seen.
pub fn trouble<'a>(views: impl Iterator<Item = &'a ServerView>) -> Option<String> {
    let (mut stormed, mut on, mut blind) = (0, None, Vec::new());
    for view in views {
        if let Some(held) = view.held.as_ref().filter(|held| held.reason == "storm") {
            stormed += 1;
            on.get_or_insert_with(|| held.on.join(", "));
        }
        // One that is stopped is not asked for again soon.
        if view.phase != Phase::Stopped {
            blind.extend(in_the_way(view).map(|error| format!("{}: {error}", view.name)));
        }
    }
    let storm = on.map(|on| format!("a storm holds recovery of {}, since these did not answer either: {on}", servers(stormed)));
    let blind = (!blind.is_empty()).then(|| {
        let more = if blind.len() > NAMED { "; ..." } else { "" };
        format!("{} cannot be looked at: {}{more}", servers(blind.len()), blind[..blind.len().min(NAMED)].join("; "))
    });
    let all: Vec<_> = [storm, blind].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn servers(count: usize) -> String {
    if count == 1 { "1 server".to_owned() } else { format!("{count} servers") }
}

#[cfg(test)]
mod tests {
    use health_spec::view::{Held, Why};

    use super::*;
    use crate::shell::view::IN_THE_WAY;
    use crate::shell::view::tests::sample;

    #[test]
    fn whoever_cannot_be_looked_at_is_named_unless_it_is_stopped() {
        let blind = |name: &str| {
            let evidence = vec!["1 answer".to_owned(), format!("{IN_THE_WAY}t cannot be used")];
            ServerView { why: Why { evidence, ..Why::default() }, ..sample(name) }
        };
        assert_eq!(trouble([sample("a")].iter()), None);
        assert_eq!(
            trouble([blind("a"), sample("b")].iter()).as_deref(),
            Some("1 server cannot be looked at: a: t cannot be used")
        );
        assert_eq!(trouble([ServerView { phase: Phase::Stopped, ..blind("a") }].iter()), None);
    }

    #[test]
    fn a_storm_is_seen_by_what_it_holds() {
        let held = |reason: &str| {
            let on = vec!["c".to_owned(), "d".to_owned()];
            ServerView { held: Some(Held { reason: reason.into(), on }), ..sample("a") }
        };
        let trouble = |reason: &str| trouble([held(reason), sample("b"), held(reason)].iter());
        assert_eq!(trouble("paused"), None);
        let expected = "a storm holds recovery of 2 servers, since these did not answer either: c, d";
        assert_eq!(trouble("storm").as_deref(), Some(expected));
    }
}
