//! From a name to addresses, with the system's own resolver, and whose fault it is when there are none.
//!
//! `getaddrinfo` blocks, so each lookup has a thread of its own, and no more than [`LOOKUPS`] run at once, of each name one: a name that
//! hangs holds one thread, however often it is checked. Names that were not answered the last time share [`UNANSWERED`] of them, so that a
//! zone that is dead leaves room for everybody else. A name that does not exist is the server's fault. A resolver that cannot answer at all is ours: before a temporary failure is held against a
//! server, another name has to be answered meanwhile.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dns_lookup::{LookupError, LookupErrorKind};
use futures_util::FutureExt;
use futures_util::future::Shared;
use health_spec::verdict::Reason;
use tokio::sync::{Mutex as Turn, Semaphore, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Fault, Impaired};

/// How many lookups run at once: each holds a thread, and a resolver that hangs holds all of them.
const LOOKUPS: usize = 32;

/// How many of them names may hold that were not answered the last time. Those that are answered need few: they are answered soon.
const UNANSWERED: usize = LOOKUPS * 3 / 4;

/// So many such names are known at once, which is more than there are servers; of more, all are forgotten.
const MOST_UNANSWERED: usize = 64 * 1024;

/// A name that no resolver can know and each can answer, most without asking anybody (RFC 6761).
const NOBODY: &str = "mcp-health.invalid";

/// How many names that were answered are remembered, to ask for one of them again.
const REMEMBERED: usize = 4;

/// Blocks until it knows.
type Answered = VecDeque<(Instant, Box<str>)>;

type Lookup = dyn Fn(&str) -> Result<Vec<IpAddr>, Unresolved> + Send + Sync;

/// What a lookup found, for everybody who waits for it.
type Found = Arc<Result<Vec<IpAddr>, Unresolved>>;

/// A lookup that runs, or has ended.
type Running = Shared<oneshot::Receiver<Found>>;

/// Those that run, by name.
type Underway = Arc<Mutex<HashMap<Box<str>, Running>>>;

/// Why a name has no addresses.
#[derive(Debug)]
pub(super) enum Unresolved {
    /// It does not exist, or has no address.
    NoSuchName(String),
    /// Nobody could say.
    NoAnswer(String),
    /// We lack what it takes to ask.
    Ours(std::io::Error),
}

