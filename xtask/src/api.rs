//! A small client for the daemons' HTTP APIs on loopback.

use std::time::Duration;

use serde_json::Value;

/// One connection pool, one deadline.
pub(crate) struct Client(ureq::Agent);

impl Client {
    /// Every request ends within `deadline`.
    pub(crate) fn new(deadline: Duration) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(deadline)).http_status_as_error(false).proxy(None);
        Self(config.build().into())
    }

    /// The JSON of a 2xx answer.
    pub(crate) fn json(&self, url: &str) -> Result<Value, String> {
        let mut response = self.0.get(url).call().map_err(|error| format!("GET {url}: {error}"))?;
        if !response.status().is_success() {
            return Err(format!("GET {url}: {}", response.status()));
        }
        response.body_mut().read_json().map_err(|error| format!("GET {url}: {error}"))
    }

    /// Whether it answers with success.
    pub(crate) fn answers(&self, url: &str) -> bool {
        self.0.get(url).call().is_ok_and(|response| response.status().is_success())
    }

    /// The status of an empty POST; `None` when the other side went away without an answer.
    pub(crate) fn post(&self, url: &str) -> Option<u16> {
        self.0.post(url).send_empty().ok().map(|response| response.status().as_u16())
    }
}
