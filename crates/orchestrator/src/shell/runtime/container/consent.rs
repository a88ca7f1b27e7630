//! Whether a container that is watched because of its labels has them still: looked at right before it is touched.
//!
//! Who has the name now may be another one, which nobody has looked at yet. An id is one container for ever, and its labels never
//! change: what is seen of an id holds for whatever is done to that id.

use std::collections::BTreeMap;

use bollard::{Docker, models::ContainerInspectResponse};

use super::{inspect, restart::RestartError};

/// The opt-in: nothing without it, or an entry in the registry, is ever touched.
pub const ENABLE: &str = "mcp.health.enable";

/// Compose puts it on what `docker compose run` has made for one command; the labels of the service are on it as well.
pub const ONE_OFF: &str = "com.docker.compose.oneoff";

/// Whether these are the labels of such a one: nobody wants it back when it has ended.
pub fn is_one_off(labels: &BTreeMap<String, String>) -> bool {
    says_one_off(labels.get(ONE_OFF))
}

fn says_one_off(label: Option<&String>) -> bool {
    label.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The labels that make a container ours to touch; none for one that the registry names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consent(BTreeMap<String, String>);

impl Consent {
    /// Of labels with these values.
    pub fn by(labels: BTreeMap<String, String>) -> Self {
        Self(labels)
    }

    /// Asks the engine about the container of this id.
    pub(super) async fn of(&self, client: &Docker, id: &str) -> Result<(), RestartError> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.given_by(&inspect::found(client, id).await.map_err(RestartError::Unseen)?)
    }

    /// Whether it is given by this container.
    pub(super) fn given_by(&self, found: &ContainerInspectResponse) -> Result<(), RestartError> {
        let labels = found.config.as_ref().and_then(|config| config.labels.as_ref());
        let lacks = |(label, value): &(&String, &String)| labels.and_then(|labels| labels.get(*label)) != Some(*value);
        let container = found.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned();
        if !self.0.is_empty() && labels.is_some_and(|labels| says_one_off(labels.get(ONE_OFF))) {
            return Err(RestartError::OneOff(container));
        }
        match self.0.iter().find(lacks) {
            None => Ok(()),
            Some((label, value)) => Err(RestartError::NotAsked { container, label: format!("{label}={value}") }),
        }
    }
}
