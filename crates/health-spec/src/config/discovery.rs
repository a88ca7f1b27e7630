//! The section `discovery`: containers that are watched because their labels ask for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Seconds;
#[cfg(feature = "schema")]
use super::defaults;

/// Containers that are watched because their labels ask for it (`mcp.health.enable=true`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Discovery {
    /// Whether labels are looked at. Default false.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::DISCOVERY)))]
    pub enabled: Option<bool>,
    /// Names of `engines` whose containers are looked at. Default: all of them.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub engines: Option<Vec<String>>,
    /// Only containers that have all of these labels too: for several orchestrators on one engine. Default: any.
    pub labels: BTreeMap<String, String>,
    /// The group of those whose labels name none. Default: their compose project.
    pub group: Option<String>,
    /// Where health is asked for when no label gives a URL. Default `published`.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::DISCOVERY_ADDRESS)))]
    pub address: Option<AddressBy>,
    /// How long a container that was removed stays registered: one that is recreated meanwhile is the same server. Default 10.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::DISCOVERY_GRACE)))]
    pub grace_seconds: Option<Seconds>,
}

/// How a container is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AddressBy {
    /// At its published port; where there is none, at its own address.
    Published,
    /// At its own address in the engine's network.
    Container,
    /// By its name: for an orchestrator that runs in a container of the same network.
    Name,
}
