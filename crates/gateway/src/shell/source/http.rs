//! The HTTP carrier: a snapshot, then the event stream that continues it; on any failure again from the last event.
//!
//! `GET {base}/servers` gives the snapshot. `GET {base}/events?since={seq}&views=true` gives unnamed events whose
//! data is an event; directly after each that concerns a server, `event: view` with the server as it is then; and
//! `event: gap` with the first and the last missing `seq` (`from`, `to`), after which a new snapshot is taken.

use std::time::Duration;

use health_spec::{Event, EventKind, ServerView, Snapshot};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::super::client::{self, ClientError};
use super::super::{clock, healthcheck};
use super::sse::{Message, Reader, TooLong};
use crate::machine::backoff;
use crate::source::Frame;

/// Three keep-alives of 15 s: a stream that is silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(45);

/// The view of a server follows its event at once; this is for orchestrators that do not send one.
const VIEW_WITHIN: Duration = Duration::from_millis(250);

/// How many events are fetched from before the start; more than happen while a gateway is restarted.
const BACKLOG: u64 = 1000;

/// A snapshot of ten thousand servers is some 10 MB.
const MAX_SNAPSHOT: usize = 64 * 1024 * 1024;

/// Why the source cannot be followed just now.
#[derive(Debug, thiserror::Error)]
enum CarryError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{path} answers {status}")]
    Status { path: &'static str, status: hyper::StatusCode },
    #[error("{path} answers something else")]
    Format { path: &'static str, source: serde_json::Error },
    #[error(transparent)]
    TooLong(#[from] TooLong),
    #[error("the stream broke")]
    Stream(#[from] hyper::Error),
    #[error("the stream ended")]
    Ended,
    #[error("nothing heard for {} s", SILENCE.as_secs())]
    Silent,
    #[error("the gateway is shutting down")]
    Closed,
}

/// The range that `event: gap` names.
#[derive(Deserialize)]
struct Gap {
    to: u64,
}

/// The last event that was passed on.
#[derive(Clone, Debug)]
struct Last {
    epoch: String,
    seq: u64,
}

/// An event whose view has not come yet.
struct Waiting {
    event: Box<Event>,
    fields: Map<String, Value>,
}

struct Carrying<'a> {
    base: &'a str,
    frames: mpsc::Sender<Frame>,
    last: Option<Last>,
    waiting: Option<Waiting>,
    failures: u32,
}

/// Carries frames until `shutdown`, or until nobody takes them.
pub(crate) async fn carry(base: &str, frames: mpsc::Sender<Frame>, shutdown: &CancellationToken) {
    let carrying = Carrying { base, frames, last: None, waiting: None, failures: 0 };
    shutdown.run_until_cancelled(carrying.run()).await;
}

impl Carrying<'_> {
    async fn run(mut self) {
        while let Err(error) = self.follow().await {
            self.failures += 1;
            let reason = healthcheck::chain(&error);
            let lost = Frame::Lost { reason };
            if self.flush(None).await.is_err() || self.send(lost).await.is_err() {
                return;
            }
            sleep(backoff::delay(self.failures, clock::chance())).await;
        }
    }

    /// Only ends with an error.
    async fn follow(&mut self) -> Result<(), CarryError> {
        let snapshot = self.snapshot().await?;
        let since = self.resume_at(&snapshot);
        self.pass(snapshot, since).await?;
        let body = self.open(since).await?;
        self.failures = 0;
        tracing::info!(base = self.base, since, "following");
        self.read(body).await
    }

    /// Where to go on: after the last event, if the log is still the same.
    /// Else some way back, so that clients of a gateway that was restarted can resume.
    fn resume_at(&self, snapshot: &Snapshot) -> u64 {
        match &self.last {
            Some(last) if last.epoch == snapshot.epoch && last.seq <= snapshot.seq => last.seq,
            _ => snapshot.seq.saturating_sub(BACKLOG),
        }
    }

    async fn snapshot(&self) -> Result<Snapshot, CarryError> {
        let path = "/servers";
        let answer = client::get(&format!("{}{path}", self.base), "application/json").await?;
        if !answer.status().is_success() {
            return Err(CarryError::Status { path, status: answer.status() });
        }
        let body = client::read(answer.into_body(), MAX_SNAPSHOT).await?;
        serde_json::from_slice(&body).map_err(|source| CarryError::Format { path, source })
    }

    /// Passes a snapshot on, which events after `since` follow.
    async fn pass(&mut self, snapshot: Snapshot, since: u64) -> Result<(), CarryError> {
        self.last = Some(Last { epoch: snapshot.epoch.clone(), seq: since });
        self.send(Frame::Joined { snapshot: Box::new(snapshot), since }).await
    }

    async fn open(&self, since: u64) -> Result<Incoming, CarryError> {
        let url = format!("{}/events?since={since}&views=true", self.base);
        let answer = client::get(&url, "text/event-stream").await?;
        if !answer.status().is_success() {
            return Err(CarryError::Status { path: "/events", status: answer.status() });
        }
        Ok(answer.into_body())
    }

    async fn read(&mut self, mut body: Incoming) -> Result<(), CarryError> {
        let mut reader = Reader::default();
        loop {
            let patience = if self.waiting.is_some() { VIEW_WITHIN } else { SILENCE };
            let Ok(frame) = timeout(patience, body.frame()).await else {
                if self.waiting.is_none() {
                    return Err(CarryError::Silent);
                }
                self.flush(None).await?;
                continue;
            };
            let chunk = frame.ok_or(CarryError::Ended)??.into_data().unwrap_or_default();
            for message in reader.take(&chunk)? {
                self.take(message).await?;
            }
        }
    }

    async fn take(&mut self, message: Message) -> Result<(), CarryError> {
        match message.name.as_str() {
            "" | "message" => self.take_event(&message.data).await,
            "view" => self.take_view(&message.data).await,
            "gap" => self.take_gap(&message.data).await,
            _ => Ok(()),
        }
    }

    /// An event that cannot be read is left out: the hole in the numbers shows as a gap.
    async fn take_event(&mut self, text: &str) -> Result<(), CarryError> {
        self.flush(None).await?;
        let read = serde_json::from_str(text)
            .and_then(|fields: Map<String, Value>| Ok((serde_json::from_value::<Event>(Value::Object(fields.clone()))?, fields)));
        let (event, fields) = match read {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!(base = self.base, %error, "an event cannot be read");
                return Ok(());
            }
        };
        let final_word = event.server_name.is_none() || event.kind == EventKind::ServerDeregistered;
        self.waiting = Some(Waiting { event: Box::new(event), fields });
        if final_word { self.flush(None).await } else { Ok(()) }
    }

    async fn take_view(&mut self, text: &str) -> Result<(), CarryError> {
        match serde_json::from_str::<ServerView>(text) {
            Ok(view) => self.flush(Some(Box::new(view))).await,
            Err(error) => {
                tracing::warn!(base = self.base, %error, "a server cannot be read");
                Ok(())
            }
        }
    }

    async fn take_gap(&mut self, text: &str) -> Result<(), CarryError> {
        self.flush(None).await?;
        let gap: Gap = serde_json::from_str(text).map_err(|source| CarryError::Format { path: "/events", source })?;
        let snapshot = self.snapshot().await?;
        self.pass(snapshot, gap.to).await
    }

    /// Passes the waiting event on, with its view if that has come.
    async fn flush(&mut self, view: Option<Box<ServerView>>) -> Result<(), CarryError> {
        let Some(Waiting { event, fields }) = self.waiting.take() else { return Ok(()) };
        let view = view.filter(|view| Some(&view.name) == event.server_name.as_ref());
        self.last = Some(Last { epoch: event.epoch.clone(), seq: event.seq });
        self.send(Frame::Verbatim { event, fields, view }).await
    }

    async fn send(&self, frame: Frame) -> Result<(), CarryError> {
        self.frames.send(frame).await.map_err(|_| CarryError::Closed)
    }
}
