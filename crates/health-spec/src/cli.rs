//! The command line. Results go to stdout, notes to stderr; colours only to a terminal, and never with `NO_COLOR`.

mod conformance;
mod junit;
mod schema;
mod style;
mod table;
mod token;
mod validate;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Something could not be read, or the command line was wrong.
const USAGE: u8 = 2;

/// Nobody answers at the address.
const UNREACHABLE: u8 = 69;

/// Health answers of MCP servers: validate them, judge a running server, print the schemas.
#[derive(Parser)]
#[command(name = "health-spec", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 fine; 1 not valid, or a MUST is broken; 2 wrong usage, or a file that cannot be read; 69 nobody answers.";

#[derive(Subcommand)]
enum Command {
    /// Check bodies strictly against the v1.0 schema
    Validate(validate::Options),
    /// Look at a running server from outside, and judge its /health rule by rule
    Conformance(conformance::Options),
    /// Print a JSON Schema, or the names of all
    Schema(schema::Options),
}

/// Why a command ends early.
struct Failure {
    code: u8,
    message: String,
}

pub(crate) fn run() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Validate(options) => validate::run(&options),
        Command::Conformance(options) => conformance::run(&options),
        Command::Schema(options) => schema::run(&options),
    };
    outcome.unwrap_or_else(|failure| {
        anstream::eprintln!("health-spec: {}", failure.message);
        ExitCode::from(failure.code)
    })
}

impl Failure {
    fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// An error with its causes, in one line.
    fn of(code: u8, error: &dyn std::error::Error) -> Self {
        let chain = std::iter::successors(Some(error), |&error| error.source());
        Self::new(code, chain.map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }
}

/// Prints to stdout. A reader that has read enough is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match anstream::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::of(1, &error)),
        _ => Ok(()),
    }
}

/// `value`, indented, with a line break at its end.
fn pretty(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map(|json| json + "\n").map_err(|error| Failure::of(1, &error))
}

/// Runs something that asks a server.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map(|runtime| runtime.block_on(future)).map_err(|error| Failure::of(1, &error))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
