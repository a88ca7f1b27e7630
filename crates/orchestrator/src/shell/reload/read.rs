//! Reads the files beside everything else, and for no longer than they may take: one that does not answer is as wrong as any other mistake,
//! and the next change is read beside it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use health_spec::config::Engine;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::Reading;
use crate::shell::alarm::forgiving;
use crate::shell::asked;
use crate::shell::config::LoadError;
use crate::shell::plan::{self, Plan};
use crate::shell::runtime::process::beside;

/// So many reads may wait for files that do not answer: each keeps a thread.
const MOST: usize = 8;

/// Where files are read.
#[derive(Debug)]
pub(super) struct Desk {
    free: Arc<Semaphore>,
    /// How long one file may take, and what is made of all of them.
    patience: Duration,
}

impl Default for Desk {
    fn default() -> Self {
        Self::with(beside::PATIENCE)
    }
}

impl Desk {
    pub(super) fn with(patience: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(MOST)), patience }
    }

    /// Some seconds of work with ten thousand servers: checks go on meanwhile. A file that makes us panic is a wrong one.
    pub(super) async fn read(&self, reading: Reading, engines: Vec<Engine>) -> Result<Plan, LoadError> {
        let Ok(place) = Arc::clone(&self.free).try_acquire_owned() else { return Err(too_many()) };
        let read = move || forgiving(|| plan::read_again(&engines, &reading.paths, &reading.environment, reading.observe));
        let (read, mut asked) = asked::telling(read);
        let mut read = tokio::task::spawn_blocking(move || {
            let read = read();
            // Not before, also when nobody waits for it any more.
            drop(place);
            read
        });
        loop {
            tokio::select! {
                biased;
                read = &mut read => {
                    let read = read.unwrap_or_else(|error| Err(error.to_string()));
                    return read.unwrap_or_else(|why| Err(unreadable(None, io::Error::other(why))));
                }
                // It has all that it needs where this fails.
                Ok(()) = asked.changed() => {}
                () = sleep(self.patience) => return Err(unanswered(asked.borrow().clone(), self.patience)),
            }
        }
    }
}

fn unanswered(file: Option<PathBuf>, patience: Duration) -> LoadError {
    let why = format!(
        "no answer within {} s; is it a pipe, or on a disk that does not answer? It is read anew when the configuration changes, and on SIGHUP",
        patience.as_secs_f64()
    );
    unreadable(file, io::Error::new(io::ErrorKind::TimedOut, why))
}

fn too_many() -> LoadError {
    let why = format!("{MOST} earlier reads still wait for files that do not answer; when these do, SIGHUP has it read");
    unreadable(None, io::Error::new(io::ErrorKind::TimedOut, why))
}

fn unreadable(file: Option<PathBuf>, source: io::Error) -> LoadError {
    LoadError::Unreadable { path: file.unwrap_or_else(|| "the configuration".into()), source }
}
