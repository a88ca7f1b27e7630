//! What the world sees of a server, and what the monitor is doing about it.

use serde::{Deserialize, Serialize};

/// The status of a server or of one of its components (contract, sections 1 and 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All fine.
    Ok,
    /// Serving but impaired: warn, never restart.
    Degraded,
    /// Cannot serve: recover.
    Down,
}

impl Status {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }

    /// The status that goes by this word, to the letter.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Ok, Self::Degraded, Self::Down].into_iter().find(|status| status.as_str() == word)
    }

    /// The overall status of components: the worst of them, `ok` when there are none.
    pub fn worst(components: impl IntoIterator<Item = Self>) -> Self {
        components.into_iter().max().unwrap_or(Self::Ok)
    }
}

/// A server's status as a monitor publishes it: [`Status`], or `unknown` before the first verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Observed {
    /// Nothing has been read yet.
    #[default]
    Unknown,
    /// All fine.
    Ok,
    /// Serving but impaired.
    Degraded,
    /// Cannot serve.
    Down,
}

impl Observed {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

impl From<Status> for Observed {
    fn from(status: Status) -> Self {
        match status {
            Status::Ok => Self::Ok,
            Status::Degraded => Self::Degraded,
            Status::Down => Self::Down,
        }
    }
}

impl std::fmt::Display for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the monitor is doing about a server (contract, section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Registered, or started again after a stop; failures do not count until the start period ends.
    #[default]
    Starting,
    /// Answers well.
    Healthy,
    /// A check failed; the status stays until the failure threshold.
    Suspect,
    /// Down, and an attempt is due, running or being verified.
    Recovering,
    /// Down, and recovery is held or impossible.
    Down,
    /// Attempts or budget used up; a person is needed.
    Failed,
    /// Stopped on purpose.
    Stopped,
}

impl Phase {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Suspect => "suspect",
            Self::Recovering => "recovering",
            Self::Down => "down",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_component_decides() {
        assert_eq!(Status::worst([]), Status::Ok);
        assert_eq!(Status::worst([Status::Ok, Status::Degraded]), Status::Degraded);
        assert_eq!(Status::worst([Status::Down, Status::Degraded]), Status::Down);
    }
}
