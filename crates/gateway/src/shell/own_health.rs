//! The gateway's own health. Without its orchestrators it is degraded, never down: it still serves what it knew.

use std::sync::Arc;
use std::time::Duration;

use health_endpoint::{CheckError, CheckResult, Component, Health};
use health_spec::ecosystem::SourceStatus;

use super::hub::Hub;

/// How soon a lost orchestrator shows.
const PACE: Duration = Duration::from_secs(1);

/// What `GET /health` answers with.
pub(crate) fn own_health(hub: &Arc<Hub>) -> Health {
    let hub = Arc::clone(hub);
    let sources = Component::new("sources", move || std::future::ready(connected(&hub))).interval(PACE);
    Health::builder("gateway").version(env!("CARGO_PKG_VERSION")).component(sources).build()
}

fn connected(hub: &Hub) -> CheckResult {
    let missing: Vec<String> = hub.read(|state| {
        let missing = state.view.sources().iter().filter(|source| source.status() != SourceStatus::Connected);
        missing.map(|source| source.name().to_string()).collect()
    });
    if !missing.is_empty() {
        return Err(CheckError::degraded(format!("not connected: {}", missing.join(", "))));
    }
    let mut names: Vec<String> = hub.read(|state| state.view.sources().iter().map(|source| source.name().to_string()).collect());
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(CheckError::degraded(format!("two orchestrators are called {}: give each a --name", pair[0]))),
        None => Ok(()),
    }
}
