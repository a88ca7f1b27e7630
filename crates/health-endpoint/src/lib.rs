#![cfg_attr(docsrs, feature(doc_cfg))]
//! `/health` for a Rust MCP server in three lines.
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use health_endpoint::Health;
//!
//! let health = Health::builder("my-server")
//!     .version(env!("CARGO_PKG_VERSION"))
//!     .check("database", || async { Ok(()) })
//!     .build();
//! let app = axum::Router::<()>::new().layer(health.layer()); // your router, with this as its last layer
//! # }
//! ```
//!
//! - A [`Check`] is an async closure or a type of its own; a [`Component`] gives it an interval, a timeout, a weight and an
//!   initial state. [`checks`] are ready-made ones. They run in the background of a tokio runtime with time enabled, each at
//!   its own pace; a request reads their last results and never waits for them. One that times out or panics is `down`,
//!   with the reason in `error`; so is one that is overdue, since an old success proves nothing.
//! - [`Health::layer`] answers `/health` in front of a service, [`Health::router`] is a route to merge or nest,
//!   [`Health::serve`] a listener of its own beside a protocol on stdio, and `Health::tool` (feature `rmcp`)
//!   the MCP tool `health_check`.
//! - [`Health::traffic`] watches the MCP route: a server whose calls all fail is not called healthy. [`Traffic`] says what counts.
//! - [`Health::shutdown_on_signal`] says `draining` while requests end.
//!
//! What a check says as its reason, and all metadata, is public, unless [`Builder::bearer_token`] is set.
//!
//! # Features
//!
//! `axum` and `signal` are on by default; `rmcp`, `check-tcp`, `check-http`, `check-disk` and `check-memory` are not. Without
//! any it is a tower layer over `http`.

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

/// The MCP tool that answers as `/health` does (`Health::tool`).
const TOOL: &str = "health_check";

/// The README's examples, tested.
#[cfg(all(doctest, feature = "axum", feature = "signal"))]
#[doc = include_str!("../README.md")]
struct Readme;
