//! What a container engine knows of a container: how it ended, what it printed, what it is made of.
//!
//! It only reads: `GET /containers/{id}/json`, `/containers/{id}/logs`, `/images/{id}/json`, `/info`. On a connection of its own, so that a
//! capture neither waits for anything else nor delays it.

use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{ContainerConfig, ContainerInspectResponse, HealthStatusEnum};
use bollard::query_parameters::{InspectContainerOptions, LogsOptions};
use futures_util::StreamExt;
use health_spec::config::Engine;
use health_spec::incident::{EngineLoad, Image, RuntimeState};
use jiff::{SignedDuration, Timestamp};

use super::facts::word;
use super::found::{Deadline, Found, RawLine, Want};
use crate::shell::causes::causes;
use crate::shell::runtime::container::{
    address::Address,
    failure::said_by,
    inspect::{is_alive, is_meant},
};
use crate::shell::secrets::credentials::passwords;
use crate::shell::secrets::{digest, may_be_secret};

/// So many names of variables are kept.
pub(super) const MOST_NAMES: usize = 100;

/// The most that is read of a log for its first lines.
const MOST_LOG_BYTES: usize = 256 * 1024;

/// The most that is read of it for its last lines, which come at the end.
const MOST_TAIL_BYTES: usize = 64 * 1024 * 1024;

/// How long the engine's load is waited for, beside everything else: it is told by a call for which an engine counts all that it has, and no
/// restart destroys it.
const LOAD_PATIENCE: Duration = Duration::from_secs(2);

/// A container that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// What was asked for.
    pub(super) wanted: String,
    /// Its id.
    pub(super) id: String,
}

impl Seen {
    /// Its id, if it was found when this was asked for.
    pub(super) fn id_of(&self, wanted: &str) -> Option<&str> {
        (self.wanted == wanted).then_some(self.id.as_str())
    }
}

/// A container that is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sought<'a> {
    /// `docker` or `podman`.
    pub(super) kind: &'a str,
    /// Its name or id in the registry. Whoever has the name is the server.
    pub(super) wanted: &'a str,
    /// Which one it was: somebody may have renamed it.
    pub(super) id: Option<&'a str>,
}

impl Sought<'_> {
    async fn inspect(self, client: &Docker) -> Result<ContainerInspectResponse, String> {
        let named = inspect(client, self.wanted).await.map_err(said)?;
        let found = match self.id.filter(|_| named.is_none()) {
            Some(id) => inspect(client, id).await.map_err(said)?,
            None => named,
        };
        found.ok_or_else(|| format!("there is no container \"{}\"", self.wanted))
    }
}

