//! What inspections have told of an engine's containers. One that the engine does not tell of is that container's own affair: what was known of
//! it stays, and the others are none the worse for it.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::InspectContainerOptions;

use super::super::container::{Container, Details};
use crate::shell::causes::causes;
use crate::shell::runtime::container::inspect::{self, InARow, is_passing, of_one};

/// Until one that could not be read is asked for again: doubled each time, up to a round.
const PAUSE: Duration = Duration::from_millis(500);

/// By the container's id.
#[derive(Debug, Default)]
pub(super) struct Inspected(HashMap<String, Inspection>);

#[derive(Debug, Default)]
struct Inspection {
    /// What was last told; `None`: nothing yet.
    details: Option<Details>,
    /// Nothing that anybody has told of has happened to it since.
    is_fresh: bool,
    unread: Unread,
}

/// What could not be read, in a row.
#[derive(Debug, Default)]
struct Unread {
    times: u32,
    passing: InARow,
    /// What was said of it.
    said: Option<String>,
}

impl Inspected {
    /// Whoever had an event is inspected again.
    pub(super) fn forget(&mut self, id: &str) {
        if let Some(inspection) = self.0.get_mut(id) {
            inspection.is_fresh = false;
        }
    }

    /// How long nothing needs to be asked, if nothing happens: what could not be read is asked for sooner than in the next round.
    pub(super) fn rest(&self, round: Duration) -> Duration {
        let times = self.0.values().map(|inspection| inspection.unread.times).filter(|times| *times > 0).min();
        times.map_or(round, |times| PAUSE.saturating_mul(1 << (times - 1).min(16)).min(round))
    }

    /// Adds what an inspection tells, or told last. `false`: there is no such container any more.
    pub(super) async fn inspect(&mut self, client: &Docker, container: &mut Container) -> Result<bool, Error> {
        let inspection = self.0.entry(container.id.clone()).or_default();
        if !inspection.is_fresh {
            match of_one(client.inspect_container(&container.id, None::<InspectContainerOptions>)).await {
                Ok(found) => {
                    *inspection = Inspection { details: Some(Details::read(found)), is_fresh: true, unread: Unread::default() };
                }
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(false),
                Err(error) => {
                    let error = inspect::about_it_alone(client, error).await?;
                    inspection.unread.once_more(container, &error);
                }
            }
        }
        container.details.clone_from(&inspection.details);
        Ok(true)
    }

    /// Nobody else is there.
    pub(super) fn only(&mut self, containers: &[Container]) {
        self.0.retain(|id, _| containers.iter().any(|container| container.id == *id));
    }
}

impl Unread {
    /// Said once, until it is something else; and of what passes only when it does not.
    fn once_more(&mut self, Container { engine, name, .. }: &Container, error: &Error) {
        self.times = self.times.saturating_add(1);
        let why = causes(error);
        let is_to_be_said = if is_passing(error) { self.passing.are_too_many() } else { self.said.as_ref() != Some(&why) };
        if is_to_be_said {
            tracing::warn!(
                "engine {engine} does not say how container {name} is; until it does, what was known of it stays, and a new one is not \
                 watched: {why}"
            );
            self.said = Some(why);
        }
    }
}
