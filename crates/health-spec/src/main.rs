//! `health-spec`: validate health answers, print the schemas, judge a running server.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