/// `None`: there is none of this name or id.
async fn inspect(client: &Docker, container: &str) -> Result<Option<ContainerInspectResponse>, Error> {
    match client.inspect_container(container, None::<InspectContainerOptions>).await {
        Ok(found) => Ok(Some(found).filter(|found| is_meant(found, container))),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Looks at a container; what cannot be had before the deadline is named.
pub(super) async fn look(engine: &Engine, sought: Sought<'_>, want: Want, deadline: Deadline) -> Found {
    let mut found = Found::default();
    look_at(engine, sought, want, deadline, &mut found).await;
    found.missing = found.missing.into_iter().map(|why| said_by(engine.kind, why)).collect();
    found
}

async fn look_at(engine: &Engine, sought: Sought<'_>, want: Want, deadline: Deadline, found: &mut Found) {
    let client = async {
        let connection = Address::of(engine).map_err(|error| causes(&error))?.connect().await;
        connection.map(|connection| connection.client).map_err(|error| causes(&error))
    };
    let Some(client) = found.part("engine", deadline.hold(client).await) else { return };
    let load = tokio::time::timeout(LOAD_PATIENCE, load(&client, &engine.name));
    let ((), load) = tokio::join!(ask(&client, sought, want, deadline, found), load);
    let load = load.unwrap_or_else(|_| Err(format!("not within {} s", LOAD_PATIENCE.as_secs())));
    if let Some(load) = found.part("engine load", load) {
        found.facts.extend(load.version.iter().map(|version| ("engine.version".to_owned(), version.clone())));
        found.engine = Some(load);
    }
}

/// What a restart would destroy.
async fn ask(client: &Docker, sought: Sought<'_>, want: Want, deadline: Deadline, found: &mut Found) {
    let inspected = deadline.hold(sought.inspect(client)).await;
    let Some(inspected) = found.part("container", inspected) else { return };
    let (state, image, config) =
        (state(sought.kind, &inspected), image(&inspected), inspected.config.clone().unwrap_or_default());
    let id = state.id.clone().unwrap_or_default();
    let (image, lines) = tokio::join!(
        deadline.hold(complete(client, image)),
        deadline.hold(lines(client, &id, &config, want, first_word(&state)))
    );
    found.secrets = secrets(&config);
    let image = found.part("image", image).or_else(|| state.image.clone());
    let state = RuntimeState { image, environment: names(&config), ..state };
    facts(&inspected, &state, found);
    found.lines = found.part("logs", lines);
    found.log_source = format!("{} logs {}", sought.kind, state.name);
    found.state = Some(state);
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of `map_err`")]
fn said(error: Error) -> String {
    causes(&error)
}

async fn load(client: &Docker, name: &str) -> Result<EngineLoad, String> {
    let info = client.info().await.map_err(said)?;
    let count = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    Ok(EngineLoad {
        name: name.to_owned(),
        version: info.server_version,
        running: count(info.containers_running),
        containers: count(info.containers),
        processors: count(info.ncpu),
        memory_bytes: count(info.mem_total),
    })
}

fn state(kind: &str, found: &ContainerInspectResponse) -> RuntimeState {
    let state = found.state.clone().unwrap_or_default();
    let running = is_alive(&state);
    let limit = found.host_config.as_ref().and_then(|config| config.memory).and_then(|bytes| u64::try_from(bytes).ok());
    let health = state.health.as_ref().and_then(|health| health.status);
    RuntimeState {
        kind: kind.to_owned(),
        name: found.name.clone().unwrap_or_default().trim_start_matches('/').to_owned(),
        id: found.id.clone(),
        running: Some(running),
        status: state.status.map(|status| status.to_string()),
        started_at: state.started_at.as_deref().and_then(moment),
        finished_at: state.finished_at.as_deref().and_then(moment),
        exit_code: state.exit_code.filter(|_| !running),
        // Of one that runs again it is about an earlier life.
        oom_killed: state.oom_killed.filter(|_| !running),
        memory_limit_bytes: limit.filter(|bytes| *bytes > 0),
        restarts: found.restart_count.and_then(|count| u64::try_from(count).ok()),
        error: state.error.filter(|error| !error.is_empty()),
        health: health
            .filter(|it| !matches!(it, HealthStatusEnum::EMPTY | HealthStatusEnum::NONE))
            .map(|it| HealthStatusEnum::to_string(&it)),
        image: Some(image(found)),
        environment: vec![],
    }
}

/// What never happened is written as the year 1.
fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok().filter(|at: &Timestamp| at.as_second() > 0)
}

fn image(found: &ContainerInspectResponse) -> Image {
    Image {
        reference: found.config.as_ref().and_then(|config| config.image.clone()).unwrap_or_default(),
        digest: found.image.clone().unwrap_or_default(),
        ..Image::default()
    }
}

/// Registries know it under other digests, and its reference may name another image by now.
async fn complete(client: &Docker, image: Image) -> Result<Image, String> {
    let own = client.inspect_image(&image.digest).await;
    let named = client.inspect_image(&image.reference).await;
    let reference_now = named.ok().and_then(|named| named.id).filter(|id| *id != image.digest);
    // Without the image itself its digest is still known.
    let repository_digests = own.ok().and_then(|own| own.repo_digests).unwrap_or_default();
    Ok(Image { repository_digests, reference_now, ..image })
}

fn names(config: &ContainerConfig) -> Vec<String> {
    let mut names: Vec<_> = pairs(config).map(|(name, _)| word(name)).collect();
    names.sort_unstable();
    names.truncate(MOST_NAMES);
    names
}

fn pairs(config: &ContainerConfig) -> impl Iterator<Item = (&str, &str)> {
    config.env.iter().flatten().map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn secrets(config: &ContainerConfig) -> Vec<String> {
    let whole = pairs(config).filter(|(name, value)| may_be_secret(name, value)).map(|(_, value)| value);
    whole.chain(pairs(config).flat_map(|(_, value)| passwords(value))).map(str::to_owned).collect()
}

fn facts(inspected: &ContainerInspectResponse, state: &RuntimeState, found: &mut Found) {
    let configured = |config: &ContainerConfig| {
        // The environment is a fact of its own, and the host name is the container's id.
        let plain = ContainerConfig { env: None, hostname: None, ..config.clone() };
        serde_json::to_value(plain).as_ref().map(ToString::to_string).unwrap_or_default()
    };
    let host = inspected.host_config.as_ref().and_then(|config| serde_json::to_value(config).ok());
    let config = inspected.config.as_ref().map(configured).unwrap_or_default();
    let mut environment: Vec<_> =
        inspected.config.iter().flat_map(pairs).map(|(name, value)| format!("{name}={value}")).collect();
    environment.sort_unstable();
    let image = state.image.clone().unwrap_or_default();
    let facts = [
        ("container.id", state.id.clone().unwrap_or_default().chars().take(12).collect()),
        ("container.configuration", digest(&format!("{config}{}", host.unwrap_or_default()))),
        ("container.environment", format!("{} variables ({})", environment.len(), digest(&environment.join("\0")))),
        ("container.restarts", state.restarts.unwrap_or_default().to_string()),
        ("container.memory_limit", state.memory_limit_bytes.map_or_else(|| "none".to_owned(), |bytes| bytes.to_string())),
        ("image.reference", word(&image.reference)),
        ("image.digest", image.digest),
    ];
    found.facts.extend(facts.map(|(name, value)| (name.to_owned(), value)));
}

/// From when on a line can be of this life. An engine may note the start a little after the first line of what it has started, but never
/// before the end of the life before.
fn first_word(state: &RuntimeState) -> Option<Timestamp> {
    const NOTED_WITHIN: SignedDuration = SignedDuration::from_secs(2);
    let started_at = state.started_at?;
    let earliest = started_at.checked_sub(NOTED_WITHIN).unwrap_or(started_at);
    Some(state.finished_at.filter(|ended| *ended < started_at).map_or(earliest, |ended| ended.max(earliest)))
}

async fn lines(
    client: &Docker,
    container: &str,
    config: &ContainerConfig,
    want: Want,
    first_word: Option<Timestamp>,
) -> Result<Vec<RawLine>, String> {
    let (tail, since, most) = match want {
        Want::Nothing => return Ok(vec![]),
        Want::Last(count) => (count.to_string(), 0, count),
        Want::FirstSinceStart { most, .. } => ("all".to_owned(), first_word.map_or(0, Timestamp::as_second), most),
    };
    let since = i32::try_from(since).unwrap_or(0);
    let options = LogsOptions { stdout: true, stderr: true, timestamps: true, tail, since, ..LogsOptions::default() };
    let mut stream = std::pin::pin!(client.logs(container, Some(options)));
    let mut pieces = Pieces { lines: vec![], is_terminal: config.tty.unwrap_or_default() };
    let mut read = 0;
    let takes_first = matches!(want, Want::FirstSinceStart { .. });
    while let Some(output) = stream.next().await {
        let output = output.map_err(said)?;
        read += output.as_ref().len();
        pieces.take(&output);
        let is_enough = if takes_first {
            read > MOST_LOG_BYTES || pieces.lines.len() > most
        } else {
            pieces.keep_last(most);
            read > MOST_TAIL_BYTES
        };
        if is_enough {
            break;
        }
    }
    // The engine asks for whole seconds.
    let mut lines = pieces.lines;
    if takes_first && let Some(first_word) = first_word {
        // Podman stamps whole seconds: such a line may be of any moment in its second.
        let is_since =
            |at: Timestamp| at >= first_word || (at.subsec_nanosecond() == 0 && at.as_second() == first_word.as_second());
        lines.retain(|line| line.at.is_none_or(is_since));
        lines.truncate(most);
    }
    Ok(lines)
}

/// Lines of both streams, in the order in which the engine gives them.
struct Pieces {
    lines: Vec<RawLine>,
    is_terminal: bool,
}

impl Pieces {
    fn take(&mut self, output: &LogOutput) {
        let stream = match output {
            LogOutput::StdErr { .. } => Some("stderr"),
            LogOutput::StdOut { .. } if !self.is_terminal => Some("stdout"),
            _ => None,
        };
        for line in output.as_ref().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            self.lines.push(RawLine::stamped(line, stream).cut());
        }
    }

    fn keep_last(&mut self, most: usize) {
        let excess = self.lines.len().saturating_sub(most);
        self.lines.drain(..excess);
    }
}

impl Deadline {
    /// Until it has passed.
    async fn hold<T>(self, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let passed = |_| format!("not within {:.1} s", super::PATIENCE.as_secs_f64());
        tokio::time::timeout_at(self.at(), work).await.map_err(passed)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_long_lines_the_last_ones_stay_each_cut() {
        let mut pieces = Pieces { lines: vec![], is_terminal: false };
        for number in 0..90 {
            let line = format!("{number} {}\n", "x".repeat(16 * 1024));
            pieces.take(&LogOutput::StdOut { message: line.into() });
            pieces.keep_last(50);
        }
        let (first, last) = (&pieces.lines[0], &pieces.lines[49]);
        assert!(first.text.starts_with(b"40 ") && last.text.starts_with(b"89 ") && pieces.lines.len() == 50);
        assert_eq!(last.text.len() + last.more, 3 + 16 * 1024);
        assert!(last.text.len() < 5_000);
    }

    #[test]
    fn one_that_runs_again_was_not_killed_for_memory() {
        let of = |running: bool| {
            let told = bollard::models::ContainerState { running: Some(running), oom_killed: Some(true), ..Default::default() };
            state("docker", &ContainerInspectResponse { state: Some(told), ..Default::default() }).oom_killed
        };
        assert_eq!((of(true), of(false)), (None, Some(true)));
    }

    #[test]
    fn the_first_line_of_a_life_may_be_older_than_its_start() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a timestamp");
        let first = |finished: Option<&str>| {
            let started_at = Some(at("2026-01-02T03:04:05.3Z"));
            first_word(&RuntimeState { started_at, finished_at: finished.map(at), ..RuntimeState::default() })
        };
        assert_eq!(first(Some("2026-01-02T03:04:04.75Z")), Some(at("2026-01-02T03:04:04.75Z")));
        assert_eq!(first(Some("2026-01-02T03:00:00Z")), Some(at("2026-01-02T03:04:03.3Z")));
        assert_eq!(first(None), Some(at("2026-01-02T03:04:03.3Z")));
        assert_eq!(first_word(&RuntimeState::default()), None);
    }
}
