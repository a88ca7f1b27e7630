//! What is made of files, and made anew when they have changed. Where that fails, the last one goes on: half of a certificate and its
//! key may be written already.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as Turn;
use tokio::time::{Instant, timeout};

use super::causes::causes;
use super::config::Stamps;

/// Between two looks at the files: many connections are made in a second.
const LOOK: Duration = Duration::from_secs(1);

/// How long a disk is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Made of some files.
pub struct Renewed<T> {
    files: Arc<[PathBuf]>,
    known: Arc<Mutex<Known<T>>>,
    /// One look at a time: a disk that hangs holds one thread.
    turn: Arc<Turn<()>>,
}

struct Known<T> {
    made: T,
    /// How the files were, right before they were read.
    stamps: Stamps,
    looked: Instant,
}

impl<T: Clone + Send + 'static> Renewed<T> {
    /// Made for the first time, of these files; blocks until they are read.
    pub fn new<E>(files: Vec<PathBuf>, make: impl FnOnce() -> Result<T, E>) -> Result<Self, E> {
        let (looked, stamps) = (Instant::now(), Stamps::of(&files));
        let known = Known { made: make()?, stamps, looked };
        Ok(Self { files: files.into(), known: Arc::new(Mutex::new(known)), turn: Arc::default() })
    }

    /// As the files are now, or were a moment ago; `make` reads them. Dropping the future loses nothing.
    pub async fn current<E: std::error::Error>(&self, make: impl FnOnce() -> Result<T, E> + Send + 'static) -> T {
        let is_due = || lock(&self.known).looked.elapsed() >= LOOK;
        if self.files.is_empty() || !is_due() {
            return lock(&self.known).made.clone();
        }
        let look = async {
            let turn = Arc::clone(&self.turn).lock_owned().await;
            // Somebody has looked while we waited.
            if !is_due() {
                return;
            }
            let (files, known) = (Arc::clone(&self.files), Arc::clone(&self.known));
            let look = move || {
                let _turn = turn;
                look(&files, &known, make);
            };
            // One that has panicked has read nothing.
            let _ = tokio::task::spawn_blocking(look).await;
        };
        if timeout(PATIENCE, look).await.is_err() {
            // The next connection need not wait again.
            lock(&self.known).looked = Instant::now();
        }
        lock(&self.known).made.clone()
    }
}

/// Whoever only wants to know never waits for the disk: nothing is held while it is asked.
fn look<T, E: std::error::Error>(files: &[PathBuf], known: &Mutex<Known<T>>, make: impl FnOnce() -> Result<T, E>) {
    let (looked, stamps) = (Instant::now(), Stamps::of(files));
    let has_changed = lock(known).stamps != stamps;
    let anew = has_changed.then(make);
    let mut known = lock(known);
    (known.looked, known.stamps) = (looked, stamps);
    match anew {
        Some(Ok(anew)) => known.made = anew,
        Some(Err(error)) => {
            tracing::warn!("{} has changed and cannot be used; what it was before is used on: {}", listed(files), causes(&error));
        }
        None => {}
    }
}

fn listed(files: &[PathBuf]) -> String {
    files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn lock<T>(known: &Mutex<Known<T>>) -> std::sync::MutexGuard<'_, Known<T>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Clone for Renewed<T> {
    fn clone(&self) -> Self {
        Self { files: Arc::clone(&self.files), known: Arc::clone(&self.known), turn: Arc::clone(&self.turn) }
    }
}

impl<T> fmt::Debug for Renewed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Renewed").field(&self.files).finish()
    }
}

#[cfg(test)]
impl<T> Renewed<T> {
    /// As if a second had passed.
    pub fn forget_the_look(&self) {
        lock(&self.known).looked -= LOOK;
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::*;

    fn number(path: &Path) -> io::Result<u32> {
        std::fs::read_to_string(path)?.parse().map_err(io::Error::other)
    }

    async fn current(renewed: &Renewed<u32>, path: &Path) -> u32 {
        let path = path.to_owned();
        renewed.forget_the_look();
        renewed.current(move || number(&path)).await
    }

    #[tokio::test]
    async fn what_has_changed_is_made_anew_and_what_cannot_be_used_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("number");
        std::fs::write(&path, "1").expect("written");
        let renewed = Renewed::new(vec![path.clone()], || number(&path)).expect("a number");
        assert_eq!(current(&renewed, &path).await, 1);
        std::fs::write(&path, "23").expect("written");
        assert_eq!(current(&renewed, &path).await, 23);
        std::fs::write(&path, "half").expect("written");
        assert_eq!(current(&renewed, &path).await, 23);
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(current(&renewed, &path).await, 23);
        std::fs::write(&path, "456").expect("written");
        assert_eq!(current(&renewed, &path).await, 456);
        let untouched = renewed.current(|| -> io::Result<u32> { unreachable!("nothing has changed") });
        assert_eq!(untouched.await, 456);
    }

    /// A pipe that nobody writes to is a disk that does not answer.
    #[tokio::test]
    async fn a_disk_that_hangs_holds_up_nobody() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("number");
        std::fs::write(&path, "1").expect("written");
        let renewed = Renewed::new(vec![path.clone()], || number(&path)).expect("a number");
        std::fs::remove_file(&path).expect("removed");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
        assert_eq!(current(&renewed, &path).await, 1);
        // Whoever waits for the pipe goes on: the runtime does not end before.
        drop(std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("opened"));
    }
}