/// The system's resolver.
#[derive(Clone)]
pub struct Resolver {
    lookup: Arc<Lookup>,
    room: Arc<Semaphore>,
    /// A part of it, for those of `unanswered`.
    part: Arc<Semaphore>,
    unanswered: Arc<Mutex<HashSet<Box<str>>>>,
    underway: Underway,
    /// Names that were answered, and when; the latest last.
    answered: Arc<Mutex<Answered>>,
    /// One control question at a time.
    turn: Arc<Turn<()>>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self::with(Arc::new(system))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    pub(super) fn with(lookup: Arc<Lookup>) -> Self {
        Self {
            lookup,
            room: Arc::new(Semaphore::new(LOOKUPS)),
            part: Arc::new(Semaphore::new(UNANSWERED)),
            unanswered: Arc::default(),
            underway: Arc::default(),
            answered: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// The addresses of `name`, never none, before `deadline`.
    pub(super) async fn addresses(&self, name: &str, deadline: Instant) -> Result<Vec<IpAddr>, Fault> {
        let began = Instant::now();
        let Ok(lookup) = timeout_at(deadline, self.ask(name)).await else {
            return Err(Fault::Ours(Impaired::Resolver("too many other lookups are still waiting for an answer".to_owned())));
        };
        let mut lookup = lookup?;
        let half = began + deadline.saturating_duration_since(began) / 2;
        tokio::select! {
            found = &mut lookup => return self.judged(name, found, began, deadline).await,
            () = sleep_until(half) => {}
        }
        let control = self.answers(name, began, deadline);
        let (mut control, mut works) = (std::pin::pin!(control), None);
        loop {
            tokio::select! {
                found = &mut lookup => return self.judged(name, found, began, deadline).await,
                found = &mut control, if works.is_none() => works = Some(found),
                () = sleep_until(deadline) => break,
            }
        }
        self.not_answered(name);
        Err(blamed(works == Some(true), name, "no answer in time"))
    }

    async fn judged(
        &self,
        name: &str,
        found: Result<Found, oneshot::error::RecvError>,
        began: Instant,
        deadline: Instant,
    ) -> Result<Vec<IpAddr>, Fault> {
        let Ok(found) = found else {
            return Err(Fault::Ours(Impaired::Resolver("the lookup has ended without an answer".to_owned())));
        };
        match &*found {
            Ok(addresses) if !addresses.is_empty() => {
                self.remember(name);
                Ok(addresses.clone())
            }
            Ok(_) => {
                self.unanswered().remove(name);
                Err(Fault::Server(Reason::Dns, format!("{name} has no address")))
            }
            Err(Unresolved::NoSuchName(error)) => {
                self.remember(name);
                Err(Fault::Server(Reason::Dns, format!("{name} does not resolve: {error}")))
            }
            // An engine's resolver answers so for a container that is gone.
            Err(Unresolved::NoAnswer(error)) => {
                self.not_answered(name);
                Err(blamed(self.answers(name, began, deadline).await, name, error))
            }
            Err(Unresolved::Ours(error)) => Err(Fault::Ours(Impaired::of(copied(error)))),
        }
    }

    /// Whether the resolver answers anything: another name has been answered since then, or is now.
    async fn answers(&self, failing: &str, since: Instant, deadline: Instant) -> bool {
        let asked = async {
            if self.has_answered(failing, since).await {
                return true;
            }
            let _turn = self.turn.lock().await;
            if self.has_answered(failing, since).await {
                return true;
            }
            let other = self.another_than(failing).await;
            let Ok(lookup) = self.ask(&other).await else { return false };
            let is_answer = lookup.await.is_ok_and(|found| matches!(&*found, Ok(_) | Err(Unresolved::NoSuchName(_))));
            if is_answer {
                self.remember(&other);
            }
            is_answer
        };
        timeout_at(deadline, asked).await.unwrap_or(false)
    }

    /// The lookup of this name that runs, or else a new one.
    async fn ask(&self, name: &str) -> Result<Running, Fault> {
        if let Some(running) = lock(&self.underway).get(name) {
            return Ok(running.clone());
        }
        let is_unanswered = self.unanswered().contains(name);
        let part = if is_unanswered { Some(Arc::clone(&self.part).acquire_owned().await) } else { None };
        let permit = Arc::clone(&self.room).acquire_owned().await;
        let mut underway = lock(&self.underway);
        if let Some(running) = underway.get(name) {
            return Ok(running.clone());
        }
        let (answer, answered) = oneshot::channel();
        let (lookup, ends) = (Arc::clone(&self.lookup), Ends { name: name.into(), underway: Arc::clone(&self.underway) });
        let run = move || {
            let _held = (permit, part);
            let found = lookup(&ends.name);
            // Who asks from now on asks anew.
            drop(ends);
            // Whoever asked may have given up.
            let _ = answer.send(Arc::new(found));
        };
        // A thread of its own, not the runtime's: the end of the program does not wait for it.
        let thread = std::thread::Builder::new().name("resolve".to_owned()).stack_size(256 * 1024);
        let running = answered.shared();
        underway.insert(name.into(), running.clone());
        // A thread that does not start drops what it was given, which wants the lock.
        drop(underway);
        thread.spawn(run).map_err(|error| Fault::Ours(Impaired::of(error)))?;
        Ok(running)
    }

    fn unanswered(&self) -> MutexGuard<'_, HashSet<Box<str>>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn not_answered(&self, name: &str) {
        let mut unanswered = self.unanswered();
        if unanswered.len() >= MOST_UNANSWERED {
            unanswered.clear();
        }
        unanswered.insert(name.into());
    }

    fn remember(&self, name: &str) {
        self.unanswered().remove(name);
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.retain(|(_, known)| **known != *name);
        if answered.len() == REMEMBERED {
            answered.pop_front();
        }
        answered.push_back((Instant::now(), name.into()));
    }

    async fn has_answered(&self, failing: &str, since: Instant) -> bool {
        self.resolved(|at, name| at >= since && name != failing).await.is_some()
    }

    async fn another_than(&self, failing: &str) -> String {
        let other = self.resolved(|_, name| name != failing).await;
        other.map_or_else(|| NOBODY.to_owned(), Into::into)
    }

    /// The latest of such names that only a resolver can have answered.
    async fn resolved(&self, wanted: impl Fn(Instant, &str) -> bool) -> Option<Box<str>> {
        let names: Vec<_> = {
            let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
            answered.iter().rev().filter(|(at, name)| wanted(*at, name)).map(|(_, name)| name.clone()).collect()
        };
        if names.is_empty() {
            return None;
        }
        let latest = move || names.into_iter().find(|name| !is_in_hosts_file(name));
        tokio::task::spawn_blocking(latest).await.ok().flatten()
    }
}

/// However a lookup ends, it no longer runs.
struct Ends {
    name: Box<str>,
    underway: Underway,
}

impl Drop for Ends {
    fn drop(&mut self) {
        lock(&self.underway).remove(&self.name);
    }
}

fn lock(underway: &Underway) -> MutexGuard<'_, HashMap<Box<str>, Running>> {
    underway.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Several may wait for the same lookup.
fn copied(error: &std::io::Error) -> std::io::Error {
    let other = || std::io::Error::new(error.kind(), error.to_string());
    error.raw_os_error().map_or_else(other, std::io::Error::from_raw_os_error)
}

fn blamed(resolver_works: bool, name: &str, error: &str) -> Fault {
    if resolver_works {
        Fault::Server(Reason::Dns, format!("{name} does not resolve: {error}"))
    } else {
        Fault::Ours(Impaired::Resolver(format!("asked for {name}: {error}")))
    }
}

/// Such a name is answered without any resolver.
fn is_in_hosts_file(name: &str) -> bool {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let words = |line: &str| line.split('#').next().unwrap_or_default().split_whitespace().skip(1).any(|word| word == name);
    name == "localhost" || name.ends_with(".localhost") || hosts.lines().any(words)
}

fn system(name: &str) -> Result<Vec<IpAddr>, Unresolved> {
    match dns_lookup::lookup_host(name) {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(unresolved(error)),
    }
}

fn unresolved(error: LookupError) -> Unresolved {
    let kind = error.kind();
    // The text of the C library.
    let error = std::io::Error::from(error);
    match kind {
        LookupErrorKind::Memory => Unresolved::Ours(error),
        LookupErrorKind::System if Impaired::is_ours(&error) => Unresolved::Ours(error),
        LookupErrorKind::Again | LookupErrorKind::Fail | LookupErrorKind::System => Unresolved::NoAnswer(error.to_string()),
        // Nobody has that name, or no resolver is even asked for it.
        _ => Unresolved::NoSuchName(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
