//! The gateway as a program.

// They panic when their reader has gone: `cli::note` and `writeln!` do not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
