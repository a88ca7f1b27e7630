//! The command line: what can be asked, and with which exit code it ends (contract, section 6.2).

mod healthcheck;
mod logs;
mod run;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Something failed.
const FAILURE: u8 = 1;
/// The daemon cannot be reached.
const UNREACHABLE: u8 = 69;
/// What was typed cannot be meant.
const USAGE: u8 = 2;
/// The configuration is wrong.
const BAD_CONFIGURATION: u8 = 78;

/// Aggregates, streams and shows the health of MCP servers.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Follow orchestrators and serve what they know
    Run(run::Run),
    /// Ask a running gateway for its own health
    Healthcheck(healthcheck::Healthcheck),
}

/// Runs the command that the arguments ask for.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, FAILURE),
    };
    runtime.block_on(async {
        match cli.command {
            Command::Run(run) => run.run().await,
            Command::Healthcheck(healthcheck) => healthcheck.run().await,
        }
    })
}

/// Says what went wrong, once, with its causes.
fn fail(error: &(dyn Error + 'static), code: u8) -> ExitCode {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let chain: Vec<String> = causes.map(ToString::to_string).collect();
    note(&format!("error: {}", chain.join(": ")));
    ExitCode::from(code)
}

/// A line on stderr. One that cannot be written must not end anything.
fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }
}
