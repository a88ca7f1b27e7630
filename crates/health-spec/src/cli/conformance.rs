//! `health-spec conformance URL`.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use health_spec::conformance::{Asked, Client, Report, inspect, judge};
use health_spec::verdict::Reason;

use super::token::Credentials;
use super::{Failure, UNREACHABLE, USAGE, junit, table};

/// Looks at a running server from outside and judges, rule by rule, whether its `/health` follows health-check v1.0.
///
/// It sends about 40 small requests within three seconds, and changes nothing.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// The address of the health endpoint; /health is added to a bare http://HOST:PORT
    url: String,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Write the report as JUnit XML: to FILE beside the table, without FILE to stdout instead of it
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, conflicts_with = "json")]
    #[expect(clippy::option_option, reason = "absent, without a value, with one")]
    junit: Option<Option<PathBuf>>,
    /// A broken SHOULD fails too
    #[arg(long)]
    strict: bool,
    /// How long to wait for an answer, in seconds; 5 is what the rules allow
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    timeout: f64,
    #[command(flatten)]
    credentials: Credentials,
}

const EXAMPLES: &str = "\
Examples:
  health-spec conformance http://127.0.0.1:8082/health
  health-spec conformance --strict --junit=report.xml http://127.0.0.1:8082
  health-spec conformance --json https://mcp.example.com/health | jq '.findings[] | select(.result == \"broken\")'

Exit codes: 0 conformant; 1 a MUST is broken (with --strict a SHOULD); 2 wrong usage; 69 nobody answers.
The rules, with reasons: docs/spec/quality-standards.md.";

pub(super) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let url = with_path(&options.url);
    let deadline = Duration::from_secs_f64(options.timeout);
    let client = Client::new(&url, options.credentials.read()?, deadline).map_err(|error| Failure::of(USAGE, &error))?;
    let progress = Progress::new();
    let evidence = super::block_on(inspect(&client, |asked| progress.show(asked)))?;
    progress.clear();
    let report = judge(&evidence, evidence.plain.asked_at);
    print(&report, options)?;
    if let Err(failure) = &evidence.plain.outcome
        && matches!(failure.reason, Reason::ConnectRefused | Reason::Dns)
    {
        return Err(Failure::new(
            UNREACHABLE,
            format!("nobody answers at {url} ({}: {})", failure.reason.as_str(), failure.message),
        ));
    }
    Ok(if report.passes(options.strict) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report, options: &Options) -> Result<(), Failure> {
    if options.json {
        return super::print(&super::pretty(report)?);
    }
    let Some(file) = &options.junit else {
        return super::print(&table::table(report));
    };
    let xml = junit::junit(report, options.strict).map_err(|error| Failure::of(1, &error))?;
    match file {
        None => super::print(&xml),
        Some(file) => {
            super::print(&table::table(report))?;
            write(file, &xml)
        }
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| Failure::new(USAGE, format!("cannot write {}: {error}", file.display())))
}

/// `http://127.0.0.1:8082` means its `/health`.
fn with_path(url: &str) -> String {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    if rest.is_empty() || rest.contains(['/', '?', '#']) { url.to_owned() } else { format!("{url}/health") }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.1..=600.0).contains(seconds));
    seconds.ok_or_else(|| "expected a number of seconds from 0.1 to 600".to_owned())
}

/// A line on a terminal's stderr, while there is something to wait for.
struct Progress {
    shown: bool,
}

impl Progress {
    fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal() }
    }

    fn show(&self, Asked { requests, of }: Asked) {
        if self.shown {
            eprint!("\r{requests} of about {of} requests");
            let _ = std::io::stderr().flush();
        }
    }

    fn clear(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_address_means_its_health() {
        for (given, meant) in [
            ("http://127.0.0.1:8082", "http://127.0.0.1:8082/health"),
            ("http://127.0.0.1:8082/", "http://127.0.0.1:8082/"),
            ("http://a/admin/health", "http://a/admin/health"),
            ("http://a?x", "http://a?x"),
            ("nonsense", "nonsense"),
            ("http://", "http://"),
        ] {
            assert_eq!(with_path(given), meant);
        }
    }
}
