//! Replaces a container by a new one of the same configuration, and ends that well: the old one goes, or is put back.
//!
//! The old one is stopped and renamed, a new one takes its name. Until it is settled which of the two stays, the old one is there, under the
//! name `NAME-mcp-health-old-ID`, and the new one carries its id as a label. So whatever an end of ours has cut short can be told
//! from what is there: [`tidy`] does that at the next start, [`Container::put_back`] whenever it is asked. Each of their
//! steps may be made twice. What is there and does not fit is left alone.

mod error;
mod layout;
mod moved;
mod room;
mod sharing;
mod spec;

use std::time::Duration;

use bollard::{
    Docker,
    errors::Error,
    models::{ContainerInspectResponse, ContainerUpdateBody, NetworkConnectRequest, RestartPolicy, RestartPolicyNameEnum},
    query_parameters::{
        CreateContainerOptions, RemoveContainerOptions, RenameContainerOptions, StartContainerOptions, StopContainerOptions,
    },
};
use health_spec::config::EngineKind;
use tokio::time::sleep;

use self::layout::{Layout, label_of, name_of};
#[cfg(test)]
pub(super) use self::sharing::sharing;
pub use self::{
    error::RecreateError,
    layout::{LABEL, kept_of},
};
use super::{
    answer::whole,
    consent::Consent,
    inspect::{self, is_being_stopped},
    ledger::{Seen, Stage, State, is_id},
    listener::Does,
    restart::{Container, RestartError, whole_seconds},
};
use crate::shell::causes::causes;

/// The first step that changes anything.
pub(super) const STOP: &str = "stop the container";

/// What an engine is asked first when a recreate is undone.
const STOP_NEW: &str = "stop the new container";

/// How often what the engine errs in is tried again while something is put back: nobody comes by again where no attempt is left.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

fn refused(step: &'static str) -> impl FnOnce(Error) -> RecreateError {
    move |source| RecreateError::Refused { step, source }
}

impl Container {
    /// Puts a new one in its place and starts it. What it was is kept until [`Self::keep`] or [`Self::put_back`]; also after an error.
    pub async fn recreate(&mut self) -> Result<(), RecreateError> {
        let reach = self.begin(Does::Replace).await?;
        let (client, kind) = (&reach.connection.client, reach.connection.kind);
        let outcome = Box::pin(self.replace(client, kind, &reach.id)).await;
        let last = if outcome.is_ok() { Stage::Started } else { Stage::Stopped };
        let seen = !self.interrupted || self.wait_until(last).await;
        self.end(&reach, seen).await;
        self.interrupted &= outcome.is_err();
        outcome
    }

    /// A restart; of one that a recreate has left in the middle, or that was removed while what it has replaced is kept: that is put
    /// back, which starts it.
    pub async fn bring_back(&mut self) -> Result<(), RecreateError> {
        if self.interrupted {
            return self.put_back(true).await;
        }
        match self.restart().await {
            Err(error) if error.is_of_nobody() && self.is_kept_alone().await => {
                self.unsettled = true;
                self.put_back(true).await
            }
            restarted => Ok(restarted?),
        }
    }

    async fn is_kept_alone(&self) -> bool {
        matches!(self.layout().await, Ok(Layout { current: None, old: Some(_) }))
    }

    /// There is neither one of its name nor one that it has replaced; the engine is asked only where its events say so.
    pub async fn is_nowhere(&self) -> bool {
        let is_gone = matches!(*self.seen.borrow(), Some(Seen { state: State::Gone, .. }));
        is_gone && matches!(self.layout().await, Ok(Layout { current: None, old: None }))
    }

    /// The name of the container that this one has replaced, while it is kept.
    pub async fn kept(&self) -> Result<Option<String>, RecreateError> {
        let Layout { current, old } = self.layout().await?;
        let is_its_own = |old: &ContainerInspectResponse| {
            current.as_ref().is_none_or(|current| label_of(current).is_some() && label_of(current) == old.id.as_deref())
        };
        Ok(old.filter(is_its_own).map(|old| name_of(&old).to_owned()))
    }

    async fn layout(&self) -> Result<Layout, RecreateError> {
        Layout::of(&self.reach().await?.connection.client, &self.wanted).await
    }

