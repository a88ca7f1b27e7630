//! A fake orchestrator: an axum router that speaks the protocol of the HTTP carrier, told by the test what to say.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use futures_util::stream;
use health_spec::status::Observed;
use health_spec::{ServerView, Snapshot};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::sample;

/// The fake; it can be cut off and come back.
pub(crate) struct Orchestrator {
    log: Arc<Log>,
    pub(crate) address: SocketAddr,
    serving: Option<DropGuard>,
}

struct Log {
    kept: Mutex<Kept>,
    grown: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    servers: Vec<ServerView>,
    /// `events[i]` has `seq` i + 1.
    events: Vec<(Value, ServerView)>,
    oldest: u64,
}

#[derive(Deserialize)]
struct Asked {
    since: u64,
    views: bool,
}

impl Orchestrator {
    pub(crate) async fn start(servers: &[&str]) -> Self {
        let servers = servers.iter().map(|name| sample::server(name, Observed::Ok)).collect();
        let kept = Mutex::new(Kept { servers, ..Kept::default() });
        let log = Arc::new(Log { kept, grown: watch::Sender::new(0) });
        let mut fake = Self { log, address: crate::loopback(), serving: None };
        fake.come_back().await;
        fake
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The server has this status from now on.
    pub(crate) fn say(&self, name: &str, status: Observed) {
        self.say_as(name, status, |_| {});
    }

    /// As [`Self::say`], with the event changed.
    pub(crate) fn say_as(&self, name: &str, status: Observed, change: impl FnOnce(&mut Value)) {
        let mut kept = self.log.kept.lock().expect("the lock");
        let seq = kept.events.len() as u64 + 1;
        let mut event = json!(sample::event(seq, name, status));
        change(&mut event);
        let view = sample::server(name, status);
        kept.servers.iter_mut().filter(|server| server.name == name).for_each(|server| *server = view.clone());
        kept.events.push((event, view));
        drop(kept);
        self.log.grown.send_replace(seq);
    }

    /// Forgets the events before `oldest`.
    pub(crate) fn forget(&self, oldest: u64) {
        self.log.kept.lock().expect("the lock").oldest = oldest;
    }

    /// Breaks every connection and accepts no more.
    pub(crate) fn cut_off(&mut self) {
        self.serving = None;
    }

    /// Listens again, where it did before.
    pub(crate) async fn come_back(&mut self) {
        let stop = CancellationToken::new();
        let listener = TcpListener::bind(self.address).await.expect("the port");
        self.address = listener.local_addr().expect("an address");
        let app = Router::new().route("/servers", get(servers)).route("/events", get(events));
        let app = app.with_state((Arc::clone(&self.log), stop.clone()));
        tokio::spawn(axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future());
        self.serving = Some(stop.drop_guard());
    }
}

type Shared = State<(Arc<Log>, CancellationToken)>;

async fn servers(State((log, _)): Shared) -> Json<Snapshot> {
    let kept = log.kept.lock().expect("the lock");
    Json(sample::snapshot(kept.events.len() as u64, kept.servers.clone()))
}

async fn events(State((log, stop)): Shared, Query(asked): Query<Asked>) -> Response {
    assert!(asked.views, "the gateway asks for views");
    let grown = log.grown.subscribe();
    let chunks = stream::unfold((log, grown, asked.since), move |(log, mut grown, since)| {
        let stop = stop.clone();
        async move {
            let whole = grown.wait_for(|last| *last > since);
            stop.run_until_cancelled(whole).await?.ok()?;
            let (text, next) = log.after(since);
            Some((Ok::<_, std::io::Error>(text), (log, grown, next)))
        }
    });
    ([("content-type", "text/event-stream")], Body::from_stream(chunks)).into_response()
}

impl Log {
    fn after(&self, since: u64) -> (String, u64) {
        let kept = self.kept.lock().expect("the lock");
        let mut text = ": hello\n\n".to_owned();
        let mut from = since;
        if kept.oldest > since + 1 {
            from = kept.oldest - 1;
            let gap = json!({"from": since + 1, "to": from});
            write!(text, "event: gap\ndata: {gap}\n\n").expect("memory");
        }
        for (event, view) in kept.events.iter().skip(usize::try_from(from).expect("small")) {
            let (seq, view) = (&event["seq"], json!(view));
            write!(text, "id: {seq}\ndata: {event}\n\nevent: view\ndata: {view}\n\n").expect("memory");
        }
        (text, kept.events.len() as u64)
    }
}
