//! What must hold in every world. Each law has a name and one sentence; `docs/testing.md` prints the list.
//!
//! A [`Watch`] looks at a world after every step. It keeps its own account of what has happened, from events and orders alone, and
//! compares the machine with that; it lives on where the orchestrator is killed.

use std::fmt;

use super::World;
use crate::machine::{Effect, Mono};
use account::Life;
use outage::Outage;

mod account;
mod attempts;
mod checks;
mod ends;
mod incidents;
mod outage;
mod right;

/// A law.
#[derive(Debug, PartialEq, Eq)]
pub struct Law {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    /// Where the rules are that it guards.
    pub guards: &'static str,
}

macro_rules! laws {
    ($($id:ident = $name:literal, $says:literal, $guards:literal;)*) => {
        $(pub(super) const $id: Law = Law { name: $name, says: $says, guards: $guards };)*
        /// All of them.
        pub const LAWS: &[Law] = &[$($id),*];
    };
}

laws! {
    ONE_ACTION = "one action", "At most one action is in flight for a server, and each attempt or restart has ended before the next begins, also across a crash.", "`server/recovery`, `server/word` (`supersede`), `server` (`taken_up`)";
    BACKOFF = "backoff", "Attempts count up by one, start over only as rule 7 says, never exceed the backoff, and wait out its delays, also across a crash.", "`server/recovery`, `server/check`, `backoff`";
    BUDGET = "budget", "No window holds more attempts than the budget, also across a crash.", "`server/recovery` (`next_delay`)";
    RIGHT = "right to act", "Nothing is recovered that is not down, or is stopped, may be being stopped, paused, in maintenance, disabled, manual or observed, whose dependency is not healthy, or whose engine is lost.", "`hold`, `server/recovery`";
    LEAVE = "leave", "No action touches what was stopped, may be being stopped, or was started by somebody else after it was decided; an operator's restart does not wait for what only may be, nor for a start. Nor does one touch anything that was not allowed to.", "`server/ending` (`touches`)";
    CONCURRENCY = "max_concurrent", "Never more recoveries of ours at once than `max_concurrent`; an operator's restarts are not counted.", "`fleet` (`surroundings`), `hold`";
    UNWRITTEN = "unwritten", "While the state cannot be written, a server gets one attempt at most.", "`hold`";
    STORM = "storm", "A monitor that has lost its network, and has four other servers that are up to ask, restarts at most the canary; deaths that an engine reported aside.", "`storm`, `fleet/weather`";
    EBB = "ebb", "After a storm at most `max_concurrent` go on at once, and the canary; the others when those have settled.", "`storm/ebb`, `fleet/weather` (`release_in_turn`)";
    ALONE = "left alone", "A server that answers that it is overloaded is not checked again before the time that it asked for, or `max_backoff`, is over; a death, a start, an action or a person aside.", "`server/pace` (`leave_alone`)";
    NUMBERS = "numbers", "Events are numbered without gaps, and incidents upwards, also across a crash.", "`fleet`, `server` (`go_down`)";
    CLOSED = "closed once", "A `server_down` is closed by exactly one of its four ends before the next, and what ends has begun.", "`server`, `server/check`, `server/word`";
    EXHAUSTED = "exhausted once", "`recovery_exhausted` comes within an incident, at most once, and only when attempts or budget are really used up.", "`server/recovery` (`exhaust`)";
    CHANGES = "changes", "A status never changes to itself, and each change begins where the last one ended.", "`server` (`publish_status`)";
    PHASES = "phases", "Only the steps of `machine::transition` lead from one phase to another.", "`transition`, everything that enters a phase";
    HELD = "held", "What is held is down, and what is healthy has no open incident.", "`server/recovery`";
    THRESHOLD = "threshold", "Checks make a server down after `failure_threshold` failures in a row, no sooner, and no later unless it was sent a signal that may still end it.", "`server/check` (`failed`)";
    CONFIRMED = "confirmed", "What was down is well after `success_threshold` good answers in a row, and since the last action, death or start.", "`server/check` (`answered_well`)";
    GRACE = "grace", "A failed check within `start_period` after a start does not count.", "`server/check`, `server/word` (`begins`)";
    QUIET_ACTION = "no check", "No check runs during an action.", "`server` (`start_check`), `server/pace`";
    LATE_RESULT = "late results", "A result that nobody waits for changes nothing and says nothing.", "`server/check` (`observed`), `server/recovery` (`finished`)";
    ON_TIME = "on time", "No check is later than its pace, its share of the spread and a slot, while there is room for it.", "`server/pace`, `fleet` (`arm`)";
    PUT_BACK = "put back", "What a recreate has replaced goes only while its successor is well, and is put back after every failed attempt, also across a crash.", "`server/settle`";
    BLIND = "blind", "No attempt has failed for want of time while the monitor could not look.", "`server/check` (`blind`), `server/recovery` (`not_verified`)";
    ROOM = "room", "Never more checks at once than there is room for; witnesses aside.", "`fleet` (`let_others_go_on`)";
    REMEMBERED = "remembered", "No server is forgotten: each is being checked, acted on or judged, or has a moment at which it will be, and the fleet wakes by then.", "`fleet` (`arm`), `server` (`deadline`)";
    SETTLES = "settles", "Once a world is quiet, everything is well within `story::settles_within`.", "everything";
}

/// A law that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which one.
    pub law: &'static str,
    /// When.
    pub at: Mono,
    /// Of which server, and how.
    pub how: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "law `{}` is broken at {} s: {}", self.law, self.at.0.as_secs_f64(), self.how)
    }
}

/// Looks at a world after every step.
#[derive(Debug, Default)]
pub struct Watch {
    lives: Vec<Life>,
    steps: usize,
    seq: u64,
    incidents: u64,
    engine_lost: bool,
    disk_lost: Option<Mono>,
    outage: Option<Outage>,
}

type Checked = Result<(), Broken>;

impl Watch {
    /// A watch over a world that has just begun.
    pub fn over(world: &World) -> Result<Self, Broken> {
        let mut watch = Self::default();
        watch.look(world)?;
        Ok(watch)
    }

    /// Looks at the last step. The error says which law was broken.
    pub fn look(&mut self, world: &World) -> Checked {
        self.meet(world);
        self.learn_twist(world);
        let step = world.step();
        if let Some(id) = step.ended {
            self.lives[world.actor(id)].in_flight = false;
        }
        let mut seq = step.first_seq;
        for effect in &step.effects {
            match effect {
                Effect::Publish(happened) => {
                    self.number(world, seq)?;
                    seq += 1;
                    self.happened(world, happened)?;
                }
                Effect::Act { ticket, .. } => self.acts(world, ticket.server)?,
                Effect::Settle { ticket, keep, .. } => self.settles(world, ticket.server, *keep)?,
                Effect::Probe { ticket, .. } => self.probes(world, *ticket)?,
                Effect::Proceed(ticket) => self.touches(world, ticket.server)?,
                Effect::Remember(_) | Effect::Abandon(_) => {}
            }
        }
        if world.is_watching() {
            self.judge_ebb(world)?;
            self.states(world)?;
        }
        Ok(())
    }
}

fn law(law: &Law, world: &World, holds: bool, how: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Broken { law: law.name, at: world.now(), how: how() }) }
}
