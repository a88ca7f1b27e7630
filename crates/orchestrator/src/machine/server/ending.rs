//! A signal that may end a server was told of: nothing is done to it until it is clear how that ends.
//!
//! It dies, is stopped, is started, or a bounded time has passed. An operator's own restart does not wait.

use std::time::Duration;

use super::{Server, Turn};
use crate::machine::memory::{Attempt, Recovery, Stage};
use crate::machine::{Effect, Mono, Ticket};

/// How long a stop may take. It has a patience of its own, which nobody tells: Docker's is 10 s, and whoever asks for a stop may ask for more.
pub(in crate::machine) const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// How long a death after SIGKILL alone waits for the engine's `stop` (rule 3): `kill` has none.
const STOP_FOLLOWS_WITHIN: Duration = Duration::from_secs(1);

/// The same after a signal that asks. Docker told a stop up to 2.02 s after the death, when a loaded machine stopped 22 containers of a compose
/// project at once.
const STOP_FOLLOWS_A_REQUEST_WITHIN: Duration = Duration::from_secs(5);

impl Server {
    /// Somebody has sent it a signal that may end it; `asks`: another one than SIGKILL. An action that has not touched it yet does not.
    pub(super) fn signalled(&mut self, turn: &mut Turn<'_>, asks: bool) {
        let before = self.ends_by();
        self.state.asked_to_end |= asks;
        // One that fails while it is being asked again and again is not left alone for ever.
        let is_left_alone = before.is_some_and(|until| until > turn.now);
        if !is_left_alone || self.state.failures == 0 {
            self.state.killed_at = Some(turn.now);
        }
        if let (Recovery::Waiting { due, .. }, Some(ends_by)) = (&mut self.state.recovery, before)
            && *due == ends_by
            && let Some(until) = self.state.killed_at.map(|at| at.after(STOPS_WITHIN))
        {
            *due = until;
        }
        turn.effects.push(Effect::Remember(turn.id));
        if !matches!(self.state.recovery, Recovery::Acting { attempt: Attempt::Operator, .. }) {
            self.abandon(turn);
        }
    }

    /// The action that is on its way is not to touch the server any more, if it has not begun to.
    pub(super) fn abandon(&self, turn: &mut Turn<'_>) {
        if let Recovery::Acting { serial, stage: Stage::Begun, undoing: false, .. } = self.state.recovery {
            turn.effects.push(Effect::Abandon(Ticket { server: turn.id, serial }));
        }
    }

    pub(super) fn forget_signal(&mut self) {
        self.state.killed_at = None;
        self.state.asked_to_end = false;
    }

    /// It has died of it, and that is judged: what waited for it goes on. Whether there was one.
    pub(super) fn has_ended(&mut self, now: Mono) -> bool {
        let ends_by = self.ends_by();
        self.forget_signal();
        if let Recovery::Waiting { due, .. } = &mut self.state.recovery
            && Some(*due) == ends_by
        {
            *due = now.min(*due);
        }
        ends_by.is_some()
    }

    /// When the signal has had its time.
    pub(in crate::machine) fn ends_by(&self) -> Option<Mono> {
        self.state.killed_at.map(|at| at.after(STOPS_WITHIN))
    }

    /// Until when it may be a stop that goes on; `None`: it is none, or that is over.
    pub(super) fn unclear_until(&self, now: Mono) -> Option<Mono> {
        let dying = self.state.dying.as_ref().map(|dying| dying.until);
        [dying, self.ends_by()].into_iter().flatten().max().filter(|until| *until > now)
    }

    /// How long the engine has to tell that a death was a stop.
    pub(super) fn stop_follows_within(&self) -> Duration {
        if self.state.asked_to_end { STOP_FOLLOWS_A_REQUEST_WITHIN } else { STOP_FOLLOWS_WITHIN }
    }
}
