//! The runtimes against real child processes and a real Docker engine.
#![cfg(feature = "shell")]
#![expect(clippy::disallowed_methods, reason = "a test gives up after a while, by the clock")]
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

mod bench;
mod docker;
mod harbour;
mod process;
#[path = "../engine/quay.rs"]
mod quay;
mod strait;
