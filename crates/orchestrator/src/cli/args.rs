//! The words that the command line knows.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use health_spec::config::Seconds;
use health_spec::event::EVENT_TYPES;
use health_spec::slo::Window;

mod values;

/// Watches MCP servers and brings them back.
#[derive(Debug, Parser)]
#[command(
    name = "orchestrator",
    version,
    after_help = "Exit codes: 0 fine, 1 failure, 2 usage, 3 degraded, 4 down, 69 the daemon cannot be reached, 78 bad configuration.
With --json an error is JSON too, on stdout: {\"error\": {\"code\": ..., \"message\": ...}}; stderr has it in words."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch the servers of a registry until stopped.
    #[command(
        after_help = "Settings come from the defaults, the files, the environment and the flags, in this order; each goes over the ones before.
Every setting of the files has a variable: health_check.interval_seconds is HEALTH_CHECK_INTERVAL_SECONDS.

Examples:
  orchestrator run registry.yaml --gateway
  orchestrator run defaults.yaml teams/            # several files, and every *.yaml of a directory
  RECOVERY_MODE=observe orchestrator run registry.yaml
  orchestrator run registry.yaml --listen 127.0.0.1:9090 --state-dir /var/lib/mcp-health
  orchestrator run registry.yaml --observe         # decide and log, never recover"
    )]
    Run(Box<Run>),
    /// Read a registry and say everything that is wrong with it.
    #[command(after_help = "Exit code 0: no mistakes; 78: mistakes, each with its place and what would be right.

Examples:
  orchestrator check-config registry.yaml
  orchestrator check-config defaults.yaml teams/ --json
  HEALTH_CHECK_INTERVAL_SECONDS=soon orchestrator check-config registry.yaml   # the environment is checked as well")]
    CheckConfig(CheckConfig),
    /// Show which containers would be watched because of their labels, and which not, and why.
    #[command(
        after_help = "Asks the engines, changes nothing, and needs no daemon. WATCHED: label, registry, later (not yet), wrong (its labels have mistakes), no.

Examples:
  orchestrator discover                           # every container of the engines that are found
  orchestrator discover registry.yaml --engine local
  orchestrator discover registry.yaml --json"
    )]
    Discover(Discover),
    /// Turn lists of servers that others keep into a registry, on stdout.
    #[command(
        after_help = "Reads mcpServers and servers of MCP clients (JSON, with comments too), server.json of the MCP registry, Docker MCP
catalogs, and server.yaml of Docker's mcp-registry. What cannot be carried is said in comments and on stderr.

Examples:
  orchestrator import ~/.config/Claude/claude_desktop_config.json > registry.yaml
  orchestrator import .vscode/mcp.json server.json catalog.yaml --json
  orchestrator import mcp.json > registry.yaml; orchestrator check-config registry.yaml"
    )]
    Import(Import),
    /// Print the JSON Schema of the registry and configuration.
    #[command(after_help = "Example, for editors with the YAML language server:
  orchestrator schema > registry.schema.json
  sed -i '1i # yaml-language-server: $schema=registry.schema.json' registry.yaml")]
    Schema,
    /// Try a policy on scripted servers, on virtual time.
    #[command(after_help = "Examples:
  orchestrator simulate examples/simulate.yaml
  orchestrator simulate policy.yaml script.yaml --json")]
    Simulate(Simulate),
    /// Tell the machine again what `run --record` has written down; or tell it to another policy.
    #[command(after_help = "Examples:
  orchestrator replay yesterday.jsonl                         # exit code 1 when it decides otherwise
  orchestrator replay yesterday.jsonl --config patient.yaml   # what would have been different

With --config servers answer as they did, whatever the other policy does: one that a recorded restart brought back
comes back at that time also where the other policy makes no restart. What it shows of recoveries is a hint, no proof.")]
    Replay(Replay),
    /// Those that ask a running orchestrator.
    #[command(flatten)]
    Client(Client),
    /// Print a script with which a shell completes these commands.
    #[command(after_help = "Examples:
  orchestrator completions bash > /etc/bash_completion.d/orchestrator
  source <(orchestrator completions zsh)")]
    Completions(Completions),
}

/// What a running orchestrator is asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Client {
    /// Show every server. Exit code 3: one is degraded or unknown; 4: one is down.
    #[command(after_help = "Examples:\n  orchestrator status\n  orchestrator status --json --url http://127.0.0.1:8090")]
    Status(Status),
    /// What is believed of a server, on what evidence, and what comes next.
    #[command(after_help = "Example:\n  orchestrator why search")]
    Why(Why),
    /// What went wrong, newest first; or one incident, with what was found before anything was restarted.
    #[command(after_help = "Examples:
  orchestrator incidents                       # the last 20
  orchestrator incidents --open --server search
  orchestrator incidents 3f2a9c81d04b-17       # its attempts, logs, answers, and what has changed
  orchestrator incidents 3f2a9c81d04b-17 --json")]
    Incidents(Incidents),
    /// How the fleet has kept its promises: uptime, recovery, detection, manual restarts, adoption.
    #[command(after_help = "Examples:\n  orchestrator slo\n  orchestrator slo --window 30d --json")]
    Slo(Levels),
    /// Show what has happened: the last events, without the checks that ended.
    #[command(after_help = "Examples:
  orchestrator events --server search --limit 20
  orchestrator events --follow                              # and those that come
  orchestrator events --type health_check_completed --json  # one JSON object a line
  orchestrator events --since 0 --limit 100000 --json > everything.jsonl")]
    Events(Events),
    /// Restart a server now.
    #[command(after_help = "It needs the operator token, which the daemon keeps in its state directory.

