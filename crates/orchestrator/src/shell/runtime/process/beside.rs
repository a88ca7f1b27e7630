//! Work that may wait for a disk, for a directory of users or for other processes, beside the one thread that probes.
//!
//! Only so much of it at a time: each piece has files open, and the limit of descriptors is there for the checks. A piece that hangs keeps
//! its thread, but not its turn: others go on, and whoever waited for it is told.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

/// What takes longer hangs. Programs start and processes are looked at within milliseconds, on a machine out of breath within seconds.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// So many may hang before nothing of the kind is begun any more: each keeps a thread, of which there are 512 for everything.
const MOST_HANGING: usize = 64;

/// Going through `/proc`. Two processors have enough with that.
pub static LOOKS: Turns = Turns::new(4, PATIENCE);

/// Starting servers: most of it is waiting, and a slow one must not keep the others for long.
pub static STARTS: Turns = Turns::new(16, PATIENCE);

/// Reading what servers are to be started with, before anything is.
pub static CHECKS: Turns = Turns::new(2, PATIENCE);

/// How much of something happens at a time.
#[derive(Debug)]
pub struct Turns {
    at_once: usize,
    patience: Duration,
    taken: Mutex<Vec<Instant>>,
    freed: Notify,
}

/// Ends when it is dropped.
#[derive(Debug)]
pub struct Turn {
    of: &'static Turns,
    since: Instant,
}

impl Turns {
    /// So many at once; what takes longer than `patience` is no longer one of them.
    pub const fn new(at_once: usize, patience: Duration) -> Self {
        Self { at_once, patience, taken: Mutex::new(Vec::new()), freed: Notify::const_new() }
    }

    /// Waits until there is one. An error: too many hang.
    pub async fn turn(&'static self) -> io::Result<Turn> {
        loop {
            let freed = self.freed.notified();
            let next = match self.take()? {
                Ok(turn) => return Ok(turn),
                Err(next) => next,
            };
            tokio::select! {
                () = freed => {}
                () = sleep_until(next) => {}
            }
        }
    }

    /// The inner error is when one may be had for certain.
    fn take(&'static self) -> io::Result<Result<Turn, Instant>> {
        let mut taken = self.taken();
        let since = Instant::now();
        let works = |began: &&Instant| **began + self.patience > since;
        let working = taken.iter().filter(works).count();
        if taken.len() - working >= MOST_HANGING {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{MOST_HANGING} others hang already")));
        }
        if working >= self.at_once {
            let oldest = taken.iter().filter(works).min().copied().unwrap_or(since);
            return Ok(Err(oldest + self.patience));
        }
        taken.push(since);
        if working + 1 < self.at_once {
            self.freed.notify_one();
        }
        Ok(Ok(Turn { of: self, since }))
    }

    fn taken(&self) -> MutexGuard<'_, Vec<Instant>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        if let Some(at) = taken.iter().position(|since| *since == self.since) {
            taken.swap_remove(at);
        }
        drop(taken);
        self.of.freed.notify_one();
    }
}

/// Waits for its turn, then does it. An error says that nobody can know what came of it, or that it hangs ([`io::ErrorKind::TimedOut`]).
pub async fn beside<T: Send + 'static>(turns: &'static Turns, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let turn = turns.turn().await?;
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        // Not before, also when nobody waits for it any more.
        drop(turn);
        done
    });
    timeout(turns.patience, done).await.map_err(|_| hangs(turns.patience))?.map_err(io::Error::other)
}

/// It takes longer than that.
pub fn hangs(patience: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no end within {} s", patience.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn what_hangs_is_told_and_keeps_nobody_else() {
        static ONE: Turns = Turns::new(1, SHORT);
        let (end, ends) = mpsc::channel::<()>();
        let hanging = beside(&ONE, move || ends.recv());
        let another = async {
            tokio::task::yield_now().await;
            beside(&ONE, || 7).await
        };
        let both = timeout(Duration::from_secs(30), async { tokio::join!(hanging, another) });
        let (hangs, done) = both.await.expect("it waits for what hangs");
        assert_eq!(hangs.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(done.unwrap(), 7, "it waits for the turn of the one that hangs, and no longer");
        drop(end);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_keeps_its_turn_no_longer_either() {
        static ONE: Turns = Turns::new(1, SHORT);
        let (end, ends) = mpsc::channel::<()>();
        let forgotten = timeout(Duration::from_millis(1), beside(&ONE, move || ends.recv())).await;
        assert!(forgotten.is_err());
        let another = timeout(Duration::from_secs(30), beside(&ONE, || 7)).await;
        assert_eq!(another.expect("it waits for what hangs").unwrap(), 7);
        drop(end);
    }

    #[tokio::test]
    async fn threads_are_not_used_up_by_what_hangs() {
        static MANY: Turns = Turns::new(MOST_HANGING, Duration::from_millis(1));
        let mut turns = Vec::new();
        for _ in 0..MOST_HANGING {
            turns.push(MANY.turn().await.unwrap());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(MANY.turn().await.unwrap_err().to_string(), "64 others hang already");
        turns.pop();
        assert!(MANY.turn().await.is_ok());
    }
}
