#![cfg_attr(docsrs, feature(doc_cfg))]
//! wip
mod about;
mod answer;
mod builder;
mod check;
pub mod checks;
mod clock;
mod component;
mod evaluate;
mod health;
mod layer;
mod render;
#[cfg(feature = "axum")]
mod router;
mod runner;
#[cfg(feature = "axum")]
mod serve;
mod shutdown;
mod token;
#[cfg(feature = "rmcp")]
mod tool;
mod traffic;

pub use builder::{Builder, DEFAULT_DRAIN_TIMEOUT};
pub use check::{Check, CheckError, CheckResult};
pub use component::{Component, DEFAULT_INTERVAL, DEFAULT_TIMEOUT, SHORTEST_INTERVAL};
pub use health::Health;
pub use health_spec::{HealthResponse, Status};
pub use layer::{HealthBody, HealthLayer, HealthService};
#[cfg(feature = "axum")]
pub use serve::{ServeError, Serving};
pub use traffic::{Signal, Traffic, TrafficBody, TrafficFuture, TrafficLayer, TrafficService};
