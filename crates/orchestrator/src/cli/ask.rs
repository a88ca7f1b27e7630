//! The commands that ask a running orchestrator.

use std::path::Path;

use health_spec::status::Observed;
use health_spec::{Phase, Problem, ServerView, Snapshot};
use hyper::{Method, StatusCode};
use orchestrator::shell::client::request;

use super::args::{self as arguments, Healthcheck, Restart, Status};
use super::run::state_directory;
use super::{End, Outcome};

pub(super) fn status(arguments: &Status) -> Outcome {
    let (code, body) = ask(Method::GET, &arguments.daemon.url, "/servers", None)?;
    expect(code, &body)?;
    let snapshot: Snapshot = serde_json::from_slice(&body)?;
    if arguments.json {
        println!("{}", String::from_utf8_lossy(&body));
    } else {
        print_table(&snapshot);
    }
    Ok(worst(&snapshot.servers))
}

fn print_table(snapshot: &Snapshot) {
    let width = snapshot.servers.iter().map(|view| view.name.len()).max().unwrap_or(0).max(6);
    println!("{:<width$}  {:<9} {:<11} WHY", "SERVER", "STATUS", "PHASE");
    for view in &snapshot.servers {
        let last = view.last_check.as_ref();
        let why = last.and_then(|check| check.message.as_deref()).or(view.reason.as_deref()).unwrap_or_default();
        println!("{:<width$}  {:<9} {:<11} {}", printable(&view.name), view.status, view.phase, printable(why));
    }
}

/// What a server says must not steer the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

fn worst(servers: &[ServerView]) -> End {
    let counted = || servers.iter().filter(|view| view.phase != Phase::Stopped);
    if counted().any(|view| view.status == Observed::Down) {
        return End::Down;
    }
    if counted().any(|view| view.status != Observed::Ok) { End::Degraded } else { End::Fine }
}

pub(super) fn why(arguments: &arguments::Why) -> Outcome {
    let path = format!("/servers/{}", encoded(&arguments.name));
    let (code, body) = ask(Method::GET, &arguments.daemon.url, &path, None)?;
    expect(code, &body)?;
    let view: ServerView = serde_json::from_slice(&body)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&view.why)?);
    } else {
        explain(&view);
    }
    Ok(End::Fine)
}

fn explain(view: &ServerView) {
    let why = &view.why;
    println!("{}: {}, {} since {:.0}", printable(&view.name), printable(&why.believes), view.phase, view.since);
    for evidence in &why.evidence {
        println!("  since: {}", printable(evidence));
    }
    if let Some(message) = view.last_check.as_ref().and_then(|check| check.message.as_deref()) {
        println!("  last check: {}", printable(message));
    }
    if let Some(reason) = &why.waiting_for {
        println!("  held: {}", printable(reason));
    }
    for step in &why.next {
        match step.at {
            Some(at) => println!("  next: {}, at {at:.0}", printable(&step.what)),
            None => println!("  next: {}", printable(&step.what)),
        }
    }
}

pub(super) fn restart(arguments: &Restart) -> Outcome {
    let file = match &arguments.operator_token_file {
        Some(file) => file.clone(),
        None => state_directory(arguments.state_dir.clone())?.join("operator-token"),
    };
    let token = read_token(&file)?;
    let path = format!("/servers/{}/restart", encoded(&arguments.name));
    let (code, body) = ask(Method::POST, &arguments.daemon.url, &path, Some(&token))?;
    expect(code, &body)?;
    if arguments.json {
        println!("{}", String::from_utf8_lossy(&body));
    } else {
        println!("{} is being restarted; `orchestrator status` shows how it goes", arguments.name);
    }
    Ok(End::Fine)
}

fn read_token(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| {
        format!(
            "cannot read the operator token in {}: {error}; name the daemon's --state-dir, or an --operator-token-file",
            file.display()
        )
    })?;
    Ok(text.trim().to_owned())
}

pub(super) fn healthcheck(arguments: &Healthcheck) -> Outcome {
    let (code, body) = ask(Method::GET, &arguments.daemon.url, "/health", None)?;
    println!("{}", String::from_utf8_lossy(&body));
    Ok(if code.is_success() { End::Fine } else { End::Failure })
}

pub(super) fn ask(
    method: Method,
    url: &str,
    path: &str,
    token: Option<&str>,
) -> Result<(StatusCode, Vec<u8>), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (code, body) = runtime.block_on(request(method, url, path, token))?;
    Ok((code, body.to_vec()))
}

/// A refusal in the daemon's own words.
pub(super) fn expect(code: StatusCode, body: &[u8]) -> Result<(), String> {
    if code.is_success() {
        return Ok(());
    }
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => Err(problem.detail.unwrap_or(problem.title)),
        Err(_) => Err(format!("the daemon answers {code}")),
    }
}

/// A name as one segment of a path.
pub(super) fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