    async fn replace(&mut self, client: &Docker, kind: EngineKind, id: &str) -> Result<(), RecreateError> {
        let mut layout = Layout::of(client, &self.wanted).await?;
        let mut id = id.to_owned();
        if layout.current.is_none() && layout.old.is_none() && !id.is_empty() {
            // Renamed by somebody, it is the server all the same: its successor has the name that it is registered under.
            layout.current = layout::inspect(client, &id).await?;
        }
        if layout.current.is_none() && layout.old.is_some() {
            // Under its name again, and that is all: it is to be stopped. Should nothing come of it, it was ours to start.
            (self.interrupted, self.unsettled) = (true, true);
            Box::pin(self.restore(client, layout, false)).await?;
            layout = Layout::of(client, &self.wanted).await?;
            id = layout.current.as_ref().and_then(|current| current.id.clone()).unwrap_or_default();
        }
        let id = id.as_str();
        let (current, old) = layout.replaceable(&self.wanted)?;
        let is_by_id = is_id(&self.wanted) && name_of(&current) != self.wanted;
        if is_by_id || current.id.as_deref() != Some(id) {
            return Err(RecreateError::ById);
        }
        self.consent.given_by(&current)?;
        if current.state.as_ref().is_some_and(is_being_stopped) {
            return Err(RestartError::BeingStopped.into());
        }
        if current.host_config.as_ref().and_then(|config| config.auto_remove) == Some(true) {
            return Err(RecreateError::AutoRemoved);
        }
        let old = match old {
            Some(old) if !self.unsettled => {
                self.give_up(client, &old).await?;
                None
            }
            // One that was recreated before and has not been well since is no predecessor worth keeping.
            old => old.and_then(|old| old.id),
        };
        let mut spec = spec::of(&current, old.as_deref().unwrap_or(id), kind, client.client_version());
        for shared in spec::shared(&mut spec.body) {
            follow(client, shared).await?;
        }
        (self.interrupted, self.unsettled) = (true, true);
        self.stop(client, kind, id).await?;
        self.is_wanted()?;
        match &old {
            Some(kept) => {
                // Should it come to nothing, what is put back has it again.
                set_policy(client, kept, policy_of(&current)).await;
                remove(client, id).await?;
            }
            None => rename(client, id, &layout::old_name(&self.wanted, id)).await?,
        }
        // Whoever has removed it meanwhile does not want it back.
        let kept = old.as_deref().unwrap_or(id);
        layout::inspect(client, kept).await?.ok_or_else(|| RecreateError::Gone(self.wanted.clone()))?;
        self.create(client, spec, (kept, &current)).await
    }

    /// Beside the one that is kept, with the settings of `old`.
    async fn create(
        &self,
        client: &Docker,
        spec: spec::Spec,
        (kept, old): (&str, &ContainerInspectResponse),
    ) -> Result<(), RecreateError> {
        let options = CreateContainerOptions { name: Some(self.wanted.clone()), ..CreateContainerOptions::default() };
        let created = whole(client, client.create_container(Some(options), spec.body))
            .await
            .map_err(refused("create the new container"))?;
        for (network, endpoint) in spec.more_networks {
            let request = NetworkConnectRequest { container: created.id.clone(), endpoint_config: Some(endpoint) };
            whole(client, client.connect_network(&network, request))
                .await
                .map_err(refused("connect the new container to its networks"))?;
        }
        // Or it would be started beside its successor when the engine starts.
        quieten(client, kept, policy_of(old)).await;
        self.is_wanted()?;
        start(client, &created.id).await?;
        let image = old.config.as_ref().and_then(|config| config.image.clone()).unwrap_or_default();
        let now = inspect::found(client, &created.id).await.unwrap_or_default();
        let digest = now.image.as_deref().unwrap_or_default();
        tracing::info!("recreated {} from {image} ({digest}); the one before is kept until this one is well", self.wanted);
        moved::tell(&self.wanted, self.engine.kind, old, &now);
        Ok(())
    }

    /// Nobody else has stopped it since this began: whoever does so while we do wants it stopped.
    fn is_wanted(&self) -> Result<(), RecreateError> {
        if self.progress.borrow().is_some_and(|action| action.stopped) { Err(RecreateError::Stopped) } else { Ok(()) }
    }

