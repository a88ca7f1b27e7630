//! The command line (contract, section 6.2): words in, exit code out.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use orchestrator::shell::client::ClientError;
use orchestrator::shell::config::LoadError;
use orchestrator::shell::serve::ServeError;

mod args;
mod ask;
mod check_config;
mod replay;
mod run;
mod simulate;

use args::{Arguments, Command};

/// How a command ended: the exit codes of contract section 6.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Fine = 0,
    Failure = 1,
    Degraded = 3,
    Down = 4,
    Unreachable = 69,
    Configuration = 78,
}

pub(crate) type Outcome = Result<End, Box<dyn Error>>;

pub(crate) fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Run(arguments) => run::run(*arguments),
        Command::CheckConfig(arguments) => check_config::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Status(arguments) => ask::status(&arguments),
        Command::Restart(arguments) => ask::restart(&arguments),
        Command::Healthcheck(arguments) => ask::healthcheck(&arguments),
    };
    let end = outcome.unwrap_or_else(|error| {
        say(&*error);
        end_of(&*error)
    });
    ExitCode::from(end as u8)
}

/// The error and what caused it, once.
fn say(error: &dyn Error) {
    eprintln!("error: {}", orchestrator::shell::causes::causes(error));
}

fn end_of(error: &(dyn Error + 'static)) -> End {
    if error.is::<LoadError>() {
        return End::Configuration;
    }
    match (error.downcast_ref::<ServeError>(), error.downcast_ref::<ClientError>()) {
        (Some(ServeError::Configuration(_)), _) => End::Configuration,
        (_, Some(ClientError::Unreachable { .. })) => End::Unreachable,
        _ => End::Failure,
    }
}

/// An environment variable.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
