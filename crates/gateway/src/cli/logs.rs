//! Log lines on stderr; `RUST_LOG` says which.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How a log line looks.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// From now on, log.
pub(super) fn start(format: Format) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        Format::Text => lines.with_ansi(std::env::var_os("NO_COLOR").is_none() && std::io::stderr().is_terminal()).init(),
        Format::Json => lines.json().init(),
    }
}
