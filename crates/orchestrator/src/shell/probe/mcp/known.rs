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

/// How often the end of a session is tried: a server that does not answer to it is not asked at every check for ever.
const TRIES: u8 = 3;

/// What is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) era: Option<Era>,
    pub(super) session: Option<SessionId>,
    /// How many checks have asked in that session.
    pub(super) asked: u32,
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
    surplus: Vec<Surplus>,
    /// Nobody checks here any more: what comes back is to be ended by whoever brings it.
    is_left: bool,
}

/// A session too many, and how often its end has been tried.
#[derive(Debug)]
struct Surplus {
    session: SessionId,
    tries: u8,
}

/// What one check has; given back when it ends, however it ends.
pub(super) struct Loan<'a> {
    memory: &'a Memory,
    pub(super) known: Known,
    /// Every session that the server has opened meanwhile.
    pub(super) opened: Opened,
}

/// Sessions that a server has opened, noted as soon as they are known: what else it answers may never come.
#[derive(Debug, Default)]
pub(super) struct Opened(Mutex<Vec<SessionId>>);

impl Opened {
    pub(super) fn note(&self, session: SessionId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }

    fn take(&self) -> Vec<SessionId> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Loan<'_> {
    /// Of the sessions that were opened all but the one that is kept are to be ended.
    pub(super) fn give_up_spare(&self) {
        let kept = self.known.session.as_ref().map(|session| &session.id);
        let spare: Vec<_> = self.opened.take().into_iter().filter(|session| Some(&session.id) != kept).collect();
        self.memory.lock().add(spare);
    }
}

impl Kept {
    fn add(&mut self, spare: impl IntoIterator<Item = SessionId>) {
        for session in spare {
            if self.surplus.iter().all(|known| known.session.id != session.id) {
                self.surplus.push(Surplus { session, tries: 0 });
            }
        }
    }
}

impl Memory {
    pub(super) fn lend(&self) -> Loan<'_> {
        let mut kept = self.lock();
        let session = kept.known.session.take();
        Loan { memory: self, known: Known { session, ..kept.known.clone() }, opened: Opened::default() }
    }

    /// Those that are to be ended. Each stays here until [`Self::has_tried`]: whoever ends it may be dropped meanwhile.
    pub(super) fn surplus(&self) -> Vec<SessionId> {
        self.lock().surplus.iter().map(|surplus| surplus.session.clone()).collect()
    }

    /// Its end was tried, and the server has answered to that or has not.
    pub(super) fn has_tried(&self, session: &SessionId, is_answered: bool) {
        self.lock().surplus.retain_mut(|surplus| {
            let is_it = surplus.session == *session;
            surplus.tries += u8::from(is_it);
            !is_it || (!is_answered && surplus.tries < TRIES)
        });
    }

    /// Every session that is open, for its end. From now on none is kept: [`Self::is_left`].
    pub(super) fn leave(&self) -> Vec<SessionId> {
        let mut kept = self.lock();
        kept.is_left = true;
        let session = kept.known.session.take();
        std::mem::take(&mut kept.surplus).into_iter().map(|surplus| surplus.session).chain(session).collect()
    }

    /// Whether a check that was still running has to end its session itself.
    pub(super) fn is_left(&self) -> bool {
        self.lock().is_left
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.give_up_spare();
        let mut kept = self.memory.lock();
        let other = kept.known.session.take();
        kept.known = std::mem::take(&mut self.known);
        if let Some(other) = other {
            let spare = kept.known.session.replace(other);
            kept.add(spare);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &'static str) -> SessionId {
        SessionId { id: HeaderValue::from_static(id), version: HeaderValue::from_static("2025-11-25") }
    }

    #[test]
    fn two_checks_at_a_time_leave_one_session_and_one_to_end() {
        let memory = Memory::default();
        let (mut first, mut second) = (memory.lend(), memory.lend());
        first.known.session = Some(session("first"));
        second.known.session = Some(session("second"));
        drop(first);
        drop(second);
        assert_eq!(memory.surplus(), [session("second")]);
        assert_eq!(memory.lend().known.session, Some(session("first")));
        assert_eq!((memory.leave(), memory.is_left()), (vec![session("second"), session("first")], true));
    }

    #[test]
    fn what_was_opened_and_is_not_kept_is_to_be_ended_also_when_the_check_is_dropped() {
        let memory = Memory::default();
        let mut loan = memory.lend();
        for id in ["first", "second", "first"] {
            loan.opened.note(session(id));
        }
        loan.known.session = Some(session("second"));
        drop(loan);
        assert_eq!(memory.surplus(), [session("first")]);
        assert_eq!(memory.lend().known.session, Some(session("second")));
    }

    #[test]
    fn a_session_too_many_is_kept_until_the_server_has_answered_or_will_not() {
        let memory = Memory::default();
        let too_many = |id| memory.lock().surplus.push(Surplus { session: session(id), tries: 0 });
        too_many("answered");
        too_many("silent");
        memory.has_tried(&session("answered"), true);
        for _ in 1..TRIES {
            memory.has_tried(&session("silent"), false);
            assert_eq!(memory.surplus(), [session("silent")]);
        }
        memory.has_tried(&session("silent"), false);
        assert_eq!(memory.surplus(), []);
    }
}
