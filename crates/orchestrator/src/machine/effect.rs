//! What the machine wants done.

use std::time::Duration;

use health_spec::config::Strategy;
use health_spec::{EventKind, Phase};

use super::{Mono, ServerId, Ticket};

/// What the machine wants done. Events are published in this order, and are on disk before any action starts.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Say that this happened.
    Publish(Happened),
    /// Nothing is to be said, but what the server remembers has to survive a crash from now on.
    Remember(ServerId),
    /// Check the server once, and report what was found under this ticket.
    Probe {
        /// Names the check.
        ticket: Ticket,
        /// One deadline over the whole exchange.
        timeout: Duration,
    },
    /// Bring the server back, and report how that ended under this ticket.
    Act {
        /// Names the action.
        ticket: Ticket,
        /// What to do.
        strategy: Strategy,
        /// Which attempt; 0 for one that is not counted.
        attempt: u32,
        /// Why, as in `recovery_started`.
        reason: String,
        /// The incident that it belongs to.
        incident: Option<u64>,
    },
    /// The action may touch its server: it asked, and that it does is on disk.
    Proceed(Ticket),
    /// The action does not touch its server, unless it was allowed to before, and ends with an error: somebody is stopping the server or
    /// has, or it is nobody's any more.
    Abandon(Ticket),
    /// What a `recreate` has left open is decided: report under this ticket when that is done. Ordered again after a crash; done twice
    /// it changes nothing more.
    Settle {
        /// Names it.
        ticket: Ticket,
        /// The new one is well, and the old one goes; or the new one goes, and the old one is put back.
        keep: bool,
        /// What is put back is started: nobody has stopped it meanwhile.
        start: bool,
    },
}

/// An event, as far as the machine knows it: names, numbers and the wall clock are the shell's.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    /// When.
    pub at: Mono,
    /// The server concerned, if one is.
    pub server: Option<ServerId>,
    /// What.
    pub kind: EventKind,
    /// The moment that a timestamp among the kind's fields refers to (`first_failure_at`, `until`).
    pub moment: Option<Mono>,
    /// The server's phase after the whole step.
    pub phase: Option<Phase>,
    /// The incident that it belongs to.
    pub incident: Option<u64>,
}
