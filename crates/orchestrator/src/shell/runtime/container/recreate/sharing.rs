//! Who has no network of its own, and uses that of another container.

use bollard::Docker;
use futures_util::future::join_all;
use health_spec::config::EngineKind;

use super::{RecreateError, layout};
use crate::shell::runtime::container::{inspect::names, ledger::means, listener::Reach};

/// So many are asked at once.
const AT_ONCE: usize = 8;

/// The container that is reached so has this name. `others` are known by their names or ids.
pub(in crate::shell::runtime::container) async fn sharing(
    reach: &Reach,
    name: &str,
    others: Vec<String>,
) -> Result<Vec<String>, RecreateError> {
    let client = &reach.connection.client;
    let shares = |mode: Option<&str>| {
        mode.and_then(|mode| mode.strip_prefix("container:")).is_some_and(|leader| leader == reach.id || leader == name)
    };
    match reach.connection.kind {
        EngineKind::Docker => listed(client, shares, others).await,
        EngineKind::Podman => Ok(inspected(client, shares, others).await),
    }
}

async fn listed(
    client: &Docker,
    shares: impl Fn(Option<&str>) -> bool,
    mut others: Vec<String>,
) -> Result<Vec<String>, RecreateError> {
    let mut found = layout::list(client, None).await?;
    found.retain(|container| shares(container.host_config.as_ref().and_then(|config| config.network_mode.as_deref())));
    others.retain(|other| {
        let id = |container: &bollard::models::ContainerSummary| container.id.clone().unwrap_or_default();
        found.iter().any(|container| names(container).any(|name| means(other, name, &id(container))))
    });
    Ok(others)
}

/// Podman's list has no network modes, or always the same one. One that it cannot describe just now is left out.
async fn inspected(client: &Docker, shares: impl Fn(Option<&str>) -> bool, others: Vec<String>) -> Vec<String> {
    let mut sharing = Vec::new();
    for some in others.chunks(AT_ONCE) {
        let found = join_all(some.iter().map(|other| layout::inspect(client, other))).await;
        let follows = |found: Result<Option<bollard::models::ContainerInspectResponse>, RecreateError>| {
            let host = found.ok().flatten().and_then(|found| found.host_config);
            shares(host.and_then(|host| host.network_mode).as_deref())
        };
        let all = some.iter().zip(found).filter_map(|(other, found)| follows(found).then(|| other.clone()));
        sharing.extend(all);
    }
    sharing
}