    async fn stop(&self, client: &Docker, kind: EngineKind, id: &str) -> Result<(), RecreateError> {
        if kind == EngineKind::Podman {
            // Docker wakes a paused one to stop it. It refuses when there is nothing to wake.
            let _ = whole(client, client.unpause_container(id)).await;
        }
        let options = StopContainerOptions { t: self.patience.map(whole_seconds), signal: None };
        whole(client, client.stop_container(id, Some(options))).await.map_err(refused(STOP))
    }

    /// Which of these others, known by their names or ids, have no network of their own and use this one's. None when that cannot be told.
    pub async fn sharing(&self, others: Vec<String>) -> Vec<String> {
        let Ok(reach) = self.reach().await else { return Vec::new() };
        sharing::sharing(&reach, &self.wanted, others).await.unwrap_or_default()
    }

    /// It is well: what it has replaced is removed. Its volumes are its successor's, and stay.
    pub async fn keep(&mut self) -> Result<(), RecreateError> {
        // Whatever becomes of the old one: it is the new one that stays.
        (self.interrupted, self.unsettled) = (false, false);
        let client = self.reach().await?.connection.client;
        let Layout { current, old } = Layout::of(&client, &self.wanted).await?;
        let Some(old) = old else { return Ok(()) };
        let id = old.id.clone().unwrap_or_default();
        if layout::is_running(&old) || current.as_ref().and_then(label_of) != Some(id.as_str()) {
            let (name, old) = (&self.wanted, name_of(&old));
            tracing::warn!(
                "`{old}`, which `{name}` has replaced, is left alone: somebody has started it, or made another `{name}`"
            );
            return Ok(());
        }
        remove(&client, &id).await
    }

    /// The new one goes, and the old one is back under its name and, unless somebody has stopped it, started. Nothing is done where
    /// nothing was recreated.
    pub async fn put_back(&mut self, start: bool) -> Result<(), RecreateError> {
        if !self.unsettled {
            return Ok(());
        }
        let reach = self.begin(Does::Replace).await?;
        let outcome = Box::pin(self.undo(&reach.connection.client, start)).await;
        let seen = match &outcome {
            Ok(is_started) => !is_started || self.wait_until(Stage::Started).await,
            // It may have stopped the new one, or do so yet.
            Err(error @ RecreateError::Refused { .. }) => self.wait_until(Stage::Stopped).await || error.is_a_refusal(),
            Err(_) => true,
        };
        self.end(&reach, seen).await;
        self.interrupted &= outcome.is_err();
        self.unsettled &= outcome.is_err();
        outcome.map(|_| ())
    }

