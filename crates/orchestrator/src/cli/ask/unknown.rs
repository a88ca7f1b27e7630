//! A server that nobody knows: a note with the name that was meant. One that has only been there is known: its events are kept.

use health_spec::Snapshot;
use health_spec::view::EventPage;
use orchestrator::shell::config::nearest;

use super::super::args::Daemon;
use super::super::note;
use super::{get, printable};

/// Events that are asked for at once.
const PAGE: u64 = 1_000;

/// Says so of each of these that there is not, and never was as far as the log goes back. Whether any is unknown.
pub(super) fn said(daemon: &Daemon, snapshot: &Snapshot, names: &[String]) -> Result<bool, Box<dyn std::error::Error>> {
    let is_there = |name: &&String| snapshot.servers.iter().any(|view| view.name == **name);
    let mut unknown: Vec<&String> = names.iter().filter(|name| !is_there(name)).collect();
    let page = |since: u64| get::<EventPage>(daemon, &format!("/events?since={since}&limit={PAGE}")).map(|(page, _)| page);
    forget_those_with_events(&mut unknown, page)?;
    for name in &unknown {
        note(&sentence(name, snapshot.servers.iter().map(|view| view.name.as_str())));
    }
    Ok(!unknown.is_empty())
}

fn forget_those_with_events<E>(unknown: &mut Vec<&String>, page: impl Fn(u64) -> Result<EventPage, E>) -> Result<(), E> {
    let mut since = 0;
    while !unknown.is_empty() {
        let EventPage { events, next, .. } = page(since)?;
        if events.is_empty() {
            break;
        }
        unknown.retain(|name| !events.iter().any(|event| event.server_name.as_ref() == Some(*name)));
        since = next;
    }
    Ok(())
}

fn sentence<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let meant =
        nearest(name, known).map_or_else(|| "orchestrator status lists them".to_owned(), |near| format!("did you mean {near}?"));
    printable(&format!("note: no server of the name {name} is known; {meant}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered() {
        let of = |name: &str| sentence(name, ["search", "taskmgr"].into_iter());
        assert_eq!(of("serch"), "note: no server of the name serch is known; did you mean search?");
        assert_eq!(of("x"), "note: no server of the name x is known; orchestrator status lists them");
    }

    /// Event 1 is about `gone`; nothing comes after event 2.
    #[test]
    fn whoever_has_events_is_known() {
        let page = |since: u64| {
            let event = |seq: u64| {
                serde_json::json!({ "event_type": "server_deregistered", "trace_id": "t", "timestamp": "2026-01-02T03:04:05Z", "repo": "r",
                    "source": "s", "epoch": "e", "seq": seq, "server_name": if seq == 1 { "gone" } else { "other" } })
            };
            let events: Vec<_> = (since + 1..=2).take(1).map(event).collect();
            let next = since + events.len() as u64;
            serde_json::from_value(
                serde_json::json!({ "source": "s", "epoch": "e", "events": events, "next": next, "oldest": 1 }),
            )
        };
        let (gone, never) = ("gone".to_owned(), "never".to_owned());
        let mut unknown = vec![&gone, &never];
        forget_those_with_events::<serde_json::Error>(&mut unknown, page).expect("pages");
        assert_eq!(unknown, [&never]);
    }
}
