//! A way to an engine that can be closed, fall silent, or keep its events back: a socket that forwards to the engine's, and keeps what is asked for.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use health_spec::config::{Engine, EngineKind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{UnixListener, UnixStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
};

use crate::quay;

pub(crate) struct Strait {
    path: PathBuf,
    kind: EngineKind,
    scheduler: tokio::runtime::Runtime,
    open: Option<AbortHandle>,
    silent: watch::Sender<bool>,
    tells: watch::Sender<bool>,
    asked: Arc<Mutex<Vec<String>>>,
}

/// How a stream of events ends in good order.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What a connection needs to know.
#[derive(Clone)]
struct Way {
    engine: String,
    silent: watch::Receiver<bool>,
    tells: watch::Receiver<bool>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Strait {
    pub(crate) fn to(kind: EngineKind, path: &Path) -> Self {
        let scheduler = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a scheduler");
        let (silent, tells, asked) = (watch::Sender::new(false), watch::Sender::new(true), Arc::default());
        let mut strait = Self { path: path.to_owned(), kind, scheduler, open: None, silent, tells, asked };
        strait.open();
        strait
    }

    pub(crate) fn engine(&self) -> Engine {
        let address = format!("unix://{}", self.path.display());
        Engine { name: self.kind.as_str().to_owned(), kind: self.kind, address, tls: None }
    }

    pub(crate) fn open(&mut self) {
        let _inside = self.scheduler.enter();
        let listener = UnixListener::bind(&self.path).expect("a socket");
        let engine = quay::engine(self.kind).address.trim_start_matches("unix://").to_owned();
        let (silent, tells, asked) = (self.silent.subscribe(), self.tells.subscribe(), Arc::clone(&self.asked));
        let way = Way { engine, silent, tells, asked };
        self.open = Some(self.scheduler.spawn(forward(listener, way)).abort_handle());
    }

    /// Every connection breaks, and no new one is possible.
    pub(crate) fn close(&mut self) {
        std::fs::remove_file(&self.path).expect("it was there");
        self.open.take().expect("it was open").abort();
    }

    /// Nothing comes through, and nothing is closed.
    pub(crate) fn fall_silent(&self) {
        self.silent.send_replace(true);
    }

    /// New connections are let through again.
    pub(crate) fn speak(&self) {
        self.silent.send_replace(false);
    }

    /// Streams of events end, as one that the engine ends itself; new ones have to wait. Everything else goes on.
    pub(crate) fn hold_events(&self) {
        self.tells.send_replace(false);
    }

    /// Those that wait are let through.
    pub(crate) fn let_events_through(&self) {
        self.tells.send_replace(true);
    }

    /// The first line of every request so far, without the version: `GET /info`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

/// When aborted, the connections go with it.
async fn forward(listener: UnixListener, way: Way) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        connections.spawn(pass(near, way.clone()));
    }
}

/// A connection carries one request.
async fn pass(mut near: UnixStream, mut way: Way) -> std::io::Result<()> {
    let silent = *way.silent.borrow();
    if !silent {
        let mut far = UnixStream::connect(&way.engine).await?;
        let mut begin = [0; 4096];
        let length = near.read(&mut begin).await?;
        keep(&way.asked, &begin[..length]);
        let is_stream = is_stream(&begin[..length]);
        if is_stream {
            becomes(&mut way.tells, true).await;
        }
        far.write_all(&begin[..length]).await?;
        tokio::select! {
            () = becomes(&mut way.tells, false), if is_stream => return near.write_all(LAST_CHUNK).await,
            done = copy_bidirectional(&mut near, &mut far) => return done.map(drop),
            () = becomes(&mut way.silent, true) => {}
        }
    }
    std::future::pending().await
}

/// The strait outlives its connections.
async fn becomes(watched: &mut watch::Receiver<bool>, wanted: bool) {
    let _ = watched.wait_for(|is| *is == wanted).await;
}

/// Of events that are still to come: a question about the past names its end.
fn is_stream(begin: &[u8]) -> bool {
    let line = String::from_utf8_lossy(begin).lines().next().unwrap_or_default().to_owned();
    line.contains("/events?") && !line.contains("until=")
}

fn keep(asked: &Mutex<Vec<String>>, begin: &[u8]) {
    let text = String::from_utf8_lossy(begin);
    let mut words = text.lines().next().unwrap_or_default().split(' ');
    // Somebody may have changed their mind.
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return };
    let path = path.split('?').next().unwrap_or_default();
    let without_version = path.strip_prefix("/v").and_then(|rest| rest.find('/').map(|at| &rest[at..])).unwrap_or(path);
    asked.lock().expect("not poisoned").push(format!("{method} {without_version}"));
}
