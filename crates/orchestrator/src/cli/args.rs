//! The words that the command line knows.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Watches MCP servers and brings them back.
#[derive(Debug, Parser)]
#[command(
    name = "orchestrator",
    version,
    after_help = "Exit codes: 0 fine, 1 failure, 2 usage, 3 degraded, 4 down, 69 the daemon cannot be reached, 78 bad configuration."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch the servers of a registry until stopped.
    #[command(after_help = "Examples:
  orchestrator run registry.yaml --gateway
  orchestrator run registry.yaml --listen 127.0.0.1:9090 --state-dir /var/lib/mcp-health
  orchestrator run registry.yaml --observe      # decide and log, never act")]
    Run(Box<Run>),
    /// Read a registry and say everything that is wrong with it.
    #[command(after_help = "Example:\n  orchestrator check-config registry.yaml")]
    CheckConfig(CheckConfig),
    /// Try a policy on scripted servers, on virtual time.
    #[command(after_help = "Example:\n  orchestrator simulate examples/simulate.yaml --json")]
    Simulate(Simulate),
    /// Tell the machine again what `run --record` has written down; or tell it to another policy.
    #[command(after_help = "Examples:
  orchestrator replay yesterday.jsonl                         # exit code 1 when it decides otherwise
  orchestrator replay yesterday.jsonl --config patient.yaml   # what would have been different")]
    Replay(Replay),
    /// Show every server. Exit code 3: one is degraded or unknown; 4: one is down.
    #[command(after_help = "Examples:\n  orchestrator status\n  orchestrator status --json --url http://127.0.0.1:8090")]
    Status(Status),
    /// Restart a server now.
    #[command(after_help = "Example:\n  orchestrator restart mcp-server-taskmgr")]
    Restart(Restart),
    /// Ask the daemon for its own health; for container health checks.
    Healthcheck(Healthcheck),
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The registry and configuration file.
    pub(crate) registry: PathBuf,
    /// Where the API listens.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    pub(crate) listen: SocketAddr,
    /// Run the gateway in the same process, with the dashboard.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, require_equals = true, default_missing_value = "127.0.0.1:8080")]
    pub(crate) gateway: Option<SocketAddr>,
    /// Where state, logs and the operator token are kept. Default: `$STATE_DIRECTORY`, else
    /// `$XDG_STATE_HOME/mcp-health`, else `~/.local/state/mcp-health`.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// This instance's name, the `source` of its events. Default: the host's name.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Decide and log, never act.
    #[arg(long)]
    pub(crate) observe: bool,
    /// Write down everything that the machine is told, for `replay`.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Read the operator token from this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) operator_token_file: Option<PathBuf>,
    /// Listen beyond loopback although anybody may read then.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct CheckConfig {
    /// The registry and configuration file.
    pub(crate) registry: PathBuf,
    /// Print the problems as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// A configuration with a `simulate` section.
    pub(crate) file: PathBuf,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// What `run --record` has written.
    pub(crate) file: PathBuf,
    /// Another policy for the same servers.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Daemon {
    /// The orchestrator's address.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8090")]
    pub(crate) url: String,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) daemon: Daemon,
    /// The orchestrator's own answer.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Restart {
    /// The server.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) daemon: Daemon,
    /// The state directory whose operator token is used. Default: as for `run`.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Read the operator token from this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) operator_token_file: Option<PathBuf>,
    /// The orchestrator's own answer.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Healthcheck {
    #[command(flatten)]
    pub(crate) daemon: Daemon,
}
