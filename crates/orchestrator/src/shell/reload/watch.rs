//! When to read the configuration again: its file has changed, or somebody has sent SIGHUP.
//!
//! The directory is watched, not the file: editors and mounted configurations replace it by another one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A file that has been quiet for this long is complete.
const QUIET: Duration = Duration::from_millis(200);

/// Why a configuration is to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Something has changed beside it.
    File,
    /// Somebody wants it.
    Signal,
}

/// Neither can be waited for.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system has no more watches, or the directory cannot be read.
    #[error("cannot watch {}", .directory.display())]
    Directory {
        /// Which one.
        directory: PathBuf,
        /// Why.
        source: notify::Error,
    },
    /// No signal handler.
    #[error("cannot catch SIGHUP")]
    Signal(#[source] std::io::Error),
}

/// Waits for either.
#[derive(Debug)]
pub(super) struct Watch {
    changes: mpsc::Receiver<()>,
    hangup: Signal,
    _watcher: notify::RecommendedWatcher,
}

impl Watch {
    /// Watches the directory of `path`, or `path` if it is one.
    pub(super) fn new(path: &Path) -> Result<Self, WatchError> {
        let (changed, changes) = mpsc::channel(1);
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory = if path.is_dir() { path } else { parent };
        let failed = |source| WatchError::Directory { directory: directory.to_owned(), source };
        let tell = move |event: notify::Result<notify::Event>| {
            // One that waits already is enough. Reading the file is no change of it.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                let _ = changed.try_send(());
            }
        };
        let mut watcher = notify::recommended_watcher(tell).map_err(failed)?;
        watcher.watch(directory, RecursiveMode::NonRecursive).map_err(failed)?;
        let hangup = signal(SignalKind::hangup()).map_err(WatchError::Signal)?;
        Ok(Self { changes, hangup, _watcher: watcher })
    }

    /// The next cause. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> Cause {
        tokio::select! {
            Some(()) = self.changes.recv() => {}
            _ = self.hangup.recv() => return Cause::Signal,
        }
        while timeout(QUIET, self.changes.recv()).await.is_ok_and(|change| change.is_some()) {}
        Cause::File
    }
}
