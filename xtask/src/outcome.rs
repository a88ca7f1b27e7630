//! How a command ends: fine, or with one message and exit code 1. Usage errors (2) are clap's.

use std::fmt::Display;
use std::process::ExitCode;

/// What every command gives back.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Why a command could not do what was asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
}

impl Failure {
    /// With what to tell the user.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// What to tell the user.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Says it on stderr.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("xtask: {}", self.message);
        ExitCode::FAILURE
    }
}

/// Gives a foreign error its place.
pub(crate) trait Context<T> {
    /// `doing` is what was tried, as in "cannot {doing}".
    fn context(self, doing: impl Display) -> Outcome<T>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn context(self, doing: impl Display) -> Outcome<T> {
        self.map_err(|error| Failure::new(format!("cannot {doing}: {error}")))
    }
}
