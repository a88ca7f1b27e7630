//! What earlier checks have learnt about a server, lent to one check at a time.
//!
//! A check that is dropped in the middle gives back what it knew. Two at a time happen when a hanging one has been given up by the
//! machine: each opens a session then, and the one too many is ended later.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::header::HeaderValue;

use super::stdio::Pipes;

/// How a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Era {
    /// 2026-07-28 and later: no sessions.
    Modern,
    /// Older, and answers without a session.
    Stateless,
    /// Older, with sessions.
    Sessions,
    /// The oldest: a stream for the answers, and another address for the requests.
    Stream,
}

/// A session that is open with the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionId {
    pub(super) id: HeaderValue,
    /// The protocol version that was agreed on.
    pub(super) version: HeaderValue,
}

/// What is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) era: Option<Era>,
    pub(super) session: Option<SessionId>,
    /// It has answered well at some time.
    pub(super) was_well: bool,
}

/// Where it is kept between checks.
#[derive(Debug, Default)]
pub(super) struct Memory {
    kept: Mutex<Kept>,
    /// Of a child that is spoken with over its pipes.
    pub(super) pipes: Pipes,
}

#[derive(Debug, Default)]
struct Kept {
    known: Known,
    surplus: Vec<SessionId>,
}

/// What one check has; given back when it ends, however it ends.
pub(super) struct Loan<'a> {
    memory: &'a Memory,
    pub(super) known: Known,
}

impl Memory {
    pub(super) fn lend(&self) -> Loan<'_> {
        let mut kept = self.lock();
        let session = kept.known.session.take();
        Loan { memory: self, known: Known { session, ..kept.known.clone() } }
    }

    pub(super) fn take_surplus(&self) -> Vec<SessionId> {
        std::mem::take(&mut self.lock().surplus)
    }

    /// Every session that is open, for its end.
    pub(super) fn take_all(&self) -> Vec<SessionId> {
        let mut kept = self.lock();
        let session = kept.known.session.take();
        std::mem::take(&mut kept.surplus).into_iter().chain(session).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut kept = self.memory.lock();
        let other = kept.known.session.take();
        kept.known = std::mem::take(&mut self.known);
        if let Some(other) = other {
            let spare = kept.known.session.replace(other);
            kept.surplus.extend(spare);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &'static str) -> Option<SessionId> {
        Some(SessionId { id: HeaderValue::from_static(id), version: HeaderValue::from_static("2025-11-25") })
    }

    #[test]
    fn two_checks_at_a_time_leave_one_session_and_one_to_end() {
        let memory = Memory::default();
        let (mut first, mut second) = (memory.lend(), memory.lend());
        first.known.session = session("first");
        second.known.session = session("second");
        drop(first);
        drop(second);
        assert_eq!(memory.take_surplus(), [session("second").expect("one")]);
        assert_eq!(memory.lend().known.session, session("first"));
        assert_eq!(memory.take_all(), [session("first").expect("one")]);
    }
}
