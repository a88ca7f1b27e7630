//! What an engine says about a container, as far as discovery needs it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bollard::models::{ContainerInspectResponse, ContainerSummary, PortMap};

use crate::shell::runtime::container::inspect::is_alive;

/// A container, as it is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// The name of its engine.
    pub engine: String,
    /// Its full id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The image, as it was asked for.
    pub image: String,
    /// What the engine calls its state: `running`, `exited`, `created`.
    pub state: String,
    /// When it was created, in seconds since 1970.
    pub created: i64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What only an inspection tells; only those that ask to be watched are inspected.
    pub details: Option<Details>,
}

/// What an inspection tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Whether it has ever run.
    pub has_run: bool,
    /// Whether it runs.
    pub runs: bool,
    /// Its TCP ports, in order.
    pub ports: Vec<Port>,
    /// Its addresses in the engine's networks, by the network's name.
    pub addresses: Vec<IpAddr>,
    /// It has no network of its own: its ports are the host's.
    pub host_network: bool,
}

/// A TCP port of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The number inside.
    pub inside: u16,
    /// Where the host has it, if anywhere; an address that is unspecified means all of them.
    pub published: Option<(Option<IpAddr>, u16)>,
}

impl Container {
    /// Reads an item of a list.
    pub fn listed(engine: &str, summary: ContainerSummary) -> Self {
        let name = summary.names.unwrap_or_default().into_iter().next().unwrap_or_default();
        Self {
            engine: engine.to_owned(),
            id: summary.id.unwrap_or_default(),
            name: name.trim_start_matches('/').to_owned(),
            image: summary.image.unwrap_or_default(),
            state: summary.state.map(|state| state.to_string()).unwrap_or_default(),
            created: summary.created.unwrap_or_default(),
            labels: summary.labels.unwrap_or_default().into_iter().collect(),
            details: None,
        }
    }

    /// The value of a label.
    pub fn label(&self, label: &str) -> Option<&str> {
        self.labels.get(label).map(String::as_str)
    }
}

impl Details {
    /// Reads an inspection.
    pub fn read(found: ContainerInspectResponse) -> Self {
        let state = found.state.unwrap_or_default();
        let settings = found.network_settings.unwrap_or_default();
        let host = found.host_config.unwrap_or_default();
        let exposed = found.config.and_then(|config| config.exposed_ports).unwrap_or_default();
        let networks: BTreeMap<_, _> = settings.networks.unwrap_or_default().into_iter().collect();
        let addresses = networks.into_values().flat_map(|network| [network.ip_address, network.global_ipv6_address]);
        Self {
            // What never happened is written as the year 1.
            runs: is_alive(&state),
            has_run: state.started_at.is_some_and(|at| !at.is_empty() && !at.starts_with("0001-")),
            ports: ports(&settings.ports.unwrap_or_default(), &host.port_bindings.unwrap_or_default(), &exposed),
            addresses: addresses.filter_map(|address| address?.parse().ok()).collect(),
            host_network: host.network_mode.as_deref() == Some("host"),
        }
    }
}

/// Where the host has a port now; of one that does not run, where it will have it, if that is fixed.
fn ports(now: &PortMap, fixed: &PortMap, exposed: &[String]) -> Vec<Port> {
    let mut ports = BTreeMap::new();
    for written in exposed.iter().chain(fixed.keys()).chain(now.keys()) {
        if let Some(inside) = tcp(written) {
            ports.insert(inside, published(now, written).or_else(|| published(fixed, written)));
        }
    }
    ports.into_iter().map(|(inside, published)| Port { inside, published }).collect()
}

/// `8082/tcp`, or `8082`.
fn tcp(written: &str) -> Option<u16> {
    let (number, protocol) = written.split_once('/').unwrap_or((written, "tcp"));
    number.parse().ok().filter(|_| protocol == "tcp")
}

/// IPv4 goes first: engines publish both under the same number.
fn published(map: &PortMap, written: &str) -> Option<(Option<IpAddr>, u16)> {
    let bindings = map.get(written)?.iter().flatten();
    let read = bindings.filter_map(|binding| {
        let port = binding.host_port.as_deref()?.parse().ok().filter(|port| *port != 0)?;
        Some((binding.host_ip.as_deref().and_then(|ip| ip.parse().ok()), port))
    });
    read.min_by_key(|(ip, _)| ip.is_some_and(|ip: IpAddr| ip.is_ipv6()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(json: &str) -> Details {
        Details::read(serde_json::from_str(json).expect("an inspection"))
    }

    #[test]
    fn ports_of_one_that_runs_are_where_the_engine_has_put_them() {
        let details = details(
            r#"{"State": {"Running": true, "StartedAt": "2026-01-02T03:04:05Z"}, "Config": {"ExposedPorts": {"8082/tcp": {}, "53/udp": {}, "9090/tcp": {}}},
                "HostConfig": {"NetworkMode": "shop", "PortBindings": {"8082/tcp": [{"HostIp": "", "HostPort": "0"}]}},
                "NetworkSettings": {"Ports": {"8082/tcp": [{"HostIp": "::", "HostPort": "49153"}, {"HostIp": "0.0.0.0", "HostPort": "49153"}], "9090/tcp": null},
                                    "Networks": {"shop": {"IPAddress": "172.18.0.2"}}}}"#,
        );
        let everywhere = "0.0.0.0".parse().ok();
        let expected = [Port { inside: 8082, published: Some((everywhere, 49153)) }, Port { inside: 9090, published: None }];
        assert_eq!(details.ports, expected);
        assert_eq!(details.addresses, ["172.18.0.2".parse::<IpAddr>().expect("an address")]);
        assert!(details.has_run && details.runs && !details.host_network);
    }

    #[test]
    fn of_one_that_does_not_run_only_fixed_ports_are_known() {
        let bindings = r#""PortBindings": {"1/tcp": [{"HostIp": "127.0.0.1", "HostPort": "81"}], "2/tcp": [{"HostPort": ""}]}"#;
        let details = details(&format!(
            r#"{{"State": {{"Running": false, "StartedAt": "0001-01-01T00:00:00Z"}}, "HostConfig": {{"NetworkMode": "host", {bindings}}},
                "NetworkSettings": {{"Ports": {{}}, "Networks": {{"bridge": {{"IPAddress": ""}}}}}}}}"#
        ));
        let loopback = "127.0.0.1".parse().ok();
        assert_eq!(details.ports, [Port { inside: 1, published: Some((loopback, 81)) }, Port { inside: 2, published: None }]);
        assert!(!details.has_run && !details.runs && details.host_network && details.addresses.is_empty());
    }
}
