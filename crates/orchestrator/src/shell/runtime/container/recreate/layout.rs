//! Which containers there are of a name: the one that has it, and the one that it has replaced.

use bollard::{
    Docker,
    errors::Error,
    models::{ContainerInspectResponse, ContainerStateStatusEnum},
    query_parameters::{InspectContainerOptions, ListContainersOptions},
};

use super::{RecreateError, refused};

/// Carried by a new container: the id of the one that it has replaced.
pub(super) const LABEL: &str = "mcp-health.recreates";

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
        let replaced = current.as_ref().and_then(label_of);
        let ended = |container: &ContainerInspectResponse| container.state.as_ref().and_then(|state| state.finished_at.clone());
        let own = kept.iter().position(|container| container.id.as_deref() == replaced);
        let latest = || (0..kept.len()).max_by_key(|at| ended(&kept[*at]));
        let old = own.or_else(latest).map(|at| kept.swap_remove(at));
        Ok(Self { current, old })
    }
}

/// The name of a container that is kept.
pub(super) fn old_name(name: &str, id: &str) -> String {
    format!("{name}{KEPT}{}", &id[..id.len().min(12)])
}

/// `None`: there is none.
async fn inspect(client: &Docker, container: &str) -> Result<Option<ContainerInspectResponse>, RecreateError> {
    match client.inspect_container(container, None::<InspectContainerOptions>).await {
        Ok(found) => Ok(Some(found)),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(refused("say how the container is")(error)),
    }
}

/// The engine looks for names that contain the word; of those only ours are taken.
async fn kept_ids(client: &Docker, name: &str) -> Result<Vec<String>, RecreateError> {
    let beginning = format!("{name}{KEPT}");
    let filters = Some([("name".to_owned(), vec![beginning.clone()])].into());
    let options = ListContainersOptions { all: true, filters, ..ListContainersOptions::default() };
    let found = client.list_containers(Some(options)).await.map_err(refused("list its containers"))?;
    let is_ours = |name: &String| name.trim_start_matches('/').starts_with(&beginning);
    let ours = found.into_iter().filter(|container| container.names.iter().flatten().any(is_ours));
    Ok(ours.filter_map(|container| container.id).collect())
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
    container.state.as_ref().and_then(|state| state.running).unwrap_or_default()
}

/// It was created, and that is all.
pub(super) fn was_never_started(container: &ContainerInspectResponse) -> bool {
    let status = container.state.as_ref().and_then(|state| state.status);
    status == Some(ContainerStateStatusEnum::CREATED) || (status.is_none() && !is_running(container))
}

/// The container that has replaced this one.
pub(super) async fn successor(client: &Docker, id: &str) -> Result<Option<String>, RecreateError> {
    let filters = Some([("label".to_owned(), vec![format!("{LABEL}={id}")])].into());
    let options = ListContainersOptions { all: true, filters, ..ListContainersOptions::default() };
    let found = client.list_containers(Some(options)).await.map_err(refused("list its containers"))?;
    Ok(found.into_iter().find_map(|container| container.id))
}

/// The names of the containers that use the network of this one, which is known by its id and its name.
pub(super) async fn sharing(client: &Docker, id: &str, name: &str) -> Result<Vec<String>, RecreateError> {
    let options = ListContainersOptions { all: true, ..ListContainersOptions::default() };
    let found = client.list_containers(Some(options)).await.map_err(refused("list its containers"))?;
    let shares = |container: &bollard::models::ContainerSummary| {
        let mode = container.host_config.as_ref().and_then(|config| config.network_mode.as_deref());
        mode.and_then(|mode| mode.strip_prefix("container:")).is_some_and(|leader| leader == id || leader == name)
    };
    let names = found.into_iter().filter(shares).flat_map(|container| container.names.unwrap_or_default());
    Ok(names.map(|name| name.trim_start_matches('/').to_owned()).collect())
}
