//! One start of a program, which may hang: its files may be on a disk that does not answer, or its user in a directory that does not.
//!
//! Whoever waits for it may stop waiting, and then decides: to wait on, or to want it no more. What comes of one that nobody wants is ended,
//! and until then nothing else is started in its place. So nothing runs twice, however late it comes.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::beside::STARTS;

/// What is being started, by the paths of the records.
static PLACES: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Nobody else starts anything here meanwhile.
#[derive(Debug)]
pub struct Place(PathBuf);

impl Place {
    /// Of the program with this record. An error: its last start hangs still.
    pub fn take(record: &Path) -> io::Result<Self> {
        let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
        if places.insert(record.to_owned()) {
            return Ok(Self(record.to_owned()));
        }
        let text = "its last start hangs still, and it is not started beside that: its program or a file that it is started with may be \
                    on a disk that does not answer";
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        PLACES.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// A start that is under way. Dropped, it is wanted no more.
#[derive(Debug)]
pub struct Launch<T: Send + 'static> {
    done: oneshot::Receiver<Done<T>>,
    end: fn(T),
    _wanted: DropGuard,
}

#[derive(Debug)]
struct Done<T> {
    started: T,
    _place: Place,
}

impl<T: Send + 'static> Launch<T> {
    /// Begins it when it is its turn. `start` is told whether it is still wanted; `end` ends what has come of one that is not.
    pub async fn begin(
        place: Place,
        start: impl FnOnce(&CancellationToken) -> T + Send + 'static,
        end: fn(T),
    ) -> io::Result<Self> {
        let turn = STARTS.turn().await?;
        let (unwanted, (answer, done)) = (CancellationToken::new(), oneshot::channel());
        let wanted = unwanted.clone().drop_guard();
        // It answers by itself.
        drop(tokio::task::spawn_blocking(move || {
            let done = Done { started: start(&unwanted), _place: place };
            if let Err(late) = answer.send(done) {
                late.end(end);
            }
            drop(turn);
        }));
        Ok(Self { done, end, _wanted: wanted })
    }

    /// Returns when it has come to its end, well or not; cancel-safe.
    pub async fn done(&mut self) -> io::Result<T> {
        (&mut self.done).await.map(|done| done.started).map_err(io::Error::other)
    }
}

impl<T: Send + 'static> Drop for Launch<T> {
    fn drop(&mut self) {
        self.done.close();
        let end = self.end;
        if let Ok(late) = self.done.try_recv() {
            // It may take a while, and the scheduler may be about to end.
            drop(thread::spawn(move || late.end(end)));
        }
    }
}

impl<T> Done<T> {
    fn end(self, end: fn(T)) {
        let Self { started, _place } = self;
        end(started);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn is_free(record: &Path) -> bool {
        Place::take(record).is_ok()
    }

    /// A start that hangs until it is let go on, and tells what becomes of it.
    async fn hanging(record: &Path) -> (Launch<mpsc::Sender<&'static str>>, mpsc::Sender<()>, mpsc::Receiver<&'static str>) {
        let ((go_on, goes_on), (tell, told)) = (mpsc::channel::<()>(), mpsc::channel());
        let start = move |unwanted: &CancellationToken| {
            let _ = goes_on.recv();
            tell.send(if unwanted.is_cancelled() { "unwanted" } else { "wanted" }).unwrap();
            tell
        };
        let end = |tell: mpsc::Sender<&'static str>| tell.send("ended").unwrap();
        (Launch::begin(Place::take(record).unwrap(), start, end).await.unwrap(), go_on, told)
    }

    #[tokio::test]
    async fn one_that_is_waited_for_is_had_however_late() {
        let record = Path::new("/launch/late");
        let (mut launch, go_on, told) = hanging(record).await;
        assert!(timeout(Duration::from_millis(50), launch.done()).await.is_err());
        assert!(!is_free(record));
        go_on.send(()).unwrap();
        drop(launch.done().await.unwrap());
        assert_eq!(told.iter().collect::<Vec<_>>(), ["wanted"]);
        assert!(is_free(record));
    }

    #[tokio::test]
    async fn one_that_nobody_wants_is_ended_and_until_then_nothing_else_is_started() {
        let record = Path::new("/launch/unwanted");
        let (launch, go_on, told) = hanging(record).await;
        drop(launch);
        assert!(Place::take(record).unwrap_err().to_string().starts_with("its last start hangs still"));
        go_on.send(()).unwrap();
        // Its end of the channel is gone when it is.
        assert_eq!(tokio::task::spawn_blocking(move || told.iter().collect::<Vec<_>>()).await.unwrap(), ["unwanted", "ended"]);
    }

    #[tokio::test]
    async fn one_that_has_come_and_was_not_looked_at_is_ended_too() {
        let (launch, go_on, told) = hanging(Path::new("/launch/unseen")).await;
        go_on.send(()).unwrap();
        let told = tokio::task::spawn_blocking(move || {
            assert_eq!(told.recv(), Ok("wanted"));
            told
        });
        let told = told.await.unwrap();
        drop(launch);
        assert_eq!(tokio::task::spawn_blocking(move || told.iter().collect::<Vec<_>>()).await.unwrap(), ["ended"]);
    }
}
