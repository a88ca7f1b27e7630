//! `/health` for a Rust MCP server in three lines.
//!
//! ```
//! use health_endpoint::Health;
//!
//! let health = Health::builder("my-server")
//!     .version(env!("CARGO_PKG_VERSION"))
//!     .check("database", || async { Ok(()) })
//!     .build();
//! let app: axum::Router = axum::Router::new().merge(health.router());
//! ```
//!
//! Checks run in the background of a tokio runtime with time enabled, each at its own pace; a request reads their last results and never waits for them.
//! A check that times out or panics is `down`, with the reason in `error`. So is one that is overdue, since an old
//! success proves nothing. [`Health::layer`] puts the same answers in front of a service that is no axum router.
//!
//! It does not authenticate: what a check says as its reason is public.

mod answer;
mod check;
mod clock;
mod evaluate;
mod health;
mod layer;
mod router;
mod runner;

pub use check::{Check, CheckError, CheckResult, DEFAULT_INTERVAL, DEFAULT_TIMEOUT, SHORTEST_INTERVAL};
pub use health::{Builder, Health};
pub use health_spec::{HealthResponse, Status};
pub use layer::{HealthLayer, HealthService};

/// The README's examples, tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
