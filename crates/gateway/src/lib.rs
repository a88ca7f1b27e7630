//! Aggregates, streams and shows the health of MCP servers.
//!
//! A gateway follows one orchestrator or many ([`source`]), and serves what it knows: the ecosystem, each change
//! as it happens, and a dashboard. It acts on nothing. [`bind`] opens the listener, [`Gateway::serve`] runs it.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use gateway::source::Source;
//! use gateway::{Settings, bind};
//!
//! let orchestrator = Source::Http("http://127.0.0.1:8090".into());
//! let gateway = bind(Settings::new(([127, 0, 0, 1], 8080).into(), vec![orchestrator])).await?;
//! eprintln!("gateway listens on http://{}", gateway.address());
//! gateway.serve(tokio_util::sync::CancellationToken::new()).await?;
//! # Ok(())
//! # }
//! ```

mod machine;
mod shell;
pub mod source;

pub use shell::healthcheck::{HealthcheckError, healthcheck};
pub use shell::serve::{BindError, Gateway, ServeError, Settings, bind};

/// The README's examples, tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
