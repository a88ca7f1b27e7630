//! Looks at servers: one check, one verdict (contract, sections 1.1 and 2.1).
//!
//! A check makes all probes of a server at once, under one deadline; the worst of what they find counts, and everything is
//! kept as evidence. A check that fails is an outcome, not an error. The one error is [`Impaired`]: the monitor itself could not
//! look, and nothing may be held against the server. When to check, and what a verdict leads to, is decided by the machine.

pub mod address;
pub mod aim;
mod combine;
mod deadline;
mod dial;
mod glimpse;
pub mod headers;
pub mod http;
mod impaired;
mod life;
mod line;
pub mod mcp;
mod resolve;
pub mod target;
mod tcp;
pub mod tls;

use std::time::Duration;

use futures_util::future::join_all;
use health_spec::registry::ProbeKind;
use health_spec::verdict::{History, Phases, Reason, Verdict};
use jiff::Timestamp;
use tokio::time::Instant;

use super::runtime::life::Lives;
use crate::machine::ServerId;
use combine::combine;
use deadline::{Deadline, milliseconds};
pub use glimpse::{Glimpse, KEPT_BYTES};
pub use headers::Trace;
pub use impaired::Impaired;
pub use resolve::Resolver;
pub use target::{Look, Target};

/// What one check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// What it means for the server.
    pub verdict: Verdict,
    /// From the start of the check until it was decided.
    pub response_time: Duration,
    /// The answer as it came, when there was one.
    pub glimpse: Option<Glimpse>,
}

/// What a check needs beside its target.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Whom it is about.
    pub server: ServerId,
    /// One deadline over everything.
    pub timeout: Duration,
    /// What earlier answers have taught.
    pub history: &'a History,
    /// Says when an answer arrived.
    pub clock: fn() -> Timestamp,
    /// Finds addresses.
    pub resolver: &'a Resolver,
    /// Knows what runs.
    pub lives: &'a dyn Lives,
    /// The workflow that it belongs to.
    pub trace: Trace,
}

/// Why there is no answer.
#[derive(Debug)]
enum Fault {
    /// The server's: a verdict.
    Server(Reason, String),
    /// Our own: no verdict.
    Ours(Impaired),
}

/// What one probe found.
struct Seen {
    kind: ProbeKind,
    found: Result<Verdict, Impaired>,
    took: Duration,
    phases: Phases,
    glimpse: Option<Glimpse>,
}

/// Checks a server once.
///
/// Dropping the future closes all connections.
pub async fn check(target: &Target, question: &Question<'_>) -> Result<Checked, Impaired> {
    let started = Instant::now();
    let deadline = Deadline::new(started, question.timeout);
    let seen = match &*target.looks {
        // Without the bookkeeping of many.
        [only] => vec![look(only, &own(question, only.kind(), 0), deadline).await],
        looks => join_all((0..looks.len()).map(|place| one_of(looks, place, question, deadline))).await,
    };
    let glimpse = glimpse(&seen);
    let verdict = combine(seen)?;
    Ok(Checked { verdict, response_time: started.elapsed(), glimpse })
}

/// Of several answers the one that the verdict is about, so far as it can be told: the first of the worst.
fn glimpse(seen: &[Seen]) -> Option<Glimpse> {
    let answered = seen.iter().filter(|one| one.glimpse.is_some());
    // Of equals the last one is taken.
    let worst = answered.rev().max_by_key(|one| one.found.as_ref().ok().map(|verdict| verdict.outcome));
    worst?.glimpse.clone()
}

async fn one_of(looks: &[Look], place: usize, question: &Question<'_>, deadline: Deadline) -> Seen {
    let kind = looks[place].kind();
    let nth = looks[..place].iter().filter(|earlier| earlier.kind() == kind).count();
    look(&looks[place], &own(question, kind, nth), deadline).await
}

/// With what this probe has learnt, and no other.
fn own<'a>(question: &Question<'a>, kind: ProbeKind, nth: usize) -> Question<'a> {
    Question { history: question.history.of(kind, nth), ..question.clone() }
}

async fn look(look: &Look, question: &Question<'_>, deadline: Deadline) -> Seen {
    let started = Instant::now();
    let (mut phases, mut glimpse) = (Phases::default(), None);
    let found = match look {
        Look::Http(target) => http::check(target, question, deadline, &mut phases, &mut glimpse).await,
        Look::Mcp(target) => mcp::check(target, question, deadline, &mut phases, &mut glimpse).await,
        Look::Tcp(to) => tcp::check(to, question, deadline, &mut phases).await,
        Look::Container | Look::Process => life::check(question, deadline).await,
    };
    Seen { kind: look.kind(), found, took: started.elapsed(), phases, glimpse }
}

#[cfg(test)]
mod tests;
