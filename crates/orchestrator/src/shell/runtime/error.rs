//! What can go wrong with an action.

use thiserror::Error;

use super::container::failure::Failure;
use super::process::ProcessError;
use super::systemd;

/// An action erred.
#[derive(Debug, Error)]
pub enum ActionError {
    /// Nothing runs this server, as far as we know.
    #[error("the server has no runtime: it is only watched")]
    Unmanaged,
    /// What runs it is no container.
    #[error("only a container can be recreated")]
    NoContainer,
    /// A reload has given the server another one.
    #[error("the configuration gives the server another container or program since; nothing was done to that")]
    Replaced,
    /// The runtimes have been shut down.
    #[error("the orchestrator is shutting down")]
    ShuttingDown,
    /// A child process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A container was not restarted or recreated, or what was recreated is not settled.
    #[error(transparent)]
    Container(#[from] Box<Failure>),
    /// A unit.
    #[error(transparent)]
    Unit(#[from] systemd::UnitError),
}

impl ActionError {
    /// Nothing was done to the server, for certain.
    pub fn is_untouched(&self) -> bool {
        match self {
            Self::Unmanaged | Self::NoContainer | Self::Replaced | Self::Process(ProcessError::Unstartable(_)) => true,
            Self::Container(failure) => failure.is_untouched(),
            Self::Process(error) => matches!(error, ProcessError::Unstartable(_)),
            Self::Unit(error) => error.is_untouched(),
            Self::ShuttingDown => false,
        }
    }
}
