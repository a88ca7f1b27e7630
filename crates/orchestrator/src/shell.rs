//! Acts: everything that waits or fails.

pub mod config;
pub mod probe;
