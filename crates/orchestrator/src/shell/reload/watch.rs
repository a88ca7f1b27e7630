//! When to read the configuration again: its file has changed, or somebody has sent SIGHUP.
//!
//! The directory is watched, not the file: editors and mounted configurations replace it by another one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::shell::config::Stamps;
use crate::shell::runtime::process::beside;

/// A file that has been quiet for this long is complete.
const QUIET: Duration = Duration::from_millis(200);

/// But nobody waits longer than this.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often files are looked at where nothing tells of a change: on network disks, and a single file that is mounted into a container.
const POLL: Duration = Duration::from_secs(10);

/// Why a configuration is to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It has changed.
    File,
    /// Somebody wants it.
    Signal,
}

/// It cannot be waited for.
#[derive(Debug, thiserror::Error)]
#[error("cannot catch SIGHUP")]
pub struct WatchError(#[from] std::io::Error);

/// Waits for either.
#[derive(Debug)]
pub struct Watch {
    changes: mpsc::Receiver<()>,
    hangup: Signal,
    /// `None` where the system has no more watches: then looking every [`POLL`] is all there is.
    watcher: Option<notify::RecommendedWatcher>,
    directories: BTreeSet<PathBuf>,
    paths: Vec<PathBuf>,
    /// How the files were when they were last read.
    seen: Stamps,
    /// What was heard, and not looked into yet.
    heard: Option<Heard>,
    /// When they are looked at although nothing is heard.
    poll: Instant,
    /// A look that has not ended yet. There is no second one beside it.
    looking: Option<JoinHandle<Stamps>>,
    /// That one does not end has been said.
    is_said: bool,
    /// How long a look may take.
    patience: Duration,
}

/// Why to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Change,
    Hangup,
    Nothing,
}

impl Watch {
    /// Watches the directories of these files, and those among them that are directories.
    pub(super) fn new(paths: &[PathBuf], seen: Stamps) -> Result<Self, WatchError> {
        let (bell, changes) = mpsc::channel(1);
        let tell = move |event: notify::Result<notify::Event>| {
            // One that waits already is enough. Reading the file is no change of it.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                let _ = bell.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(tell).inspect_err(slower).ok();
        let hangup = signal(SignalKind::hangup())?;
        let mut watch = Self {
            changes,
            hangup,
            watcher,
            directories: BTreeSet::new(),
            paths: Vec::new(),
            seen: Stamps::default(),
            heard: None,
            poll: Instant::now() + POLL,
            looking: None,
            is_said: false,
            patience: beside::PATIENCE,
        };
        watch.follow(paths, seen);
        Ok(watch)
    }

    /// Watches these, which are as `seen`.
    pub(super) fn follow(&mut self, paths: &[PathBuf], seen: Stamps) {
        for directory in paths.iter().map(|path| directory_of(path)) {
            if self.directories.contains(&directory) {
                continue;
            }
            let Some(watcher) = &mut self.watcher else { continue };
            match watcher.watch(&directory, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.directories.insert(directory)),
                Err(error) => slower(&error),
            }
        }
        (self.paths, self.seen) = (paths.to_vec(), seen);
    }

    /// The next cause. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> Cause {
        loop {
            if self.heard.is_none() {
                self.heard = Some(tokio::select! {
                    Some(()) = self.changes.recv() => Heard::Change,
                    _ = self.hangup.recv() => Heard::Hangup,
                    () = sleep_until(self.poll) => Heard::Nothing,
                });
            }
            if self.heard == Some(Heard::Change) {
                // In a directory where others write all the time it is never quiet.
                let quiet = async { while timeout(QUIET, self.changes.recv()).await.is_ok_and(|change| change.is_some()) {} };
                let _ = timeout(PATIENCE, quiet).await;
            }
            let has_changed = self.has_changed().await;
            self.poll = Instant::now() + POLL;
            match self.heard.take() {
                Some(Heard::Hangup) => return Cause::Signal,
                _ if has_changed => return Cause::File,
                _ => {}
            }
        }
    }

    /// Whether they are otherwise than when this was last asked. A slow disk must not hold up the checks; one that does not answer is
    /// a change, once: whoever reads then says which file it is.
    async fn has_changed(&mut self) -> bool {
        let paths = self.paths.clone();
        let looking = self.looking.get_or_insert_with(|| tokio::task::spawn_blocking(move || Stamps::of(&paths)));
        let Ok(found) = timeout(self.patience, looking).await else { return !std::mem::replace(&mut self.is_said, true) };
        self.looking = None;
        let was_said = std::mem::take(&mut self.is_said);
        let Ok(found) = found else { return false };
        // What was said of it is over, and whoever reads them again finds that out.
        let has_changed = was_said || found != self.seen;
        self.seen = found;
        has_changed
    }
}

/// Some file systems tell nothing, and some systems have no watches left.
fn slower(error: &notify::Error) {
    tracing::warn!(%error, "changes of the configuration are noticed only every {} s", POLL.as_secs());
}

fn directory_of(path: &Path) -> PathBuf {
    if path.is_dir() {
        return path.to_owned();
    }
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_beside_the_file_is_no_cause_and_a_change_of_it_is_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("registry.yaml");
        std::fs::write(&path, "servers: []").expect("written");
        let paths = [path.clone()];
        let seen = Stamps::of(&paths);
        let mut watch = Watch::new(&paths, seen.clone()).expect("watched");
        std::fs::write(directory.path().join("beside"), "x").expect("written");
        assert!(!watch.has_changed().await);
        std::fs::write(&path, "servers: [{name: a, port: 1}]").expect("written");
        let cause = timeout(Duration::from_secs(60), watch.next()).await.expect("it is noticed");
        assert_eq!(cause, Cause::File);
        assert_ne!(watch.seen, seen);
        assert!(!watch.has_changed().await, "said once");
    }

    /// The only thread that looks at disks waits for one, as for a disk that does not answer.
    #[test]
    fn a_look_that_hangs_is_a_change_once_and_what_changes_meanwhile_is_seen_after_it() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().expect("a runtime");
        runtime.block_on(async {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("registry.yaml");
            std::fs::write(&path, "servers: []").expect("written");
            let paths = [path.clone()];
            let mut watch = Watch::new(&paths, Stamps::of(&paths)).expect("watched");
            for writes in [true, false] {
                let (answer, answers) = std::sync::mpsc::channel::<()>();
                let hanging = tokio::task::spawn_blocking(move || answers.recv());
                watch.patience = Duration::from_secs(60);
                timeout(Duration::from_millis(5), watch.has_changed()).await.expect_err("something else came first");
                watch.patience = Duration::from_millis(20);
                assert!(watch.has_changed().await, "somebody has to say so");
                assert!(!watch.has_changed().await, "said once");
                if writes {
                    std::fs::write(&path, "servers: [{name: a, port: 1}]").expect("written");
                }
                drop(answer);
                hanging.await.expect("no panic").expect_err("nobody sends");
                watch.patience = Duration::from_secs(60);
                assert!(watch.has_changed().await, "whoever reads finds out that it answers");
                assert!(!watch.has_changed().await);
            }
        });
    }
}
