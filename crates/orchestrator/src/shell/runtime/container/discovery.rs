//! Containers as an engine lists them, for whoever decides which of them ask to be watched (contract, section 2).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use bollard::models::ContainerSummary;
use health_spec::config::EngineKind;

use super::inspect;

/// The opt-in: nothing without it, or a registry entry, is ever touched.
pub const ENABLE: &str = "mcp.health.enable";

/// Whether these labels ask for it.
pub fn asks<S: std::hash::BuildHasher>(labels: &HashMap<String, String, S>) -> bool {
    labels.get(ENABLE).is_some_and(|value| value == "true")
}

/// A container that an engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The engine's name in the configuration.
    pub engine: String,
    /// What it is configured as.
    pub kind: EngineKind,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its ports inside, with where they are published.
    pub ports: BTreeMap<u16, Option<(String, u16)>>,
    /// Its own address in a network of its engine.
    pub address: Option<String>,
}

impl Listed {
    /// `None` for one without a name, which is about to go.
    pub fn read(engine: &str, kind: EngineKind, summary: &ContainerSummary) -> Option<Self> {
        let ports = summary.ports.iter().flatten();
        let published = |port: &bollard::models::PortSummary| Some((host(port.ip.as_deref()), port.public_port?));
        let networks = summary.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
        let addresses = networks.into_iter().flat_map(|networks| networks.values()).filter_map(|one| one.ip_address.clone());
        Some(Self {
            engine: engine.to_owned(),
            kind,
            name: inspect::names(summary).next()?.to_owned(),
            labels: summary.labels.clone().unwrap_or_default().into_iter().collect(),
            // Published for IPv6 too: the first one will do.
            ports: ports.rev().map(|port| (port.private_port, published(port))).collect(),
            address: addresses.filter(|address| !address.is_empty()).min(),
        })
    }

    /// Its labels ask for it to be watched.
    pub fn asks(&self) -> bool {
        self.label(ENABLE) == Some("true")
    }

    /// A label's value.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// Published everywhere means on loopback too.
fn host(ip: Option<&str>) -> String {
    match ip.and_then(|ip| ip.parse::<IpAddr>().ok()) {
        Some(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        Some(IpAddr::V6(ip)) => format!("[{ip}]"),
        Some(ip) => ip.to_string(),
        None => "127.0.0.1".to_owned(),
    }
}
