//! Where an engine is, and how to reach it.

use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use thiserror::Error;

/// How long an engine may take to say which version it speaks.
const HELLO_PATIENCE: Duration = Duration::from_secs(5);

/// How long it may take to answer anything else, a restart that waits for a graceful stop included.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

/// An engine cannot be reached.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// We do not know this kind of address.
    #[error("\"{0}\" is no address of an engine; write unix:///var/run/docker.sock or tcp://host:port")]
    Address(String),
    /// Nobody answers there.
    #[error("no Docker engine at {address}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        source: bollard::errors::Error,
    },
    /// It takes too long.
    #[error("the Docker engine at {address} does not answer within {} s", HELLO_PATIENCE.as_secs())]
    Silent {
        /// Where.
        address: String,
    },
}

/// `unix:///path` or `tcp://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Reads it; nothing is opened.
    pub fn parse(text: &str) -> Result<Self, ConnectError> {
        let known = text.strip_prefix("unix:///").is_some_and(|path| !path.is_empty())
            || text.strip_prefix("tcp://").is_some_and(|place| place.contains(':') && !place.contains('/'));
        known.then(|| Self(text.to_owned())).ok_or_else(|| ConnectError::Address(text.to_owned()))
    }

    /// Connects, and agrees on a version of the API.
    pub async fn connect(&self) -> Result<Docker, ConnectError> {
        let unreachable = |source| ConnectError::Unreachable { address: self.0.clone(), source };
        let patience = ANSWER_PATIENCE.as_secs();
        let client = if self.0.starts_with("unix://") {
            Docker::connect_with_unix(&self.0, patience, API_DEFAULT_VERSION)
        } else {
            Docker::connect_with_http(&self.0, patience, API_DEFAULT_VERSION)
        };
        let hello = tokio::time::timeout(HELLO_PATIENCE, client.map_err(unreachable)?.negotiate_version());
        let client = hello.await.map_err(|_| ConnectError::Silent { address: self.0.clone() })?;
        client.map_err(unreachable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_and_tcp_are_addresses() {
        for good in ["unix:///var/run/docker.sock", "tcp://127.0.0.1:2375"] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "unix://", "unix:///", "/var/run/docker.sock", "tcp://host", "ssh://host:22", "tcp://host:1/x"] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }
}
