//! What a hook writes: read as long as it runs, so that it is never kept waiting, and its end is kept.
//!
//! Whoever it leaves in the background may go on writing.

use std::io::{self, PipeWriter};
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::Command;

use super::tail::Tail;
use crate::shell::runtime::process::beside::{STARTS, beside};

/// What is read at once.
const CHUNK: usize = 4_096;

/// So many chunks are as much as a pipe holds.
const PIPE: usize = 16;

/// Our end of its output.
#[derive(Debug)]
pub(super) struct Output {
    pipe: pipe::Receiver,
    is_open: bool,
    pub(super) tail: Tail,
}

impl Output {
    /// With the end that is the hook's.
    pub(super) fn new() -> io::Result<(Self, PipeWriter)> {
        let (ours, theirs) = io::pipe()?;
        Ok((Self { pipe: pipe::Receiver::from_owned_fd(ours.into())?, is_open: true, tail: Tail::default() }, theirs))
    }

    /// Until nobody can write to it any more; cancel-safe.
    pub(super) async fn read(&mut self) {
        let mut buffer = [0; CHUNK];
        while self.is_open {
            match self.pipe.read(&mut buffer).await {
                Ok(0) | Err(_) => self.is_open = false,
                Ok(length) => self.tail.add(&buffer[..length]),
            }
        }
    }

    /// What was written before the hook ended. Whoever still writes is not waited for.
    pub(super) fn read_rest(&mut self) {
        let mut buffer = [0; CHUNK];
        for _ in 0..PIPE {
            match self.pipe.try_read(&mut buffer) {
                Ok(0) => {
                    self.is_open = false;
                    return;
                }
                Ok(length) => self.tail.add(&buffer[..length]),
                Err(_) => return,
            }
        }
    }

    /// The hook has ended. Whoever it has left with this pipe would die of the next line if nobody read it, also once we have ended: so a
    /// process of its own reads on, as long as there is somebody.
    pub(super) async fn leave(self) {
        if !self.is_open {
            return;
        }
        let reader = move || -> io::Result<()> {
            let mut reader = Command::new("cat");
            reader.stdin(self.pipe.into_blocking_fd()?).stdout(Stdio::null()).stderr(Stdio::null());
            // Nothing of ours, and of the hook's, goes with it. It is reaped when it has ended.
            reader.env_clear().current_dir("/").process_group(0).spawn().map(drop)
        };
        if let Err(error) = beside(&STARTS, reader).await.and_then(|started| started) {
            tracing::warn!(%error, "what a hook has left running cannot go on writing: `cat`, which would read it, does not start");
        }
    }
}
