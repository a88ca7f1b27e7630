//! Decides. No clock, no IO, no log: it is given `now` and an input, and answers with effects.
//!
//! [`Fleet`] is the whole machine; a [`server`] is one state machine of it. [`policy`] is what a checked
//! configuration has become, [`memory`] what survives a restart.

pub mod backoff;
pub mod effect;
pub mod fleet;
pub mod hold;
pub mod input;
pub mod memory;
pub mod policy;
pub mod server;
pub mod storm;
pub mod transition;
pub mod uptime;
pub mod why;

pub use effect::{Effect, Happened};
pub use fleet::{Fleet, Refusal};
pub use input::{Command, Death, EngineId, Input, Mono, ServerId, Ticket, Word};
pub use policy::Policy;
