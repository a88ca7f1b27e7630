//! One restart of a container, with the events that belong to it.
//!
//! It does not decide what is ours: the listener's ledger does.

use std::time::Duration;

use bollard::{errors::Error, query_parameters::RestartContainerOptions};
use health_spec::config::EngineKind;
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use super::{
    address::ANSWER_PATIENCE,
    answer::whole,
    consent::Consent,
    failure::Place,
    inspect,
    ledger::{Action, Look, Seen, Stage},
    listener::{Does, PATIENCE, Reach, Request},
    patience,
};
use crate::machine::ServerId;

/// How long the events of a restart are waited for after the engine has answered.
pub const EVENTS_PATIENCE: Duration = Duration::from_secs(3);

/// A restart erred.
#[derive(Debug, Error)]
pub enum RestartError {
    /// The engine is out of reach, or does not say how the container is.
    #[error("{0}")]
    OutOfReach(String),
    /// The engine has never had one of that name.
    #[error("there is none of this name")]
    Gone,
    /// It is watched because of a label, and whoever has its name now has none.
    #[error("container {container} has no label {label}, so it is left alone; it may have been created anew")]
    NotAsked {
        /// Its name.
        container: String,
        /// Which one.
        label: String,
    },
    /// It is watched because of a label, and whoever has its name now was made for one command.
    #[error("container {0} is a one-off container of `docker compose run`, so it is left alone")]
    OneOff(String),
    /// Its engine would refuse, and whoever stops it does not want it started.
    #[error("somebody is stopping it: it is left alone until it has ended")]
    BeingStopped,
    /// Whether it may be touched is not known.
    #[error("the engine does not say which labels the container has, so it is left alone")]
    Unseen(#[source] Error),
    /// The engine refused, or failed.
    #[error("the engine did not restart it")]
    Refused(#[source] Error),
    /// The listener has ended.
    #[error("the orchestrator is shutting down")]
    ShuttingDown,
}

/// A container, and how to restart it.
#[derive(Clone, Debug)]
pub struct Container {
    /// Whose it is.
    pub server: ServerId,
    /// Its name in the registry, or its id there.
    pub wanted: String,
    /// How long it may take to end before it is killed; `None`: as long as it was created with.
    pub patience: Option<Duration>,
    /// A recreate has stopped it, and has not come to its end.
    pub interrupted: bool,
    /// A recreate has changed something, and it is not settled which one stays.
    pub unsettled: bool,
    /// What it has to have to be touched.
    pub consent: Consent,
    /// Where it is.
    pub engine: Place,
    /// The listener of its engine.
    pub requests: mpsc::Sender<Request>,
    /// How far the restart is, as the listener sees it.
    pub progress: watch::Receiver<Option<Action>>,
    /// What the listener knows about it; `None` while its engine is out of reach.
    pub seen: watch::Receiver<Option<Seen>>,
}

impl RestartError {
    /// There is no such container, as far as the engine's answer tells.
    pub(super) fn is_of_nobody(&self) -> bool {
        match self {
            Self::Gone => true,
            Self::Unseen(error) | Self::Refused(error) => {
                matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
            }
            Self::OutOfReach(_) | Self::NotAsked { .. } | Self::OneOff(_) | Self::BeingStopped | Self::ShuttingDown => false,
        }
    }
}

impl Container {
    /// Restarts it. When this returns, everything that the restart made the engine say is in the inbox. A paused
    /// container needs nothing more with Docker, which wakes it to stop it; Podman has to be told.
    pub async fn restart(&mut self) -> Result<(), RestartError> {
        let reach = self.begin(Does::Restart).await?;
        let (client, id) = (&reach.connection.client, reach.id.as_str());
        if id.is_empty() {
            self.end(&reach, true).await;
            return Err(RestartError::Gone);
        }
        if let Err(error) = self.consent.of(client, id).await {
            self.end(&reach, true).await;
            return Err(error);
        }
        if reach.connection.kind == EngineKind::Podman {
            if matches!(inspect::glance(client, id).await, Ok(Some(look)) if look.is_stopping) {
                self.end(&reach, true).await;
                return Err(RestartError::BeingStopped);
            }
            // It refuses when there is nothing to wake.
            let _ = whole(client, client.unpause_container(id)).await;
        }
        let options = RestartContainerOptions { t: self.patience.map(whole_seconds), signal: None };
        let outcome = whole(client, client.restart_container(id, Some(options))).await;
        let seen = match &outcome {
            Ok(()) => self.wait_until(Stage::Restarted).await,
            Err(_) if is_down(&reach).await => self.wait_until(Stage::Stopped).await,
            Err(_) => false,
        };
        // After a refusal no event of it can come; after silence the engine may still do it.
        let refused = matches!(outcome, Err(Error::DockerResponseServerError { .. }));
        self.end(&reach, refused || (seen && outcome.is_ok())).await;
        outcome.map_err(RestartError::Refused)
    }

    pub(super) async fn begin(&mut self, does: Does) -> Result<Reach, RestartError> {
        let (answer, begun) = oneshot::channel();
        self.requests.send(Request::Begin(self.server, does, answer)).await.map_err(|_| RestartError::ShuttingDown)?;
        let mut reach = begun.await.map_err(|_| RestartError::ShuttingDown)?.map_err(RestartError::OutOfReach)?;
        self.engine.kind = reach.connection.kind;
        // The engine answers when it has stopped it; to give up before would be to ask for the same again.
        let client = &mut reach.connection.client;
        let to_stop = patience::to_stop(client, self.called(&reach.id), self.patience).await;
        client.set_timeout(ANSWER_PATIENCE.saturating_add(to_stop));
        Ok(reach)
    }

    /// `complete` when no event of it is still to come.
    pub(super) async fn end(&self, reach: &Reach, complete: bool) {
        let until = async { patience::until(&reach.connection.client, self.called(&reach.id), self.patience).await };
        let until = if complete { None } else { Some(until.await) };
        let (answer, ended) = oneshot::channel();
        if self.requests.send(Request::End(self.server, until, answer)).await.is_ok() {
            // An error can only say that the listener has ended.
            let _ = ended.await;
        }
    }

    /// What to ask the engine for.
    fn called<'a>(&'a self, id: &'a str) -> &'a str {
        if id.is_empty() { &self.wanted } else { id }
    }

    /// How to reach it, without an action.
    pub(super) async fn reach(&self) -> Result<Reach, RestartError> {
        let (answer, reached) = oneshot::channel();
        self.requests.send(Request::Reach(self.server, answer)).await.map_err(|_| RestartError::ShuttingDown)?;
        reached.await.map_err(|_| RestartError::ShuttingDown)?.map_err(RestartError::OutOfReach)
    }

    /// Its first look has been told. Where it cannot be looked at, the listener answers so; it answers nobody before it has looked at all.
    pub async fn compared(&self) {
        let mut seen = self.seen.clone();
        tokio::select! {
            biased;
            // The listener has ended where these fail.
            _ = seen.wait_for(Option::is_some) => {}
            _ = self.reach() => {}
        }
    }

    /// A look at it, if somebody other than us is stopping it: Podman has no event for that, and no signal.
    pub async fn is_being_stopped(&self) -> Option<Look> {
        let Reach { connection, id } = self.reach().await.ok().filter(|it| it.connection.kind == EngineKind::Podman)?;
        let looked = timeout(PATIENCE, inspect::glance(&connection.client, self.called(&id))).await;
        let look = looked.ok()?.ok()?.filter(|look| look.is_stopping)?;
        self.progress.borrow().is_none().then_some(look)
    }

    /// Whether it came in time. What does not is recognised when it comes.
    pub(super) async fn wait_until(&mut self, stage: Stage) -> bool {
        let reached = self.progress.wait_for(|action| action.is_some_and(|action| action.stage >= stage));
        matches!(timeout(EVENTS_PATIENCE, reached).await, Ok(Ok(_)))
    }
}

async fn is_down(reach: &Reach) -> bool {
    matches!(inspect::look(&reach.connection.client, &reach.id).await, Ok(Some(look)) if !look.state.is_alive())
}

/// The engine counts in whole seconds; 0 would mean to kill at once.
pub(super) fn whole_seconds(patience: Duration) -> i32 {
    i32::try_from(patience.as_secs() + u64::from(patience.subsec_nanos() > 0)).unwrap_or(i32::MAX)
}
