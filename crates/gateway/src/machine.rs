//! What the gateway believes and says: pure, without clock, IO or randomness.
//!
//! [`state::State`] folds what sources say into a view and a log; [`reader::Reader`] is one client's place in it.

pub(crate) mod backoff;
pub(crate) mod cursor;
pub(crate) mod ecosystem;
pub(crate) mod filter;
pub(crate) mod log;
pub(crate) mod message;
pub(crate) mod reader;
pub(crate) mod resolve;
pub(crate) mod state;
pub(crate) mod view;

#[cfg(test)]
pub(crate) mod sample;
