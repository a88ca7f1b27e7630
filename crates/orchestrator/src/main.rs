//! The `orchestrator` command: a table of contents.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
