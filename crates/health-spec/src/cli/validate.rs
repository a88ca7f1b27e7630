//! `health-spec validate FILE|-|URL`.

use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

use health_spec::conformance::Client;
use health_spec::dialect::{self, Reading};
use health_spec::validate::{Violation, validate_body};
use health_spec::{MAX_BODY_BYTES, dialect::Loss};
use serde::Serialize;

use super::style::{of_news, styled};
use super::table::visible;
use super::token::Credentials;
use super::{Failure, UNREACHABLE, USAGE};

/// Checks bodies strictly against the v1.0 schema, and names every violation: where, what was found, what is allowed.
///
/// For a body that is not valid it also says whether a monitor would read it, in which dialect, and what gets lost.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  health-spec validate answer.json
  curl -s http://127.0.0.1:8082/health | health-spec validate -
  health-spec validate --json http://127.0.0.1:8082/health

Exit codes: 0 all are valid; 1 one is not; 2 a file cannot be read; 69 nobody answers; of several the highest.")]
pub(super) struct Options {
    /// Files, - for standard input, or http(s) addresses
    #[arg(required = true, value_name = "FILE|-|URL")]
    inputs: Vec<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    credentials: Credentials,
}

/// How many violations are shown to people.
const SHOWN: usize = 50;

/// How long an address may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// What was found in one input.
#[derive(Serialize)]
struct Checked<'a> {
    input: &'a str,
    valid: bool,
    violations: Vec<Violation>,
    /// How a monitor reads it all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lost: Vec<Loss>,
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let mut worst = 0;
    for input in &options.inputs {
        let code = match read(input, options) {
            Ok(body) => one(input, &body, options.json)?,
            // The others are looked at all the same.
            Err(failure) => {
                anstream::eprintln!("health-spec: {}", failure.message);
                failure.code
            }
        };
        worst = worst.max(code);
    }
    Ok(ExitCode::from(worst))
}

/// The exit code for one input.
fn one(input: &str, body: &[u8], json: bool) -> Result<u8, Failure> {
    let checked = check(input, body);
    print(&checked, json)?;
    Ok(u8::from(!checked.valid))
}

fn check<'a>(input: &'a str, body: &[u8]) -> Checked<'a> {
    let violations = validate_body(body).err().unwrap_or_default();
    let reading = if violations.is_empty() { None } else { dialect::read(body).ok() };
    let (dialect, lost) = reading.map_or((None, Vec::new()), |Reading { dialect, lost, .. }| (Some(dialect.as_str()), lost));
    Checked { input, valid: violations.is_empty(), violations, dialect, lost }
}

fn print(checked: &Checked<'_>, json: bool) -> Result<(), Failure> {
    if json {
        let line = serde_json::to_string(checked).map_err(|error| Failure::of(1, &error))?;
        return super::print(&(line + "\n"));
    }
    let verdict = if checked.valid { "valid" } else { "not valid" };
    let mut lines = vec![format!("{}: {}", checked.input, styled(of_news(checked.valid), verdict))];
    lines.extend(checked.violations.iter().take(SHOWN).map(|violation| format!("  {}", visible(&violation.to_string()))));
    if checked.violations.len() > SHOWN {
        lines.push(format!("  and {} more; --json shows all", checked.violations.len() - SHOWN));
    }
    super::print(&(lines.join("\n") + "\n"))?;
    if let Some(dialect) = checked.dialect {
        let lost: Vec<_> = checked.lost.iter().map(|loss| format!("{} is {}", loss.path, loss.kind.as_str())).collect();
        let lost = if lost.is_empty() { String::new() } else { format!("; lost: {}", lost.join(", ")) };
        anstream::eprintln!("note: a monitor reads it all the same, in the dialect {dialect:?}{}", visible(&lost));
    }
    Ok(())
}

/// The body, cut one byte after what a monitor reads.
fn read(input: &str, options: &Options) -> Result<Vec<u8>, Failure> {
    let scheme = input.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if scheme.is_some_and(|scheme| scheme == "http" || scheme == "https") {
        return fetch(input, options);
    }
    let hint = if input.contains(':') { "; an address begins with http:// or https://" } else { "" };
    let unreadable = |error: std::io::Error| Failure::new(USAGE, format!("cannot read {input}: {error}{hint}"));
    let mut body = Vec::new();
    let limit = MAX_BODY_BYTES as u64 + 1;
    if input == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut body).map_err(unreadable)?;
    } else {
        std::fs::File::open(input).map_err(unreadable)?.take(limit).read_to_end(&mut body).map_err(unreadable)?;
    }
    Ok(body)
}

fn fetch(url: &str, options: &Options) -> Result<Vec<u8>, Failure> {
    let client = Client::new(url, options.credentials.read()?, DEADLINE).map_err(|error| Failure::of(USAGE, &error))?;
    let exchange = super::block_on(client.get())?;
    match exchange.outcome {
        Ok(received) => {
            anstream::eprintln!("note: {url} answered {}", received.http_status);
            Ok(received.body)
        }
        Err(failure) => {
            let reason = failure.reason.as_str();
            Err(Failure::new(UNREACHABLE, format!("no answer from {url} ({reason}: {})", failure.message)))
        }
    }
}
