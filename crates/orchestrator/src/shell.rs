//! Acts: everything that waits or fails.

pub mod runtime;
