//! Decides. No clock, no IO, no log: it is given `now` and an input, and answers with effects.

pub mod input;

pub use input::{Death, Input, Mono, ServerId, Ticket, Word};
