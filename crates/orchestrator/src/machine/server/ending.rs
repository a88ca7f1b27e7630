//! A signal that may end a server was told of: nothing is done to it until it is clear how that ends.
//!
//! It dies, is stopped, is started, or a bounded time has passed. An operator's own restart does not wait.
//!
//! Invariant: an action asks before it touches its server, and what it was told is on disk before it does. So whoever stops the server
//! before that is known not to be us, also after a crash.

use std::time::Duration;

use health_spec::config::Strategy;

use super::{Server, Turn};
use crate::machine::memory::{Attempt, Recovery, Signal, Stage};
use crate::machine::{Effect, Mono, Ticket};

/// How long a stop may take, at least. Its patience is Docker's 10 s, what the container was created with, or what whoever stops it asks for, and
/// the last nobody tells.
pub(in crate::machine) const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// How long a death after SIGKILL alone waits for the engine's `stop` (rule 3): `kill` has none.
const STOP_FOLLOWS_WITHIN: Duration = Duration::from_secs(1);

/// The same after a signal that asks. Docker told a stop up to 2.02 s after the death, when a loaded machine stopped 22 containers of a compose
/// project at once.
const STOP_FOLLOWS_A_REQUEST_WITHIN: Duration = Duration::from_secs(5);

impl Signal {
    /// When it has had its time.
    fn ends_by(&self) -> Mono {
        self.at.after(self.within)
    }
}

impl Server {
    /// Somebody has sent it a signal that may end it; `asks`: another one than SIGKILL, and its engine then waits for so long. An action that
    /// has not touched it yet does not.
    pub(super) fn signalled(&mut self, turn: &mut Turn<'_>, asks: bool, patience: Option<Duration>) {
        let before = self.ends_by();
        let own = patience.unwrap_or_default().saturating_add(STOP_FOLLOWS_A_REQUEST_WITHIN);
        let signal = self.state.signal.get_or_insert_with(|| Box::new(Signal { at: turn.now, asks, within: STOPS_WITHIN }));
        signal.asks |= asks;
        signal.within = signal.within.max(own);
        // One that fails while it is being asked again and again is not left alone for ever.
        let is_left_alone = before.is_some_and(|until| until > turn.now);
        if !is_left_alone || self.state.failures == 0 {
            signal.at = turn.now;
        }
        let ends_by = signal.ends_by();
        if let Recovery::Waiting { due, .. } = &mut self.state.recovery
            && Some(*due) == before
        {
            *due = ends_by;
        }
        turn.effects.push(Effect::Remember(turn.id));
        if !matches!(self.state.recovery, Recovery::Acting { attempt: Attempt::Operator, .. }) {
            self.abandon(turn);
        }
    }

    /// The action has prepared everything. From here on a death, a signal or a stop may be its own.
    pub(in crate::machine) fn touches(&mut self, turn: &mut Turn<'_>, ticket: Ticket) {
        match &mut self.state.recovery {
            // Whoever has stopped it, or may be doing so, has called it off.
            Recovery::Acting { serial, strategy, stage, undoing: false, since, .. }
                if *serial == ticket.serial && *stage == Stage::Prepares =>
            {
                (*stage, *since) = (Stage::Begun, Some(turn.now));
                let strategy = strategy.unwrap_or(Strategy::Restart);
                if strategy == Strategy::Recreate {
                    (self.state.unsettled, self.state.proven) = (true, false);
                }
                self.state.restarts_ours += u64::from(strategy != Strategy::Repair);
                self.joins_network(strategy);
                turn.effects.push(Effect::Remember(turn.id));
                turn.effects.push(Effect::Proceed(ticket));
            }
            _ => turn.effects.push(Effect::Abandon(ticket)),
        }
    }

    /// The action that is on its way is not to touch the server any more, if it has not begun to.
    pub(super) fn abandon(&mut self, turn: &mut Turn<'_>) {
        if let Recovery::Acting { serial, stage, undoing: false, .. } = &mut self.state.recovery
            && *stage == Stage::Prepares
        {
            *stage = Stage::CalledOff;
            turn.effects.push(Effect::Abandon(Ticket { server: turn.id, serial: *serial }));
        }
    }

    /// Somebody else has started it before an action touched it: that start is to show what it is worth. What a person asked for is done.
    pub(super) fn overtaken(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.state.recovery, Recovery::Acting { attempt: Attempt::Operator, .. }) {
            return;
        }
        self.abandon(turn);
        if let Recovery::Acting { stage: stage @ Stage::CalledOff, .. } = &mut self.state.recovery {
            *stage = Stage::Overtaken;
        }
    }

    /// It has died, and an action that has not touched it goes on: what is open is whether that was a stop, and not how the signal ends.
    pub(super) fn has_died_of_it(&mut self, now: Mono) {
        let follows = self.stop_follows_within();
        if let Some(signal) = &mut self.state.signal {
            signal.within = now.since(signal.at).saturating_add(follows);
        }
    }

    pub(super) fn forget_signal(&mut self) {
        self.state.signal = None;
    }

    /// It has died of it, and that is judged, or nothing comes of it: what waited for it goes on. Whether there was one.
    pub(super) fn has_ended(&mut self, now: Mono) -> bool {
        let ends_by = self.ends_by();
        self.forget_signal();
        if let Recovery::Waiting { due, .. } | Recovery::Verifying { until: due, .. } = &mut self.state.recovery
            && Some(*due) == ends_by
        {
            *due = now.min(*due);
        }
        ends_by.is_some()
    }

    /// When the signal has had its time.
    pub(in crate::machine) fn ends_by(&self) -> Option<Mono> {
        self.state.signal.as_ref().map(|signal| signal.ends_by())
    }

    /// It is dead, is dying, or was sent a signal that may end it.
    pub(in crate::machine) fn may_be_ending(&self) -> bool {
        self.state.is_dead || self.state.dying.is_some() || self.state.signal.is_some()
    }

    /// Until when it may be a stop that goes on; `None`: it is none, or that is over.
    pub(super) fn unclear_until(&self, now: Mono) -> Option<Mono> {
        let dying = self.state.dying.as_ref().map(|dying| dying.until);
        [dying, self.ends_by()].into_iter().flatten().max().filter(|until| *until > now)
    }

    /// How long the engine has to tell that a death was a stop.
    pub(super) fn stop_follows_within(&self) -> Duration {
        let asks = self.state.signal.as_ref().is_some_and(|signal| signal.asks);
        if asks { STOP_FOLLOWS_A_REQUEST_WITHIN } else { STOP_FOLLOWS_WITHIN }
    }
}
