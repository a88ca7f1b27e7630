//! Addresses that a new container does not have, and the one before had, where nobody can tell whether they were asked for.

use std::collections::BTreeMap;

use bollard::models::{ContainerInspectResponse, EndpointSettings};
use health_spec::config::EngineKind;

/// Says so, where the engine does not tell what was asked for.
pub(super) fn tell(name: &str, kind: EngineKind, old: &ContainerInspectResponse, new: &ContainerInspectResponse) {
    if kind != EngineKind::Podman {
        return;
    }
    for (network, before, now) in moved(old, new) {
        tracing::warn!(
            "`{name}` had the address {before} in network {network}, and has {now} since it was recreated: Podman does not tell whether that was \
             asked for. Where it was, use `restart`"
        );
    }
}

/// By network: what it was, and what it is.
fn moved(old: &ContainerInspectResponse, new: &ContainerInspectResponse) -> Vec<(String, String, String)> {
    let now = networks(new);
    let other = |(network, endpoint): (&String, &EndpointSettings)| {
        let before = endpoint.ip_address.clone().filter(|address| !address.is_empty() && endpoint.ipam_config.is_none())?;
        let after = now.get(network)?.ip_address.clone().filter(|address| !address.is_empty() && *address != before)?;
        Some((network.clone(), before, after))
    };
    networks(old).iter().filter_map(other).collect()
}

fn networks(container: &ContainerInspectResponse) -> BTreeMap<String, EndpointSettings> {
    let settings = container.network_settings.clone().and_then(|settings| settings.networks);
    settings.unwrap_or_default().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(addresses: &[(&str, &str)]) -> ContainerInspectResponse {
        let networks = addresses.iter().map(|(network, address)| ((*network).to_owned(), json!({ "IPAddress": address })));
        let networks: serde_json::Map<_, _> = networks.collect();
        serde_json::from_value(json!({ "NetworkSettings": { "Networks": networks } })).unwrap()
    }

    #[test]
    fn only_another_address_is_told() {
        let old = at(&[("back", "10.1.0.7"), ("front", "10.2.0.7"), ("gone", "10.3.0.7"), ("podman", "")]);
        let new = at(&[("back", "10.1.0.7"), ("front", "10.2.0.8"), ("podman", "10.88.0.2")]);
        assert_eq!(moved(&old, &new), [("front".to_owned(), "10.2.0.7".to_owned(), "10.2.0.8".to_owned())]);
    }
}
