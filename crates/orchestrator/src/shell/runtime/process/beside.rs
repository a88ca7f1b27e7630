//! Work that may wait for a disk, for a directory of users or for other processes, beside the one thread that probes.
//!
//! Only so much of it at a time: each piece has files open, and the limit of descriptors is there for the checks.

use std::io;

use tokio::sync::Semaphore;

/// Going through `/proc`. Two processors have enough with that.
pub static LOOKS: Semaphore = Semaphore::const_new(4);

/// Starting servers: most of it is waiting, and a slow one must not keep the others for long.
pub static STARTS: Semaphore = Semaphore::const_new(16);

/// Waits for its turn, then does it. An error says that nobody can know what came of it.
pub async fn beside<T: Send + 'static>(turns: &'static Semaphore, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let turn = turns.acquire().await.map_err(io::Error::other)?;
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        // Not before, also when nobody waits for it any more.
        drop(turn);
        done
    });
    done.await.map_err(io::Error::other)
}
