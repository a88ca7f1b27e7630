//! Looks at servers: one check, one verdict (contract, section 1.1).
//!
//! A check that fails is an outcome, not an error. The one error is [`Impaired`]: the monitor itself could not look,
//! and nothing may be held against the server. When to check, and what a verdict leads to, is decided by the machine.

mod dial;
pub mod http;
mod target;

use std::io;
use std::time::Duration;

use health_spec::verdict::Verdict;
use thiserror::Error;

use super::evidence::Glimpse;

pub use target::{HttpTarget, TargetError};

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

/// The monitor could not look: no verdict, but the event `monitor_impaired`.
#[derive(Debug, Error)]
pub enum Impaired {
    /// The process or the machine has no file descriptor left.
    #[error("no file descriptors left to check with")]
    FileDescriptors(#[source] io::Error),
    /// No local port is left, or no local address of that family exists.
    #[error("no local address or port left to check from")]
    LocalAddress(#[source] io::Error),
    /// The kernel has no memory for another socket.
    #[error("no memory left for a socket to check with")]
    Memory(#[source] io::Error),
}
