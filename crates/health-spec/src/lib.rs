//! The vocabulary of mcp-health: everything that crosses a process boundary, and nothing that waits or fails.
//!
//! A server author needs [`HealthResponse`]; a monitor needs [`verdict`]; everyone who reads the
//! orchestrator or the gateway needs [`Event`], [`ServerView`] and [`Ecosystem`].
//! The crate has no async runtime and does no IO.
//!
//! Features: `schema` (JSON Schemas of every type), `validate` (strict validation against the v1.0 schema), `conformance`
//! (looks at a running server and judges it; with an HTTP client), `cli` (the program `health-spec`).

pub mod access;
pub mod asked;
pub mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dialect;
pub mod ecosystem;
pub mod event;
pub mod incident;
pub mod problem;
pub mod registry;
pub mod response;
#[cfg(feature = "schema")]
pub mod schema;
pub mod slo;
pub mod status;
pub mod stream;
pub mod time;
#[cfg(feature = "validate")]
pub mod validate;
pub mod verdict;
pub mod view;

pub use dialect::Dialect;
pub use ecosystem::Ecosystem;
pub use event::{Event, EventKind};
pub use incident::Incident;
pub use problem::Problem;
pub use response::HealthResponse;
pub use status::{Phase, Status};
pub use verdict::{Outcome, Reason, Verdict};
pub use view::{ServerView, Snapshot};

/// The largest health body a monitor reads (contract, section 1.1).
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The README's example, tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
