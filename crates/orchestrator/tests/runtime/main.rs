//! The runtimes against real child processes and a real Docker engine.
#![cfg(feature = "shell")]

mod bench;
mod process;
