//! When to read the configuration again: its file has changed, or somebody has sent SIGHUP.
//!
//! The directory is watched, not the file: editors and mounted configurations replace it by another one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A file that has been quiet for this long is complete.
const QUIET: Duration = Duration::from_millis(200);

/// But nobody waits longer than this.
const PATIENCE: Duration = Duration::from_secs(1);

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
    watcher: notify::RecommendedWatcher,
    directories: BTreeSet<PathBuf>,
}

impl Watch {
    /// Watches the directories of these files, and those among them that are directories.
    pub(super) fn new(paths: &[PathBuf]) -> Result<Self, WatchError> {
        let (bell, changes) = mpsc::channel(1);
        let tell = move |event: notify::Result<notify::Event>| {
            // One that waits already is enough. Reading the file is no change of it.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                let _ = bell.try_send(());
            }
        };
        let failed = |source| WatchError::Directory { directory: PathBuf::from("the configuration"), source };
        let watcher = notify::recommended_watcher(tell).map_err(failed)?;
        let hangup = signal(SignalKind::hangup()).map_err(WatchError::Signal)?;
        let mut watch = Self { changes, hangup, watcher, directories: BTreeSet::new() };
        watch.follow(paths)?;
        Ok(watch)
    }

    /// Watches these too.
    pub(super) fn follow(&mut self, paths: &[PathBuf]) -> Result<(), WatchError> {
        for directory in paths.iter().map(|path| directory_of(path)) {
            if self.directories.insert(directory.clone()) {
                let watched = self.watcher.watch(&directory, RecursiveMode::NonRecursive);
                watched.map_err(|source| WatchError::Directory { directory, source })?;
            }
        }
        Ok(())
    }

    /// The next cause. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> Cause {
        tokio::select! {
            Some(()) = self.changes.recv() => {}
            _ = self.hangup.recv() => return Cause::Signal,
        }
        // In a directory where others write all the time it is never quiet.
        let quiet = async { while timeout(QUIET, self.changes.recv()).await.is_ok_and(|change| change.is_some()) {} };
        let _ = timeout(PATIENCE, quiet).await;
        Cause::File
    }
}

fn directory_of(path: &Path) -> PathBuf {
    if path.is_dir() {
        return path.to_owned();
    }
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}
