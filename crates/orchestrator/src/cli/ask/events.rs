//! `orchestrator events`: the last ones, and with `--follow` those that come.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use health_spec::view::EventPage;
use health_spec::{Event, Snapshot};
use orchestrator::shell::client::{ClientError, follow};
use orchestrator::shell::narrate::detail;
use serde::Deserialize;

use super::super::args::Events;
use super::super::{End, Outcome, Usage, note};
use super::{get, printable, unknown};

/// Events that are asked for at once.
const PAGE: u64 = 1_000;

/// How long to wait for a daemon that has gone, before it is asked again.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn run(arguments: &Events) -> Outcome {
    if arguments.limit == 0 && !arguments.follow {
        return Err(Usage("--limit 0 shows nothing; write 1 or more, or --follow for those that come".to_owned()).into());
    }
    let (snapshot, _) = get::<Snapshot>(&arguments.daemon, "/servers")?;
    let Found { events, until, waiting } = match arguments.since {
        Some(since) => after(arguments.limit, since, |since| page(arguments, since, PAGE), |event| fits(arguments, event))?,
        None => last(arguments, snapshot.seq)?,
    };
    for event in &events {
        if !show(arguments, event)? {
            return Ok(End::Fine);
        }
    }
    say_waiting(waiting);
    let is_unknown = unknown::said(&arguments.daemon, &snapshot, &arguments.server)?;
    if arguments.follow {
        keep_showing(arguments, until)?;
        return Ok(End::Fine);
    }
    Ok(if is_unknown { End::Failure } else { End::Fine })
}

/// What is not on disk is in no page.
fn say_waiting(waiting: Option<u64>) {
    if let Some(count) = waiting {
        note(&format!(
            "note: {count} newer events wait in memory until the disk takes them; orchestrator healthcheck says why, and --follow \
             shows those that come"
        ));
    }
}

/// What is shown first, and the event that whoever follows goes on after.
#[derive(Debug)]
struct Found {
    events: Vec<Event>,
    until: u64,
    /// So many newer ones are not on disk.
    waiting: Option<u64>,
}

/// The first that fit, after `since`.
fn after<E>(
    limit: usize,
    since: u64,
    page: impl Fn(u64) -> Result<EventPage, E>,
    fits: impl Fn(&Event) -> bool,
) -> Result<Found, E> {
    let mut found = Found { events: Vec::new(), until: since, waiting: None };
    while found.events.len() < limit {
        let EventPage { events, next, waiting, .. } = page(found.until)?;
        found.waiting = waiting;
        if events.is_empty() {
            break;
        }
        found.until = next;
        found.events.extend(events.into_iter().filter(&fits));
    }
    if found.events.len() >= limit {
        found.events.truncate(limit);
        found.until = found.events.last().map_or(since, |event| event.seq);
    }
    Ok(found)
}

/// The last that fit: page by page, backwards.
fn last(arguments: &Events, seq: u64) -> Result<Found, Box<dyn std::error::Error>> {
    let mut found = VecDeque::new();
    let (mut end, mut waiting) = (seq, None);
    while end > 0 && found.len() < arguments.limit {
        let start = end.saturating_sub(PAGE);
        let page = page(arguments, start, end - start)?;
        // A page of nothing but those counts them from where it begins.
        waiting = waiting.max(page.waiting);
        let fitting = page.events.into_iter().filter(|event| event.seq <= end && fits(arguments, event)).rev();
        fitting.take(arguments.limit - found.len()).for_each(|event| found.push_front(event));
        if page.oldest > start {
            break;
        }
        end = start;
    }
    Ok(Found { events: found.into(), until: seq, waiting })
}

fn page(arguments: &Events, since: u64, limit: u64) -> Result<EventPage, Box<dyn std::error::Error>> {
    Ok(get::<EventPage>(&arguments.daemon, &format!("/events?since={since}&limit={limit}"))?.0)
}

/// Completed checks are left out unless they are asked for.
fn fits(arguments: &Events, event: &Event) -> bool {
    let name = event.kind.name();
    let server = arguments.server.is_empty() || event.server_name.as_ref().is_some_and(|name| arguments.server.contains(name));
    let types = &arguments.types;
    server && if types.is_empty() { name != "health_check_completed" } else { types.iter().any(|wanted| wanted == name) }
}

/// Whether there still is somebody who reads.
fn show(arguments: &Events, event: &Event) -> std::io::Result<bool> {
    let line = if arguments.json { serde_json::to_string(event)? } else { told(event) };
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}

fn told(event: &Event) -> String {
    let server = event.server_name.as_deref().unwrap_or("-");
    printable(&format!("{:.3}  {server:<20}  {}{}", event.timestamp, event.kind.name(), detail(&event.kind)))
}

/// Events that the log no longer has, or never had.
#[derive(Deserialize)]
struct Gap {
    from: u64,
    to: u64,
}

fn say_gap(data: &str, since: &mut u64) {
    let Ok(Gap { from, to }) = serde_json::from_str(data) else { return };
    note(&format!("note: events {from} to {to} are missing: the log does not have them"));
    *since = to.max(*since);
}

/// Comes back when the daemon does, and goes on after the last event that was seen.
fn keep_showing(arguments: &Events, mut since: u64) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut lost = false;
        loop {
            let mut written = Ok(true);
            let path = format!("/events?since={since}");
            let ended = follow(&arguments.daemon.url, &path, |name, data| {
                lost = false;
                if name == "gap" {
                    say_gap(data, &mut since);
                    return true;
                }
                let Ok(event) = serde_json::from_str::<Event>(data) else { return true };
                since = event.seq;
                if fits(arguments, &event) {
                    written = show(arguments, &event);
                }
                matches!(written, Ok(true))
            });
            let ended = ended.await;
            if !written? {
                return Ok(());
            }
            match ended {
                Err(ClientError::Refused(why)) => return Err(why.into()),
                Err(error) if !lost => note(&format!("note: {error}; trying again")),
                _ => {}
            }
            lost = true;
            tokio::time::sleep(PATIENCE).await;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events 1 to 9, two a page.
    fn page(since: u64) -> Result<EventPage, String> {
        let event = |seq: u64| {
            serde_json::json!({ "event_type": "server_resumed", "trace_id": "t", "timestamp": "2026-01-02T03:04:05Z", "repo": "r",
                "source": "s", "epoch": "e", "seq": seq, "server_name": "a" })
        };
        let events: Vec<_> = (since + 1..=9).take(2).collect();
        let next = events.last().copied().unwrap_or(since);
        let events: Vec<_> = events.into_iter().map(event).collect();
        let page = serde_json::json!({ "source": "s", "epoch": "e", "events": events, "next": next, "oldest": 1 });
        serde_json::from_value(page).map_err(|error| error.to_string())
    }

    #[test]
    fn whoever_follows_goes_on_after_what_was_shown() {
        let even = |event: &Event| event.seq.is_multiple_of(2);
        for (limit, since, shown, until) in
            [(2, 3, vec![4, 6], 6), (9, 3, vec![4, 6, 8], 9), (0, 3, vec![], 3), (3, 9, vec![], 9)]
        {
            let found = after(limit, since, page, even).expect("pages");
            let seqs: Vec<_> = found.events.iter().map(|event| event.seq).collect();
            assert_eq!((seqs, found.until), (shown, until), "{limit} after {since}");
        }
    }

    #[test]
    fn a_gap_is_passed() {
        let mut since = 4;
        say_gap(r#"{"from":5,"to":9}"#, &mut since);
        say_gap("?", &mut since);
        assert_eq!(since, 9);
    }
}
