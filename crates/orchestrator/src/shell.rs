//! Acts: everything that waits or fails.
//!
//! [`serve`] puts the parts together; [`driver`] is the loop around the machine; [`probe`], [`runtime`] and [`hook`] touch
//! servers; [`store`] and [`journal`] touch the disk; [`api`] and [`embed`] tell others.

pub mod actions;
pub mod alarm;
pub mod api;
pub mod asked;
pub mod causes;
pub mod client;
pub mod clock;
pub mod compact;
pub mod config;
pub mod descriptors;
pub mod discovery;
pub mod driver;
#[cfg(feature = "gateway")]
pub mod embed;
pub mod evidence;
pub mod hook;
pub mod import;
pub mod incidents;
pub mod journal;
pub mod maintenance;
pub mod metrics;
pub mod narrate;
pub mod plan;
pub mod probe;
pub mod published;
pub mod record;
pub mod reload;
pub mod renewed;
#[cfg(test)]
#[path = "../tests/engine/root.rs"]
mod root;
pub mod runtime;
pub mod secrets;
pub mod serve;
pub mod server_file;
pub mod sight;
pub mod slo;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod view;
pub mod writer;
