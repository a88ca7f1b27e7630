//! Why a container was not recreated, or what was recreated is not settled.

use bollard::errors::Error;
use thiserror::Error as ThisError;

use super::STOP_NEW;
use crate::shell::runtime::container::restart::RestartError;

/// A container was not recreated, or what was recreated is not settled.
#[derive(Debug, ThisError)]
pub enum RecreateError {
    /// It cannot be reached.
    #[error(transparent)]
    Restart(#[from] RestartError),
    /// It would be gone as soon as it is stopped.
    #[error(
        "the container was created with --rm, so the engine removes it when it stops and it could not be put back; use `restart`"
    )]
    AutoRemoved,
    /// A new one would have another id, and nobody would know it.
    #[error("the container is registered by its id, which a new one would not have; register it by its name")]
    ById,
    /// The engine refused, or failed.
    #[error("the engine did not {step}")]
    Refused {
        /// What it was to do.
        step: &'static str,
        /// Why not.
        source: Error,
    },
    /// Somebody has made another container of the name meanwhile.
    #[error("`{name}` is another container now; the one that was replaced is kept as `{old}`")]
    Taken {
        /// The name.
        name: String,
        /// Where the old one is.
        old: String,
    },
    /// Nobody could tell afterwards which one is to be put back.
    #[error(
        "`{kept}` is kept from an earlier recreate, and the present `{name}` is not its successor: remove or rename `{kept}`"
    )]
    Stranger {
        /// The name.
        name: String,
        /// What is in the way.
        kept: String,
    },
    /// What it has replaced earlier cannot be removed, and this one has been well since.
    #[error(
        "`{kept}`, which `{name}` has replaced earlier, is still there: {why}. `{name}` has been well since, and is not thrown away for it: \
         remove `{kept}`"
    )]
    StillKept {
        /// The name.
        name: String,
        /// What is in the way.
        kept: String,
        /// Why it cannot be removed.
        why: String,
    },
    /// Somebody has stopped it while it was being recreated: it is not started again.
    #[error("somebody stopped it meanwhile")]
    Stopped,
    /// Somebody has removed it.
    #[error("there is neither a container `{0}` nor one that it has replaced")]
    Gone(String),
}

impl RecreateError {
    /// The engine may do it when it is asked again. What it does not answer in time it may be doing still, and a stop in any case: two
    /// requests end in two words of a stop, and the second would be somebody's.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Refused { step: STOP_NEW, source } => {
                matches!(source, Error::DockerResponseServerError { status_code: 409, .. })
            }
            Self::Refused { source: Error::DockerResponseServerError { status_code, .. }, .. } => {
                matches!(status_code, 409 | 500..)
            }
            Self::Refused { source: Error::RequestTimeoutError, .. } => false,
            Self::Refused { .. } => true,
            _ => false,
        }
    }

    /// The engine is sure that it has not done it.
    pub(super) fn is_a_refusal(&self) -> bool {
        matches!(self, Self::Refused { source: Error::DockerResponseServerError { status_code: 400..500, .. }, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_that_may_be_under_way_is_not_asked_for_again() {
        let answered = |step, status_code| {
            let source = Error::DockerResponseServerError { status_code, message: "no".to_owned() };
            RecreateError::Refused { step, source }.passes()
        };
        assert!(!answered(STOP_NEW, 504) && answered(STOP_NEW, 409));
        assert!(answered("rename the container", 504) && !answered("rename the container", 404));
    }
}
