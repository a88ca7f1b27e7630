//! The commands that ask a running orchestrator: one table, and what they have in common.

use std::path::{Path, PathBuf};

use health_spec::Problem;
use health_spec::config::defaults;
use hyper::StatusCode;
use orchestrator::shell::client::{Question, request};
use serde::de::DeserializeOwned;

use super::args::{Client, Daemon, Operator};
use super::run::state_directory;
use super::{Outcome, Refused, print};

mod act;
mod events;
mod incidents;
mod show;
mod slo;
mod unknown;

/// What a gateway answers to what it does not forward.
const ORCHESTRATORS_ONLY: [&str; 3] = ["unknown_route", "method_not_allowed", "which_source"];

/// The table.
pub(super) fn run(command: &Client) -> Outcome {
    match command {
        Client::Status(arguments) => show::status(arguments),
        Client::Why(arguments) => show::why(arguments),
        Client::Healthcheck(arguments) => show::healthcheck(arguments),
        Client::Events(arguments) => events::run(arguments),
        Client::Incidents(arguments) => incidents::run(arguments),
        Client::Slo(arguments) => slo::run(arguments),
        Client::Restart(arguments) => act::restart(arguments),
        Client::Check(arguments) => act::check(arguments),
        Client::Pause(arguments) => act::pause(arguments),
        Client::Resume(arguments) => act::resume(arguments),
    }
}

/// Asks, and reads the answer; a refusal is an error in the daemon's own words.
fn get<T: DeserializeOwned>(daemon: &Daemon, path: &str) -> Result<(T, Vec<u8>), Box<dyn std::error::Error>> {
    let body = answer(&daemon.url, path, Question::get())?;
    match serde_json::from_slice(&body) {
        Ok(read) => Ok((read, body)),
        Err(_) if is_gateway(&daemon.url) => Err(of_a_gateway(&daemon.url).into()),
        Err(error) => Err(not_ours(daemon, &error).into()),
    }
}

fn answer(url: &str, path: &str, question: Question<'_>) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let (code, body) = ask(url, path, question)?;
    if code.is_success() {
        return Ok(body);
    }
    Err(match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) if ORCHESTRATORS_ONLY.contains(&problem.code.as_str()) && is_gateway(url) => of_a_gateway(url).into(),
        Ok(Problem { code, title, detail, .. }) => Refused { code, message: detail.unwrap_or(title) }.into(),
        Err(_) => format!("{url} answers {code}; is that an orchestrator?").into(),
    })
}

/// Only gateways know the ecosystem.
fn is_gateway(url: &str) -> bool {
    ask(url, "/health/ecosystem", Question::get()).is_ok_and(|(code, _)| code.is_success())
}

fn of_a_gateway(url: &str) -> String {
    format!(
        "{url} is a gateway: it shows what orchestrators tell it, and only an orchestrator answers this; give the address of one, \
         such as --url http://{}",
        defaults::LISTEN
    )
}

fn ask(url: &str, path: &str, question: Question<'_>) -> Result<(StatusCode, Vec<u8>), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (code, body) = runtime.block_on(request(url, path, question))?;
    Ok((code, body.to_vec()))
}

fn not_ours(daemon: &Daemon, error: &serde_json::Error) -> String {
    format!("{} gives an answer that cannot be read ({error}); is that an orchestrator of this version?", daemon.url)
}

/// The token that whatever acts needs, and where it is from: the given file, else the state directory.
fn token(operator: &Operator) -> Result<(String, PathBuf), Box<dyn std::error::Error>> {
    let file = match &operator.operator_token_file {
        Some(file) => file.clone(),
        None => state_directory(operator.state_dir.clone())?.join("operator-token"),
    };
    Ok((read_token(&file)?, file))
}

fn read_token(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        format!(
            "cannot read the operator token in {}: {error}; name the daemon's --state-dir, or an --operator-token-file",
            file.display()
        )
    })?;
    let token = text.trim();
    // It becomes a header.
    if token.is_empty() || !token.chars().all(|character| character.is_ascii_graphic()) {
        return Err(format!("{} holds no operator token: one line of visible characters is wanted", file.display()));
    }
    Ok(token.to_owned())
}

/// The daemon's own answer, as it came.
fn print_raw(body: &[u8]) -> std::io::Result<()> {
    print(&format!("{}\n", String::from_utf8_lossy(body).trim_end()))
}

/// What a server says must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// A name as one segment of a path.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
