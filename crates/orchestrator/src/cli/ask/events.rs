//! `orchestrator events`: the last ones, and with `--follow` those that come.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use health_spec::view::EventPage;
use health_spec::{Event, Snapshot};
use orchestrator::shell::client::{ClientError, follow};
use orchestrator::shell::narrate::detail;

use super::super::args::Events;
use super::super::{End, Outcome, note};
use super::{get, printable};

/// Events that are asked for at once.
const PAGE: u64 = 1_000;

/// How long to wait for a daemon that has gone, before it is asked again.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn run(arguments: &Events) -> Outcome {
    let (snapshot, _) = get::<Snapshot>(&arguments.daemon, "/servers")?;
    if arguments.limit > 0 {
        let found = match arguments.since {
            Some(since) => after(arguments, since)?,
            None => last(arguments, snapshot.seq)?,
        };
        for event in &found {
            if !show(arguments, event)? {
                return Ok(End::Fine);
            }
        }
    }
    if arguments.follow {
        let since = arguments.since.filter(|_| arguments.limit == 0).unwrap_or(snapshot.seq);
        keep_showing(arguments, since)?;
    }
    Ok(End::Fine)
}

/// The first that fit, after `since`.
fn after(arguments: &Events, mut since: u64) -> Result<Vec<Event>, Box<dyn std::error::Error>> {
    let mut found = Vec::new();
    while found.len() < arguments.limit {
        let page = page(arguments, since, PAGE)?;
        if page.events.is_empty() {
            break;
        }
        since = page.next;
        found.extend(page.events.into_iter().filter(|event| fits(arguments, event)));
    }
    found.truncate(arguments.limit);
    Ok(found)
}

/// The last that fit: page by page, backwards.
fn last(arguments: &Events, seq: u64) -> Result<Vec<Event>, Box<dyn std::error::Error>> {
    let mut found = VecDeque::new();
    let mut end = seq;
    while end > 0 && found.len() < arguments.limit {
        let start = end.saturating_sub(PAGE);
        let page = page(arguments, start, end - start)?;
        let fitting = page.events.into_iter().filter(|event| event.seq <= end && fits(arguments, event)).rev();
        fitting.take(arguments.limit - found.len()).for_each(|event| found.push_front(event));
        if page.oldest > start {
            break;
        }
        end = start;
    }
    Ok(found.into())
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

/// Comes back when the daemon does, and goes on after the last event that was seen.
fn keep_showing(arguments: &Events, mut since: u64) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut lost = false;
        loop {
            let mut written = Ok(true);
            let path = format!("/events?since={since}");
            let ended = follow(&arguments.daemon.url, &path, |data| {
                lost = false;
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
