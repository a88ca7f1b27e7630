//! Which containers there are of a name: the one that has it, and the one that it has replaced.

use bollard::{
    Docker,
    errors::Error,
    models::{ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary},
    query_parameters::ListContainersOptions,
};

use super::{RecreateError, refused};
use crate::shell::runtime::container::{
    answer::whole,
    inspect::{self as engine, is_alive, is_meant},
};

/// Carried by a new container: the id of the one that it has replaced.
pub const LABEL: &str = "mcp-health.recreates";

/// Between a container's name and the beginning of its id, while it is kept.
const KEPT: &str = "-mcp-health-old-";

/// What is there.
pub(super) struct Layout {
    /// It has the name.
    pub(super) current: Option<ContainerInspectResponse>,
    /// It had the name, and is kept.
    pub(super) old: Option<ContainerInspectResponse>,
}

impl Layout {
    /// Of several that are kept, the one that the present one has replaced; else the one that ended last.
    pub(super) async fn of(client: &Docker, name: &str) -> Result<Self, RecreateError> {
        let current = inspect(client, name).await?;
        let mut kept = Vec::new();
        for id in kept_ids(client, name).await? {
            kept.extend(inspect(client, &id).await?);
        }
        Ok(Self::among(current, kept))
    }

    fn among(current: Option<ContainerInspectResponse>, mut kept: Vec<ContainerInspectResponse>) -> Self {
        let replaced = current.as_ref().and_then(label_of);
        let ended = |container: &ContainerInspectResponse| container.state.as_ref().and_then(|state| state.finished_at.clone());
        let own = kept.iter().position(|container| container.id.as_deref() == replaced);
        let latest = || (0..kept.len()).max_by_key(|at| ended(&kept[*at]));
        let old = own.or_else(latest).map(|at| kept.swap_remove(at));
        Self { current, old }
    }

    /// The present one, with the one that it has replaced. What is kept beside a present one that says nothing of it is a stranger.
    pub(super) fn replaceable(
        self,
        name: &str,
    ) -> Result<(ContainerInspectResponse, Option<ContainerInspectResponse>), RecreateError> {
        let current = self.current.ok_or_else(|| RecreateError::Gone(name.to_owned()))?;
        match self.old {
            Some(old) if label_of(&current) != old.id.as_deref() => {
                Err(RecreateError::Stranger { name: name.to_owned(), kept: name_of(&old).to_owned() })
            }
            old => Ok((current, old)),
        }
    }
}

/// The name of a container that is kept.
pub(super) fn old_name(name: &str, id: &str) -> String {
    format!("{name}{KEPT}{}", &id[..id.len().min(12)])
}

/// Of a container that is kept under this name, the name that it had. `None`: it is an ordinary name.
pub fn kept_of(name: &str) -> Option<&str> {
    let (own, id) = name.rsplit_once(KEPT)?;
    let is_id = !id.is_empty() && id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    is_id.then_some(own)
}

/// `None`: there is none.
pub(super) async fn inspect(client: &Docker, container: &str) -> Result<Option<ContainerInspectResponse>, RecreateError> {
    match engine::found(client, container).await {
        Ok(found) => Ok(Some(found).filter(|found| is_meant(found, container))),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(refused("say how the container is")(error)),
    }
}

/// The engine looks for names that contain the word; of those only ours are taken.
async fn kept_ids(client: &Docker, name: &str) -> Result<Vec<String>, RecreateError> {
    let found = list(client, Some(("name", format!("{name}{KEPT}")))).await?;
    let is_ours = |kept: &String| kept_of(kept.trim_start_matches('/')) == Some(name);
    let ours = found.into_iter().filter(|container| container.names.iter().flatten().any(is_ours));
    Ok(ours.filter_map(|container| container.id).collect())
}

/// All containers, or those that pass this filter.
pub(super) async fn list(client: &Docker, filter: Option<(&str, String)>) -> Result<Vec<ContainerSummary>, RecreateError> {
    let filters = filter.map(|(key, value)| [(key.to_owned(), vec![value])].into());
    let options = ListContainersOptions { all: true, filters, ..ListContainersOptions::default() };
    let ask = || whole(client, client.list_containers(Some(options.clone())));
    engine::until_passed(ask).await.map_err(refused("list its containers"))
}

/// Without the slash.
pub(super) fn name_of(container: &ContainerInspectResponse) -> &str {
    container.name.as_deref().unwrap_or_default().trim_start_matches('/')
}

/// The id of the one that it has replaced.
pub(super) fn label_of(container: &ContainerInspectResponse) -> Option<&str> {
    container.config.as_ref()?.labels.as_ref()?.get(LABEL).map(String::as_str)
}

/// A paused one does too.
pub(super) fn is_running(container: &ContainerInspectResponse) -> bool {
    container.state.as_ref().is_some_and(is_alive)
}

/// It was created, and that is all.
pub(super) fn was_never_started(container: &ContainerInspectResponse) -> bool {
    let status = container.state.as_ref().and_then(|state| state.status);
    status == Some(ContainerStateStatusEnum::CREATED) || (status.is_none() && !is_running(container))
}

/// The container that has replaced this one.
pub(super) async fn successor(client: &Docker, id: &str) -> Result<Option<String>, RecreateError> {
    let found = list(client, Some(("label", format!("{LABEL}={id}")))).await?;
    Ok(found.into_iter().find_map(|container| container.id))
}

#[cfg(test)]
mod tests;
