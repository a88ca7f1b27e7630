//! The protocol's two streams of a child with `stdio: mcp`: line in, line out.
//!
//! A [`Wire`] belongs to a server and outlives its child; each start of the child puts new pipes into it. Its output is
//! read all the time, so that the child never waits for us; one [`Conversation`] at a time speaks with it. What the
//! lines mean is the prober's business.

use std::{
    collections::VecDeque,
    io,
    os::fd::OwnedFd,
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use thiserror::Error;
use tokio::{
    net::unix::pipe::{Receiver, Sender},
    sync::{Notify, OwnedMutexGuard, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// A longer line is passed over: no health answer is that long.
const LONGEST_LINE: usize = 1024 * 1024;

/// Lines that wait to be heard, and how many bytes they may have together; older ones are dropped.
const KEPT_LINES: usize = 256;

/// The longest line has room, and beside it what usually comes with one.
const KEPT_BYTES: usize = 2 * LONGEST_LINE;

/// What is read at once: as much as a pipe holds.
const CHUNK: usize = 64 * 1024;

/// So much is read within a [`BREATH`] without a pause: more than any answer that counts. Whoever writes more waits, as at any full pipe.
const GULP: usize = 2 * LONGEST_LINE;
const BREATH: Duration = Duration::from_millis(50);

/// Nothing can be said or heard.
#[derive(Debug, Error)]
pub enum WireError {
    /// No child speaks at the moment.
    #[error("the server does not run, or does not speak on its standard input and output")]
    Silent,
    /// It has closed its end, or we have closed ours to end it.
    #[error("the server has closed its standard input or output")]
    Closed,
    /// The pipe is broken.
    #[error("the pipe to the server is broken")]
    Broken(#[source] io::Error),
}

/// The two streams of one server, whichever child it has at the moment.
#[derive(Clone, Debug, Default)]
pub struct Wire(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    now: watch::Sender<Option<Arc<Ends>>>,
    turn: Arc<tokio::sync::Mutex<Unsent>>,
}

/// The rest of a line whose sending was given up halfway: it goes first, or the next one would be garbled.
#[derive(Debug, Default)]
struct Unsent {
    instance: String,
    rest: Vec<u8>,
}

/// Our ends of one child's pipes.
#[derive(Debug)]
struct Ends {
    instance: String,
    input: Mutex<Option<Arc<Sender>>>,
    output: Receiver,
    /// Somebody speaks with it, and wants to hear.
    asked: AtomicBool,
    heard: Mutex<Heard>,
    news: Notify,
    hung_up: CancellationToken,
}

#[derive(Debug, Default)]
struct Heard {
    lines: VecDeque<String>,
    bytes: usize,
    over: bool,
}

impl Heard {
    fn keep(&mut self, line: String) {
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > KEPT_LINES || self.bytes > KEPT_BYTES {
            self.next();
        }
    }

    fn next(&mut self) -> Option<String> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.len();
        Some(line)
    }

    fn forget(&mut self) {
        self.lines.clear();
        self.bytes = 0;
    }
}

/// The only one who speaks. Dropping it lets the next one.
#[derive(Debug)]
pub struct Conversation {
    ends: Arc<Ends>,
    unsent: OwnedMutexGuard<Unsent>,
}

impl Wire {
    /// Waits for its turn, then speaks with the child that there is. What was said before is forgotten.
    pub async fn converse(&self) -> Result<Conversation, WireError> {
        let mut unsent = Arc::clone(&self.0.turn).lock_owned().await;
        let ends = self.0.now.borrow().clone().ok_or(WireError::Silent)?;
        if unsent.instance != ends.instance {
            *unsent = Unsent { instance: ends.instance.clone(), rest: Vec::new() };
        }
        ends.heard().forget();
        ends.asked.store(true, Ordering::Release);
        Ok(Conversation { ends, unsent })
    }

    /// A child was started: `instance` names this start of it.
    pub(super) fn connect(&self, child: &mut process::Child, instance: &str) -> io::Result<()> {
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else { return Ok(()) };
        let ends = Ends {
            instance: instance.to_owned(),
            input: Mutex::new(Some(Arc::new(Sender::from_owned_fd(OwnedFd::from(input))?))),
            output: Receiver::from_owned_fd(OwnedFd::from(output))?,
            asked: AtomicBool::new(false),
            heard: Mutex::default(),
            news: Notify::new(),
            hung_up: CancellationToken::new(),
        };
        self.0.now.send_replace(Some(Arc::new(ends)));
        Ok(())
    }

    /// Closes the child's input, which is how it is told to end. `false` when there is none.
    pub(super) fn hang_up(&self) -> bool {
        let Some(ends) = self.0.now.borrow().clone() else { return false };
        ends.hung_up.cancel();
        ends.input().take().is_some()
    }

    /// The child is gone.
    pub(super) fn disconnect(&self) {
        if let Some(ends) = self.0.now.send_replace(None) {
            ends.hung_up.cancel();
            ends.end();
        }
    }

    /// Reads whatever the children say, for ever.
    pub(super) async fn listen(&self) {
        let mut changes = self.0.now.subscribe();
        loop {
            let ends = changes.borrow_and_update().clone();
            let read = async {
                if let Some(ends) = &ends {
                    ends.read().await;
                    ends.end();
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = read => {}
                news = changes.changed() => if news.is_err() { return },
            }
        }
    }
}

impl Conversation {
    /// Names this start of the child: with another one, everything that was agreed upon is void.
    pub fn instance(&self) -> &str {
        &self.ends.instance
    }

    /// Says one line, which must not contain a line break. Cancel-safe: what was begun is ended first the next time.
    pub async fn say(&mut self, line: &str) -> Result<(), WireError> {
        let input = self.ends.input().clone().ok_or(WireError::Closed)?;
        let rest = &mut self.unsent.rest;
        // A child that does not read is asked once, not again and again.
        if rest.len() < LONGEST_LINE {
            rest.extend_from_slice(line.as_bytes());
            rest.push(b'\n');
        }
        tokio::select! {
            () = self.ends.hung_up.cancelled() => Err(WireError::Closed),
            sent = send(&input, rest) => sent.map_err(WireError::Broken),
        }
    }

    /// The next line of the child. Cancel-safe.
    pub async fn hear(&mut self) -> Result<String, WireError> {
        loop {
            let news = self.ends.news.notified();
            {
                let mut heard = self.ends.heard();
                if let Some(line) = heard.next() {
                    return Ok(line);
                }
                if heard.over {
                    return Err(WireError::Closed);
                }
            }
            news.await;
        }
    }
}

impl Drop for Conversation {
    /// While it still has its turn.
    fn drop(&mut self) {
        self.ends.asked.store(false, Ordering::Release);
    }
}

/// The line that the child is in the middle of.
#[derive(Debug, Default)]
struct Unfinished {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Unfinished {
    fn add(&mut self, piece: &[u8]) {
        self.too_long |= self.bytes.len() + piece.len() > LONGEST_LINE;
        if self.too_long {
            self.bytes.clear();
        } else {
            self.bytes.extend_from_slice(piece);
        }
    }

    fn begin_anew(&mut self) {
        self.bytes.clear();
        self.too_long = false;
    }
}

impl Ends {
    fn input(&self) -> MutexGuard<'_, Option<Arc<Sender>>> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the child closes its output.
    async fn read(&self) {
        let (mut chunk, mut line) = (vec![0; CHUNK], Unfinished::default());
        let (mut since, mut gulped) = (Instant::now(), 0);
        loop {
            if self.output.readable().await.is_err() {
                return;
            }
            let read = match self.output.try_read(&mut chunk) {
                Ok(0) => return,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => return,
            };
            self.take(&chunk[..read], &mut line);
            // One that never stops talking is always ready: everybody else has a turn in between, and it does not cost a processor.
            gulped += read;
            if gulped < GULP {
                tokio::task::yield_now().await;
                continue;
            }
            tokio::time::sleep_until(since + BREATH).await;
            (since, gulped) = (Instant::now(), 0);
        }
    }

    /// Line by line if somebody wants to hear, else only what the child is in the middle of.
    fn take(&self, chunk: &[u8], line: &mut Unfinished) {
        let mut chunk = chunk;
        if !self.asked.load(Ordering::Acquire)
            && let Some(end) = chunk.iter().rposition(|byte| *byte == b'\n')
        {
            line.begin_anew();
            chunk = &chunk[end + 1..];
        }
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            line.add(piece);
            if piece.ends_with(b"\n") {
                self.hear(&line.bytes);
                line.begin_anew();
            }
        }
    }

    fn hear(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).trim_end().to_owned();
        if line.is_empty() {
            return;
        }
        self.heard().keep(line);
        self.news.notify_one();
    }

    fn end(&self) {
        self.heard().over = true;
        self.news.notify_one();
    }
}

/// Leaves in `rest` what was not sent.
async fn send(input: &Sender, rest: &mut Vec<u8>) -> io::Result<()> {
    while !rest.is_empty() {
        input.writable().await?;
        match input.try_write(rest) {
            Ok(sent) => drop(rest.drain(..sent)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
