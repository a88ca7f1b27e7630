//! `gateway healthcheck`: asks a running gateway for its own health.

use health_spec::{HealthResponse, Status};

use super::client;

/// The gateway cannot be reached, or it is none.
#[derive(Debug, thiserror::Error)]
pub enum HealthcheckError {
    /// It is no address.
    #[error("{0}")]
    Address(String),
    /// No answer.
    #[error("no answer from {url}: {cause}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// Why there is none, for people.
        cause: String,
    },
    /// An answer, but no health response.
    #[error("{url} is no health endpoint: {cause}")]
    NotHealth {
        /// What was asked.
        url: String,
        /// What is wrong with the answer, for people.
        cause: String,
    },
}

/// Reads `GET {url}/health`, where `url` is a gateway's address such as `http://127.0.0.1:8080`.
pub async fn healthcheck(url: &str) -> Result<Status, HealthcheckError> {
    let asked = format!("{}/health", url.trim_end_matches('/'));
    let unreachable = |error: client::ClientError| HealthcheckError::Unreachable { url: asked.clone(), cause: chain(&error) };
    client::base(url).map_err(|error| HealthcheckError::Address(error.to_string()))?;
    let answer = client::get(&asked, "application/json").await.map_err(unreachable)?;
    let body = client::read(answer.into_body(), health_spec::MAX_BODY_BYTES).await.map_err(unreachable)?;
    let response: HealthResponse =
        serde_json::from_slice(&body).map_err(|error| HealthcheckError::NotHealth { url: asked, cause: error.to_string() })?;
    Ok(response.status)
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_address_is_told_from_nobody_there() {
        assert!(matches!(healthcheck("nonsense").await, Err(HealthcheckError::Address(_))));
        let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        assert!(matches!(healthcheck(&format!("http://{closed}")).await, Err(HealthcheckError::Unreachable { .. })));
    }
}
