//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;

/// A small real MCP server (tools `echo`, `add`, `reverse`) with `/health` on the same port, that can be told to fail.
#[derive(Clone, Debug, Parser)]
#[command(version, after_help = BREAKING)]
pub(crate) struct Args {
    /// Where to listen: MCP at /mcp, health at /health.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8082")]
    pub(crate) listen: SocketAddr,
    /// The server's name, in MCP and in `/health`.
    #[arg(long, default_value = "sample-server")]
    pub(crate) name: String,
    /// Has a non-critical component that reports degraded.
    #[arg(long)]
    pub(crate) degraded: bool,
    /// Crashes (abort) that long after it began to serve.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) crash_every: Option<Duration>,
    /// Stops answering that long after it began to serve.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) hang_every: Option<Duration>,
    /// Binds that much later.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0")]
    pub(crate) start_delay: Duration,
}

const BREAKING: &str = "\
POST /break/crash  aborts at once; the request is not answered
POST /break/hang   202, then accepts connections and never answers again
POST /break/down   202, then /health answers `down` (503) until it is restarted
POST /break/memory 202, then takes memory until its limit ends it (1 GiB at most)";

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "expected a number of seconds, such as 30 or 0.5".to_owned())?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn seconds_may_have_fractions_and_are_never_negative() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["", "5s", "-1", "NaN", "inf"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
