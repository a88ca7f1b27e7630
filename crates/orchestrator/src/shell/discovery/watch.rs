//! Keeps a list of one engine's containers fresh: an event says that it has changed, a look says how. Changes nothing.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerSummary, EventMessage};
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use health_spec::config::Engine;
use thiserror::Error as ThisError;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use self::inspected::Inspected;
use super::container::Container;
use super::labels::{Asked, asked};
use crate::shell::causes::causes;
use crate::shell::runtime::container::address::{Address, ConnectError};
use crate::shell::runtime::container::inspect::{self, InARow};
use crate::shell::runtime::container::listener::PATIENCE as PATIENCE_OF_LISTENERS;

mod inspected;

/// What can make a list another one. Podman says `remove` for `destroy`.
const ACTIONS: [&str; 5] = ["create", "destroy", "remove", "rename", "start"];

/// `docker compose up` makes many events at once: one that is followed by none for this long is the last one.
const QUIET: Duration = Duration::from_millis(100);

/// But nobody waits longer than this: somewhere a container may restart all the time.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long things take.
#[derive(Clone, Copy, Debug)]
struct Paces {
    /// How often an engine has to list its containers although it tells nothing: one that hangs without closing anything is found so.
    round: Duration,
    /// How long it may take for that, as for all of its listeners.
    answer: Duration,
    /// Between two attempts to reach a lost engine: doubled from the first to the last.
    first_pause: Duration,
    last_pause: Duration,
}

const PACES: Paces = Paces {
    round: Duration::from_secs(10),
    answer: PATIENCE_OF_LISTENERS,
    first_pause: Duration::from_millis(500),
    last_pause: Duration::from_secs(10),
};

/// Why an engine's containers are not known.
#[derive(Debug, ThisError)]
pub enum LookError {
    /// It cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It does not answer as it should.
    #[error("the engine does not list its containers")]
    Answer(#[from] Error),
    /// It does not answer at all.
    #[error("the engine has not answered for {} s", .0.as_secs())]
    Silent(Duration),
    /// It closed the stream of events, as one does that shuts down.
    #[error("the engine closed the stream of events")]
    Closed,
}

/// How it goes with an engine.
#[derive(Debug)]
struct Course {
    paces: Paces,
    pause: Duration,
    passing: InARow,
}

/// What is new about an engine.
#[derive(Debug)]
pub struct Report {
    /// Its name.
    pub engine: String,
    /// All its containers, or why they are not known any more.
    pub news: Result<Vec<Container>, String>,
}

/// All containers of an engine, once; those that ask to be watched with their details.
pub async fn look(engine: &Engine) -> Result<Vec<Container>, LookError> {
    let client = connect(engine).await?;
    let listed = inspect::list(&client).await?;
    Ok(inspect_all(&client, engine, listed, &mut Inspected::default()).await?)
}

/// Reports until it is dropped.
pub(super) async fn watch(engine: Engine, reports: mpsc::Sender<Report>) {
    watch_at(PACES, engine, reports).await;
}

async fn watch_at(paces: Paces, engine: Engine, reports: mpsc::Sender<Report>) {
    let mut course = Course { paces, pause: paces.first_pause, passing: InARow::default() };
    loop {
        let Err(error) = session(&engine, &reports, &mut course).await else { return };
        if course.is_to_be_told(&error) {
            let news = Err(causes(&error));
            if reports.send(Report { engine: engine.name.clone(), news }).await.is_err() {
                return;
            }
        }
        sleep(course.pause).await;
        course.pause = (course.pause * 2).min(paces.last_pause);
    }
}

impl Course {
    /// Its containers are known.
    fn goes_well(&mut self) {
        (self.pause, self.passing) = (self.paces.first_pause, InARow::default());
    }

    /// What does not pass is told once.
    fn is_to_be_told(&mut self, error: &LookError) -> bool {
        !is_passing(error) || self.passing.are_too_many()
    }

    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, Error>>) -> Result<T, LookError> {
        let answer = self.paces.answer;
        Ok(timeout(answer, asked).await.map_err(|_| LookError::Silent(answer))??)
    }
}

/// An engine that ends is out of reach then. Podman's streams end by themselves as well, and it errs while a container is removed.
fn is_passing(error: &LookError) -> bool {
    match error {
        LookError::Closed => true,
        LookError::Answer(error) => inspect::is_passing(error),
        LookError::Connect(_) | LookError::Silent(_) => false,
    }
}

/// From a connection to its loss; ends well when nobody listens any more.
async fn session(engine: &Engine, reports: &mpsc::Sender<Report>, course: &mut Course) -> Result<(), LookError> {
    let client = connect(engine).await?;
    // Nothing is lost between the first look and the events: these are asked for from a moment before.
    let mut events = subscribe(&client, course.in_time(inspect::clock(&client)).await?);
    let (mut inspected, mut told) = (Inspected::default(), None);
    loop {
        let listed = course.in_time(inspect::list(&client)).await?;
        let all = inspect_all(&client, engine, listed, &mut inspected).await?;
        course.goes_well();
        if told.as_ref() != Some(&all) {
            told = Some(all.clone());
            if reports.send(Report { engine: engine.name.clone(), news: Ok(all) }).await.is_err() {
                return Ok(());
            }
        }
        let Ok(first) = timeout(inspected.rest(course.paces.round), events.next()).await else { continue };
        told = None;
        forget(&mut inspected, first)?;
        let more = async {
            while let Ok(event) = timeout(QUIET, events.next()).await {
                forget(&mut inspected, event)?;
            }
            Ok::<_, LookError>(())
        };
        timeout(PATIENCE, more).await.unwrap_or(Ok(()))?;
    }
}

/// Whoever had an event is inspected again.
fn forget(inspected: &mut Inspected, event: Option<Result<EventMessage, Error>>) -> Result<(), LookError> {
    let message = event.ok_or(LookError::Closed)??;
    if let Some(id) = message.actor.and_then(|actor| actor.id) {
        inspected.forget(&id);
    }
    Ok(())
}

async fn connect(engine: &Engine) -> Result<Docker, ConnectError> {
    Ok(Address::of(engine)?.connect().await?.client)
}

fn subscribe(client: &Docker, since: i64) -> BoxStream<'static, Result<EventMessage, Error>> {
    let filters = [("type", vec!["container"]), ("event", ACTIONS.to_vec())];
    let filters = filters.map(|(key, values)| (key.to_owned(), values.into_iter().map(str::to_owned).collect()));
    let since = format!("{}.{:09}", since / 1_000_000_000, since % 1_000_000_000);
    client.events(Some(EventsOptions { since: Some(since), until: None, filters: Some(filters.into()) })).boxed()
}

async fn inspect_all(
    client: &Docker,
    engine: &Engine,
    listed: Vec<ContainerSummary>,
    inspected: &mut Inspected,
) -> Result<Vec<Container>, Error> {
    let mut containers = Vec::new();
    for summary in listed {
        let mut container = Container::listed(&engine.name, summary);
        if asked(&container.labels) == Asked::Yes {
            // One that has gone meanwhile is left out.
            if !inspected.inspect(client, &mut container).await? {
                continue;
            }
        }
        containers.push(container);
    }
    inspected.only(&containers);
    Ok(containers)
}

#[cfg(test)]
mod tests;
