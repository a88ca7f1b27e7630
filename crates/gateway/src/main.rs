//! The gateway as a program.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