Examples:
  orchestrator restart mcp-server-taskmgr
  orchestrator restart search --state-dir /var/lib/mcp-health --url http://127.0.0.1:9090")]
    Restart(Act),
    /// Check a server now.
    #[command(after_help = "Example:\n  orchestrator check search; orchestrator why search")]
    Check(Act),
    /// Hold a server's recovery for a while: it is still watched.
    #[command(after_help = "Another pause takes the place of one that runs. It ends by itself.

Examples:
  orchestrator pause search --for 2h --reason \"moving its disk\"
  orchestrator pause search                                 # for an hour")]
    Pause(Pause),
    /// End a pause.
    #[command(after_help = "Example:\n  orchestrator resume search")]
    Resume(Act),
    /// Ask the daemon for its own health; for container health checks.
    #[command(after_help = "Exit code 0: it serves, though it may be degraded; 1: it is down; 69: it cannot be reached.

Example:
  HEALTHCHECK CMD [\"orchestrator\", \"healthcheck\"]")]
    Healthcheck(Healthcheck),
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The registry and configuration: files, or directories whose *.yaml and *.yml files are read.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) registry: Vec<PathBuf>,
    /// Where the API listens. Default: `listen.orchestrator`, else 127.0.0.1:8090.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Run the gateway in the same process, with the dashboard. Default address: `listen.gateway`, else 127.0.0.1:8080.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "absent, without a value, with one")]
    pub(crate) gateway: Option<Option<SocketAddr>>,
    /// Where state, logs and the operator token are kept. Default: `$STATE_DIRECTORY`, else
    /// `$XDG_STATE_HOME/mcp-health`, else `~/.local/state/mcp-health`.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// This instance's name, the `source` of its events. Default: the host's name.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Decide and log, never recover. Child processes are started all the same, and what an operator asks for is done.
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
    /// The registry and configuration: files, or directories whose *.yaml and *.yml files are read.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) registry: Vec<PathBuf>,
    /// Print the problems as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Discover {
    /// The registry and configuration: files, or directories whose *.yaml and *.yml files are read. Default: none.
    #[arg(value_name = "PATH")]
    pub(crate) registry: Vec<PathBuf>,
    /// Ask this one of `engines`; may be given several times. Default: those that `discovery` names, else all.
    #[arg(long, value_name = "NAME")]
    pub(crate) engine: Vec<String>,
    /// Print everything as JSON, with the entries that a registry would have.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// What to read; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Print the registry as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// A configuration with a `simulate` section: files, or directories whose *.yaml and *.yml files are read.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) files: Vec<PathBuf>,
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
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8090", value_parser = values::address)]
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
pub(crate) struct Why {
    /// The server.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) daemon: Daemon,
    /// The orchestrator's own answer.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Incidents {
    /// Show this one.
    pub(crate) id: Option<String>,
    /// Only those of this server.
    #[arg(long, value_name = "NAME", conflicts_with = "id")]
    pub(crate) server: Option<String>,
    /// Only those that are open.
    #[arg(long, conflicts_with = "id")]
    pub(crate) open: bool,
    /// So many at most; at least 1.
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Only older ones than this.
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    pub(crate) before: Option<String>,
    #[command(flatten)]
    pub(crate) daemon: Daemon,
    /// The orchestrator's own answer.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Levels {
    /// How far back: 24h, 7d or 30d.
    #[arg(long, value_name = "WINDOW", default_value = "7d", value_parser = window)]
    pub(crate) window: Window,
    #[command(flatten)]
    pub(crate) daemon: Daemon,
    /// The orchestrator's own answer.
    #[arg(long)]
    pub(crate) json: bool,
}

fn window(text: &str) -> Result<Window, String> {
    let known = [Window::Day, Window::Week, Window::Month];
    known.into_iter().find(|window| window.as_str() == text).ok_or_else(|| "expected 24h, 7d or 30d".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(flatten)]
    pub(crate) daemon: Daemon,
    /// Only of these servers.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) server: Vec<String>,
    /// Only these types, such as `server_down`. Default: all but `health_check_completed`.
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = PossibleValuesParser::new(EVENT_TYPES))]
    pub(crate) types: Vec<String>,
    /// From the one after this number on. Default: the last ones.
    #[arg(long, value_name = "SEQ")]
    pub(crate) since: Option<u64>,
    /// At most so many of those that have been; at least 1, but 0 with --follow: only those that come.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    pub(crate) limit: usize,
    /// Go on with those that come, until interrupted.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whoever acts needs the operator token.
#[derive(Debug, Args)]
pub(crate) struct Operator {
    /// The state directory whose operator token is used. Default: as for `run`.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Read the operator token from this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) operator_token_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Act {
    /// The server.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) daemon: Daemon,
    #[command(flatten)]
    pub(crate) operator: Operator,
    /// The orchestrator's own answer: the server as it is then.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    pub(crate) act: Act,
    /// How long: a number of seconds, or with a unit (90s, 30m, 2h, 1d); more than 0, at most 366 days. Default: an hour.
    #[arg(long = "for", value_name = "DURATION", value_parser = values::pause_length)]
    pub(crate) lasts: Option<Seconds>,
    /// Why, for whoever finds it paused.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Healthcheck {
    #[command(flatten)]
    pub(crate) daemon: Daemon,
}
