//! Reads what may be on a disk that does not answer, or in a pipe: whoever waits hears what for.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use orchestrator::shell::asked;

use super::note;

/// A large registry takes a second or two.
const AT_FIRST: Duration = Duration::from_secs(5);

/// It is said again, for whoever looks later.
const AGAIN: Duration = Duration::from_secs(60);

/// Does `read` here, where a signal ends it. What takes longer than a few seconds is said on stderr.
pub(super) fn patiently<T>(read: impl FnOnce() -> T) -> T {
    let (read, asked) = asked::telling(read);
    let (done, ended) = mpsc::channel::<()>();
    let tell = move || {
        let mut waited = AT_FIRST;
        while ended.recv_timeout(waited) == Err(RecvTimeoutError::Timeout) {
            // Not while it is borrowed: whoever reads would wait for whoever reads stderr.
            let file = asked.borrow().clone();
            match file {
                Some(file) => {
                    note(&format!("waiting for {}: it does not answer; is it a pipe, or on a disk that hangs?", file.display()));
                }
                None => note("reading the configuration takes long"),
            }
            waited = AGAIN;
        }
    };
    // Without a thread nothing is said; all else is as it would be.
    let _ = thread::Builder::new().name("patience".to_owned()).spawn(tell);
    let read = read();
    drop(done);
    read
}
