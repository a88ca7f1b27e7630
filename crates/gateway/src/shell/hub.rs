//! The state that sources write and clients read, behind one short lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::clock;
use crate::machine::ecosystem::Shown;
use crate::machine::state::State;
use crate::source::Frame;

/// Shared by everything that serves.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    /// Of one version. Who asks waits for whoever asks already; sources do not.
    body: Mutex<Option<(u64, Body)>>,
    version: watch::Sender<u64>,
    /// Tells this process's versions from those of the next.
    process: u64,
}

/// A JSON body and its strong `ETag`.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    /// The JSON.
    pub(crate) bytes: Bytes,
    /// Quoted.
    pub(crate) etag: Arc<str>,
}

impl Hub {
    /// For each source its address, if it has one.
    pub(crate) fn new(urls: Vec<Option<String>>) -> Self {
        let state = State::new(urls, clock::now());
        Self { state: Mutex::new(state), body: Mutex::default(), version: watch::Sender::new(0), process: clock::number() }
    }

    /// Takes what a source said and wakes every client.
    pub(crate) fn fold(&self, source: usize, frame: Frame) {
        let version = {
            let mut state = self.lock();
            state.fold(source, frame, clock::now());
            state.version
        };
        self.version.send_replace(version);
    }

    /// Reads the state. `read` must be quick: everybody waits for it.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.lock())
    }

    /// Changes whenever the state does.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// The ecosystem, serialised once for each version of the state.
    pub(crate) fn ecosystem(&self) -> Result<Body, serde_json::Error> {
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        let (version, shown) = {
            let state = self.lock();
            if let Some((_, body)) = body.as_ref().filter(|(built, _)| *built == state.version) {
                return Ok(body.clone());
            }
            (state.version, Shown::of(&state))
        };
        let bytes = serde_json::to_vec(&shown.ecosystem())?.into();
        let built = Body { bytes, etag: format!("\"{:x}-{version:x}\"", self.process).into() };
        *body = Some((version, built.clone()));
        Ok(built)
    }

    /// A panic while the lock was held left at worst one frame half taken; the next snapshot mends it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