    /// Each of its steps may be made twice: what the engine errs in is tried again.
    async fn undo(&mut self, client: &Docker, start: bool) -> Result<bool, RecreateError> {
        let mut more = 0..TRIES;
        loop {
            let outcome = match Layout::of(client, &self.wanted).await {
                Ok(layout) => Box::pin(self.restore(client, layout, start)).await,
                Err(error) => Err(error),
            };
            match outcome {
                Err(error) if error.passes() && more.next().is_some() => {
                    tracing::warn!("{}: not put back yet, and tried again: {}", self.wanted, causes(&error));
                    sleep(BETWEEN_TRIES).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Whether anything was started. What somebody has stopped meanwhile is not.
    async fn restore(&mut self, client: &Docker, layout: Layout, starts: bool) -> Result<bool, RecreateError> {
        let Some(old) = layout.old else {
            let Some(current) = layout.current else { return Err(RecreateError::Gone(self.wanted.clone())) };
            // It was stopped, and nothing more.
            if !starts || !self.interrupted || layout::is_running(&current) {
                return Ok(false);
            }
            self.consent.given_by(&current)?;
            if self.is_wanted().is_err() {
                return Ok(false);
            }
            return start(client, &current.id.unwrap_or_default()).await.map(|()| true);
        };
        let id = old.id.clone().unwrap_or_default();
        if let Some(current) = layout.current {
            if label_of(&current) != Some(id.as_str()) {
                return Err(RecreateError::Taken { name: self.wanted.clone(), old: name_of(&old).to_owned() });
            }
            self.discard(client, &current, &id).await?;
        }
        // From here on what has its name back is ours to start, whatever comes between.
        self.interrupted = true;
        rename(client, &id, &self.wanted).await?;
        if !starts || self.is_wanted().is_err() {
            return Ok(false);
        }
        start(client, &id).await?;
        tracing::warn!(
            container = self.wanted,
            "the new container is gone, or did not come back; the one before is in its place again"
        );
        Ok(true)
    }

    /// The new one goes; what the old one was to do at the engine's start it is to do again.
    async fn discard(&self, client: &Docker, current: &ContainerInspectResponse, old: &str) -> Result<(), RecreateError> {
        set_policy(client, old, policy_of(current)).await;
        let id = current.id.as_deref().unwrap_or_default();
        if layout::is_running(current) {
            let options = StopContainerOptions { t: self.patience.map(whole_seconds), signal: None };
            whole(client, client.stop_container(id, Some(options))).await.map_err(refused(STOP_NEW))?;
        }
        remove(client, id).await
    }
}

/// Finishes what an end of ours has cut short in the middle of a recreate: a new one that runs is left to be verified, else the old one
/// is put back. Nothing is started that runs, or that somebody has stopped meanwhile (not `starts`).
pub async fn tidy(client: &Docker, name: &str, starts: bool, consent: &Consent) -> Result<(), RecreateError> {
    let Layout { current, old } = Layout::of(client, name).await?;
    match (old, current) {
        (None, Some(current)) if starts && !layout::is_running(&current) => {
            consent.given_by(&current)?;
            start(client, &current.id.unwrap_or_default()).await
        }
        (None, _) => Ok(()),
        (Some(old), current) => {
            let id = old.id.clone().unwrap_or_default();
            if let Some(current) = current {
                if label_of(&current) != Some(id.as_str()) || !layout::was_never_started(&current) {
                    return Ok(());
                }
                set_policy(client, &id, policy_of(&current)).await;
                remove(client, current.id.as_deref().unwrap_or_default()).await?;
            }
            rename(client, &id, name).await?;
            if starts { start(client, &id).await } else { Ok(()) }
        }
    }
}

/// `container:ID`: one that was recreated meanwhile has another id.
async fn follow(client: &Docker, shared: &mut String) -> Result<(), RecreateError> {
    let Some(id) = shared.strip_prefix("container:") else { return Ok(()) };
    if let Some(successor) = layout::successor(client, id).await? {
        *shared = format!("container:{successor}");
    }
    Ok(())
}

async fn rename(client: &Docker, id: &str, name: &str) -> Result<(), RecreateError> {
    let options = RenameContainerOptions { name: name.to_owned() };
    whole(client, client.rename_container(id, options)).await.map_err(refused("rename the container"))
}

async fn start(client: &Docker, id: &str) -> Result<(), RecreateError> {
    whole(client, client.start_container(id, None::<StartContainerOptions>)).await.map_err(refused("start the container"))
}

/// Without its volumes, which another one uses. One that is gone is gone.
async fn remove(client: &Docker, id: &str) -> Result<(), RecreateError> {
    let options = RemoveContainerOptions { v: false, force: false, link: false };
    match whole(client, client.remove_container(id, Some(options))).await {
        Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        Err(error) => Err(refused("remove the container")(error)),
    }
}

fn policy_of(container: &ContainerInspectResponse) -> Option<RestartPolicy> {
    container.host_config.as_ref()?.restart_policy.clone()
}

/// One that is kept is not to be started by its engine.
async fn quieten(client: &Docker, kept: &str, policy: Option<RestartPolicy>) {
    let never = RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None };
    if policy.and_then(|policy| policy.name).is_some_and(|name| !is_never(name)) {
        set_policy(client, kept, Some(never)).await;
    }
}

fn is_never(name: RestartPolicyNameEnum) -> bool {
    matches!(name, RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO)
}

/// Podman before 5.1 cannot, and starts none of them by itself.
async fn set_policy(client: &Docker, id: &str, policy: Option<RestartPolicy>) {
    let Some(policy) = policy.filter(|policy| policy.name.is_some_and(|name| name != RestartPolicyNameEnum::EMPTY)) else {
        return;
    };
    let body = ContainerUpdateBody { restart_policy: Some(policy), ..ContainerUpdateBody::default() };
    if let Err(error) = whole(client, client.update_container(id, body)).await {
        tracing::debug!(%error, id, "the restart policy of a replaced container stays as it is");
    }
}
