//! The `orchestrator` command: a table of contents.

// They panic when their reader has gone, such as `head`: `cli::print` and `cli::note` do not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli;

use std::process::ExitCode;

/// A check is many small allocations on one thread: with the system's allocator they are a tenth of what it costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
