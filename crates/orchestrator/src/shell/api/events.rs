//! `GET /events`: the log as pages, or live as server-sent events that resume exactly.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Response};
use health_spec::Event;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{Api, Refused};
use crate::shell::published::Said;

/// The most events of one page.
const MOST: usize = 1_000;

/// How often an idle stream shows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Frames that wait for a slow reader; it then reads the log at its own pace.
const QUEUE: usize = 64;

/// The query.
#[derive(Debug, Deserialize)]
pub(super) struct Range {
    since: Option<u64>,
    limit: Option<usize>,
    /// Beside each event, send the server that it concerns as it is afterwards.
    #[serde(default)]
    views: bool,
}

/// [`health_spec::view::EventPage`], with the events as they stand in the log.
#[derive(Serialize)]
struct Page<'a> {
    source: &'a str,
    epoch: &'a str,
    events: Vec<Box<RawValue>>,
    next: u64,
    oldest: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<u64>,
}

/// What the log says.
struct Logged {
    lines: Vec<(u64, String)>,
    /// The oldest event that it holds.
    oldest: u64,
    /// The last one that everybody has been told.
    last: u64,
}

pub(super) async fn events(
    State(api): State<Arc<Api>>,
    range: Result<Query<Range>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let Query(range) = range.map_err(|error| Refused::bad_query(error.body_text()))?;
    let streams =
        headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|it| it.contains("text/event-stream"));
    if streams { stream(api, &range, &headers) } else { page(&api, &range).await }
}

async fn page(api: &Api, range: &Range) -> Result<Response, Refused> {
    let since = range.since.unwrap_or(0);
    not_ahead(api, since)?;
    let limit = range.limit.unwrap_or(100).clamp(1, MOST);
    let Logged { lines, oldest, last } = api.read(since, limit).await?;
    let next = lines.last().map_or(since, |(seq, _)| *seq);
    // A full page says nothing of what comes after it.
    let waiting = Some(last.saturating_sub(next)).filter(|waiting| *waiting > 0 && lines.len() < limit);
    let events: Vec<_> = lines.into_iter().filter_map(|(_, line)| RawValue::from_string(line).ok()).collect();
    let known = api.published.known();
    Ok(Json(Page { source: &known.source, epoch: &known.epoch, events, next, oldest, waiting }).into_response())
}

fn stream(api: Arc<Api>, range: &Range, headers: &HeaderMap) -> Result<Response, Refused> {
    let resumed = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let resumed = resumed
        .map(|id| id.parse::<u64>().map_err(|_| Refused::bad_query("Last-Event-ID is no number".to_owned())))
        .transpose()?;
    let (seq, said) = api.published.listen();
    let since = resumed.or(range.since).unwrap_or(seq);
    not_ahead(&api, since)?;
    let (frames, outgoing) = mpsc::channel(QUEUE);
    let shutdown = api.shutdown.clone();
    let follower = Follower { api, since, views: range.views, frames };
    tokio_spawn(async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = follower.run(said) => {}
        }
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(ReceiverStream::new(outgoing)).keep_alive(keep_alive).into_response())
}

#[expect(clippy::disallowed_methods, reason = "one task a stream; it ends with its client or at shutdown")]
fn tokio_spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

fn not_ahead(api: &Api, since: u64) -> Result<(), Refused> {
    let seq = api.published.last_seq();
    if since > seq { Err(Refused::ahead_of_log(since, seq)) } else { Ok(()) }
}

impl Api {
    /// A page of the log.
    ///
    /// What is on disk and not published yet is left out: the servers are not yet shown as they are after it, and whoever went on after it
    /// would be ahead of the log.
    async fn read(&self, since: u64, limit: usize) -> Result<Logged, Refused> {
        let log = Arc::clone(&self.log).lock_owned().await;
        let last = self.published.last_seq();
        let read = tokio::task::spawn_blocking(move || Ok((log.events(since, limit)?, log.oldest()?.unwrap_or(0))));
        let read: Result<_, crate::shell::store::StoreError> =
            read.await.map_err(|error| Refused::log_unreadable(&error.to_string()))?;
        let (mut lines, oldest) = read.map_err(|error| Refused::log_unreadable(&error.to_string()))?;
        lines.retain(|(seq, _)| *seq <= last);
        Ok(Logged { lines, oldest, last })
    }
}

/// One client of the live stream.
struct Follower {
    api: Arc<Api>,
    since: u64,
    views: bool,
    frames: mpsc::Sender<Result<sse::Event, Infallible>>,
}

/// The client has gone.
struct Gone;

impl Follower {
    /// First what the log has, then what is said; back to the log when it has fallen behind.
    async fn run(mut self, mut said: broadcast::Receiver<Said>) {
        while self.catch_up().await.is_ok() && self.follow(&mut said).await.is_ok() {}
    }

    async fn catch_up(&mut self) -> Result<(), Gone> {
        loop {
            // An unreadable log ends the stream: the client comes back with the last number that it has seen.
            let Logged { lines, .. } = self.api.read(self.since, MOST).await.map_err(|_| Gone)?;
            if lines.is_empty() {
                return Ok(());
            }
            self.send_page(lines).await?;
        }
    }

    /// The present view of a server directly follows the last of its events: a gateway has no use for it elsewhere.
    async fn send_page(&mut self, lines: Vec<(u64, String)>) -> Result<(), Gone> {
        let server = |line: &str| serde_json::from_str::<Event>(line).ok().and_then(|event| event.server_name);
        let last: HashMap<String, u64> = lines.iter().filter_map(|(seq, line)| Some((server(line)?, *seq))).collect();
        let mut touched: HashMap<u64, String> = last.into_iter().map(|(name, seq)| (seq, name)).collect();
        for (seq, line) in lines {
            self.send_event(seq, &line).await?;
            let view = touched.remove(&seq).and_then(|name| self.api.published.server(&name));
            if let Some((_, view)) = view {
                self.send_view(&view).await?;
            }
        }
        Ok(())
    }

    /// `Ok` when it has fallen behind.
    async fn follow(&mut self, said: &mut broadcast::Receiver<Said>) -> Result<(), Gone> {
        loop {
            let said = tokio::select! {
                () = self.frames.closed() => return Err(Gone),
                said = said.recv() => said,
            };
            match said {
                Err(RecvError::Lagged(_)) => return Ok(()),
                Err(RecvError::Closed) => return Err(Gone),
                Ok(said) if said.event.seq <= self.since => {}
                Ok(said) => {
                    self.send_event(said.event.seq, &said.json).await?;
                    if let Some(view) = &said.view {
                        self.send_view(view).await?;
                    }
                }
            }
        }
    }

    /// Those before it that are nowhere to be had are said to be missing: they are older than the log, or the disk has refused them.
    async fn send_event(&mut self, seq: u64, line: &str) -> Result<(), Gone> {
        if seq > self.since + 1 {
            let missing = json!({ "from": self.since + 1, "to": seq - 1 });
            self.send(sse::Event::default().event("gap").data(missing.to_string())).await?;
        }
        self.since = seq;
        self.send(sse::Event::default().id(seq.to_string()).data(line)).await
    }

    async fn send_view(&self, view: &health_spec::ServerView) -> Result<(), Gone> {
        match serde_json::to_string(view) {
            Ok(json) if self.views => self.send(sse::Event::default().event("view").data(json)).await,
            _ => Ok(()),
        }
    }

    async fn send(&self, frame: sse::Event) -> Result<(), Gone> {
        self.frames.send(Ok(frame)).await.map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests;
