//! The command line (contract, section 6.2): words in, exit code out.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use orchestrator::shell::client::ClientError;
use orchestrator::shell::config::{LoadError, Problem, misspelt};
use orchestrator::shell::serve::ServeError;

mod args;
mod ask;
mod check_config;
mod completions;
mod discover;
mod import;
mod json;
mod patience;
mod replay;
mod run;
mod schema;
mod simulate;

use args::{Arguments, Command};

/// How a command ended: the exit codes of contract section 6.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Fine = 0,
    Failure = 1,
    Usage = 2,
    Degraded = 3,
    Down = 4,
    Unreachable = 69,
    Configuration = 78,
}

pub(crate) type Outcome = Result<End, Box<dyn Error>>;

/// Words that are well formed, and cannot be meant.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// What a daemon refuses, in its own words.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// Codes of what only a wrong command line leads to.
const WRONG_QUESTIONS: [&str; 2] = ["bad_query", "bad_body"];

pub(crate) fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let wants_json = command.wants_json();
    let outcome = match command {
        Command::Run(arguments) => run::run(*arguments),
        Command::CheckConfig(arguments) => check_config::run(&arguments),
        Command::Discover(arguments) => discover::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Schema => schema::run(),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Client(command) => ask::run(&command),
        Command::Completions(arguments) => completions::run(&arguments),
    };
    let end = outcome.unwrap_or_else(|error| {
        if wants_json {
            json::say(&*error);
        }
        say(&*error);
        end_of(&*error)
    });
    ExitCode::from(end as u8)
}

/// The error and what caused it, once. What is odd beside mistakes goes before them: the end is what is read first.
fn say(error: &(dyn Error + 'static)) {
    warn(error.downcast_ref::<LoadError>().map(LoadError::warnings).unwrap_or_default());
    note(&format!("error: {}", orchestrator::shell::causes::causes(error)));
}

fn end_of(error: &(dyn Error + 'static)) -> End {
    let is_wrong_question = |refused: &Refused| WRONG_QUESTIONS.contains(&refused.code.as_str());
    if error.is::<LoadError>() {
        return End::Configuration;
    }
    if error.is::<Usage>() || error.downcast_ref().is_some_and(is_wrong_question) {
        return End::Usage;
    }
    match (error.downcast_ref::<ServeError>(), error.downcast_ref::<ClientError>()) {
        (Some(ServeError::Configuration(_)), _) => End::Configuration,
        (_, Some(ClientError::Unreachable { .. })) => End::Unreachable,
        (_, Some(ClientError::Address(_))) => End::Usage,
        _ => End::Failure,
    }
}

/// An environment variable; an empty one counts as not set.
pub(crate) fn environment(name: &str) -> Option<String> {
    variable(name).filter(|value| !value.is_empty())
}

/// An environment variable as it is: `${VAR:-default}` tells an empty one from one that is not set.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What is set and looks like a setting of ours, but is none.
pub(crate) fn misspelt_variables() -> Vec<Problem> {
    let set = std::env::vars_os().filter(|(_, value)| !value.is_empty());
    misspelt(set.filter_map(|(name, _)| name.into_string().ok()))
}

pub(crate) fn warn(problems: &[Problem]) {
    for problem in problems {
        note(&format!("warning: {problem}"));
    }
}

/// A line on stderr. One that cannot be written, on a full disk or when nobody reads any more, must not end anything.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Writes to stdout. A reader that has gone away, such as `head`, is no failure.
pub(crate) fn print(text: &str) -> std::io::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
