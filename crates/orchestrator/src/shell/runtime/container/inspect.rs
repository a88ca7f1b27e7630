//! Asks an engine about containers.

mod passing;

use std::time::Duration;

use bollard::{
    Docker,
    errors::Error,
    models::{
        ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum,
        EventMessage, EventMessageTypeEnum, RestartPolicyNameEnum,
    },
    query_parameters::{EventsOptions, InspectContainerOptions, ListContainersOptions},
};
use futures_util::TryStreamExt;
use health_spec::config::EngineKind;
use tokio::time::{Instant, timeout};

pub use self::passing::{found, is_passing, until_passed};
use super::{
    answer::whole,
    event::{ACTIONS, Act, Happening, Health, signal_number},
    ledger::{ComesBack, Look, State, means, tell_of_a_stop},
    patience,
};

/// How alike two names have to be for one to be a misspelling of the other (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.8;

const SECOND: i64 = 1_000_000_000;

/// When what has not happened yet happened.
const NEVER: i64 = i64::MIN;

/// Docker keeps this many events to be asked for.
pub const KEPT_EVENTS: usize = 256;

/// Of answers that cannot be read: the states that pass last less than any two of these.
const TOO_MANY: u32 = 5;

/// In nanoseconds. Podman stops reading its log of events at the moment until which it is asked for them: asked for the past alone, it
/// has read nothing by then. A tenth of a second is enough for a hundred events.
const READING: i64 = SECOND / 2;

/// How much longer it is given when it has not come as far as what is known to stand there, each time: a log may be long, and a machine busy.
const PATIENCES: [i64; 3] = [1, 4, 16];

/// Podman has read to the end of its log when nothing has come for so long.
const QUIET: Duration = Duration::from_millis(100);

/// How long the engine may take to say how one container is. One that hangs in its engine, as on a disk that does not answer, makes every
/// question about it hang, and no other.
const OF_ONE: Duration = Duration::from_secs(5);

/// And how long to list all of them.
const OF_ALL: Duration = Duration::from_secs(15);

/// How one container is. `None`: there is no such container.
pub async fn look(client: &Docker, wanted: &str) -> Result<Option<Look>, Error> {
    until_passed(|| glance(client, wanted)).await
}

/// The same, asked once.
pub async fn glance(client: &Docker, wanted: &str) -> Result<Option<Look>, Error> {
    match of_one(whole(client, client.inspect_container(wanted, None::<InspectContainerOptions>))).await {
        Ok(found) => Ok(Some(found).filter(|found| is_meant(found, wanted)).map(read)),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A question about one container that others wait for.
pub async fn of_one<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(OF_ONE, asked).await.unwrap_or(Err(Error::RequestTimeoutError))
}

/// Whether that is what was asked for.
pub fn is_meant(found: &ContainerInspectResponse, wanted: &str) -> bool {
    let name = found.name.as_deref().unwrap_or_default().trim_start_matches('/');
    means(wanted, name, found.id.as_deref().unwrap_or_default())
}

/// Answers in a row that could not be read, and would pass: Podman has words that we do not know for a moment, and a container that stays
/// in such a state makes all of its lists unreadable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InARow(u32);

impl InARow {
    /// One more. Said once.
    pub fn are_too_many(&mut self) -> bool {
        self.0 = self.0.saturating_add(1);
        self.0 == TOO_MANY
    }
}

/// What was answered when a container was asked for, where it says nothing about the engine and nothing about other containers; an error
/// of the engine's is one here. One that has not said anything about it is asked something else.
pub async fn about_it_alone(client: &Docker, error: Error) -> Result<Error, Error> {
    match error {
        Error::RequestTimeoutError => match timeout(OF_ALL, list(client)).await {
            Ok(Err(other)) if !is_passing(&other) => Err(other),
            Ok(_) => Ok(error),
            Err(_) => Err(error),
        },
        _ if is_answered(&error) => Ok(error),
        _ => Err(error),
    }
}

/// The engine has answered, but not what was asked for.
fn is_answered(error: &Error) -> bool {
    is_passing(error) || matches!(error, Error::DockerResponseServerError { .. })
}

/// Whether somebody stopped it, as far as the engine still knows.
pub async fn was_stopped(client: &Docker, kind: EngineKind, look: &Look) -> Result<bool, Error> {
    // What was only created has no end that a log could tell of, however long it is waited for.
    if look.started == NEVER {
        return Ok(false);
    }
    // A stop is said after the death, and the clocks of both are the engine's.
    let since = look.since.saturating_sub(SECOND).max(0);
    for patience in PATIENCES {
        let reading = patience.saturating_mul(READING);
        let (events, quiet) = read_until_now(client, (kind, reading), since, ("container", vec![look.id.as_str()])).await?;
        let acts: Vec<_> = events.into_iter().filter_map(Happening::read).map(|happening| happening.act).collect();
        if tell_of_a_stop(&acts) {
            return Ok(true);
        }
        if kind != EngineKind::Podman || (tell_of_the_end(&acts) && quiet >= QUIET) {
            break;
        }
    }
    Ok(false)
}

/// Whether they go as far as the death that a look has found.
fn tell_of_the_end(acts: &[Act]) -> bool {
    acts.iter().any(|act| matches!(act, Act::Die(_) | Act::Cleanup))
}

/// Containers' events from this moment until now, with one more filter; none where the engine does not tell its time.
pub async fn events_until_now(
    client: &Docker,
    kind: EngineKind,
    since: i64,
    filter: (&str, Vec<&str>),
) -> Result<Vec<EventMessage>, Error> {
    Ok(read_until_now(client, (kind, READING), since, filter).await?.0)
}

/// The same, with the time that Podman has for it, and for how long nothing came before the answer ended.
async fn read_until_now(
    client: &Docker,
    (kind, reading): (EngineKind, i64),
    since: i64,
    filter: (&str, Vec<&str>),
) -> Result<(Vec<EventMessage>, Duration), Error> {
    let now = clock(client).await?;
    if now == 0 {
        return Ok((Vec::new(), Duration::ZERO));
    }
    let until = if kind == EngineKind::Podman { now.saturating_add(reading) } else { now };
    // A clock that was set back: what it has kept lies ahead, and Docker refuses to tell of it until now. It tells of it first, and then waits.
    let lies_ahead = until < since;
    let until = if lies_ahead { None } else { Some(seconds(until)) };
    let patience = if lies_ahead { Duration::from_nanos(reading.unsigned_abs()) } else { Duration::MAX };
    let options = EventsOptions { until, ..events_since(since, filter) };
    let (mut told, mut events, mut last) = (client.events(Some(options)), Vec::new(), Instant::now());
    while let Ok(event) = timeout(patience, told.try_next()).await {
        let Some(event) = event? else { break };
        events.push(event);
        last = Instant::now();
    }
    Ok((events, last.elapsed()))
}

/// What a Docker engine still knows of what happened: it keeps this in its memory, which is a new one when it is started again.
#[derive(Debug, Default)]
pub struct Memory {
    /// Oldest first, of containers.
    pub kept: Vec<Happening>,
    /// There is no room for more, and there may have been more.
    pub is_full: bool,
    /// When the first thing happened that it still knows, of whatever kind: in nanoseconds since 1970.
    pub oldest: Option<i64>,
}

/// Everything that it knows. With live restore it ends nothing when it begins, and need not be told from another.
pub async fn memory(client: &Docker) -> Result<Memory, Error> {
    let info = client.info().await?;
    if info.live_restore_enabled == Some(true) {
        return Ok(Memory::default());
    }
    let now = info.system_time.and_then(|text| nanoseconds(&text)).unwrap_or_default();
    // Without filters: networks and volumes have their place in its memory as well, and count.
    let options = EventsOptions { since: Some(seconds(1)), until: Some(seconds(now)), filters: None };
    match client.events(Some(options)).try_collect::<Vec<EventMessage>>().await {
        Ok(kept) => {
            let is_full = kept.len() >= KEPT_EVENTS;
            let oldest = kept.first().and_then(|event| event.time_nano);
            let of_containers = kept.into_iter().filter(|event| event.typ == Some(EventMessageTypeEnum::CONTAINER));
            Ok(Memory { kept: of_containers.filter_map(Happening::read).collect(), is_full, oldest })
        }
        // There is one of a kind that we do not know, or a proxy does not let us ask.
        Err(error) if is_answered(&error) => Ok(Memory::default()),
        Err(error) => Err(error),
    }
}

/// Containers' events from this moment on, with one more filter.
pub fn events_since(since: i64, filter: (&str, Vec<&str>)) -> EventsOptions {
    let filters = [("type", vec!["container"]), ("event", ACTIONS.to_vec()), filter];
    let filters = filters.into_iter().filter(|(_, values)| !values.is_empty());
    let filters = filters.map(|(key, values)| (key.to_owned(), values.into_iter().map(str::to_owned).collect()));
    EventsOptions { since: Some(seconds(since)), until: None, filters: Some(filters.collect()) }
}

fn seconds(nanoseconds: i64) -> String {
    format!("{}.{:09}", nanoseconds / SECOND, nanoseconds % SECOND)
}

/// The engine's own clock, in nanoseconds since 1970: what events are asked for from. Engines may be on other machines.
/// One that does not tell sends all events that it has kept.
pub async fn clock(client: &Docker) -> Result<i64, Error> {
    Ok(whole(client, client.info()).await?.system_time.and_then(|text| nanoseconds(&text)).unwrap_or_default())
}

/// All containers.
pub async fn list(client: &Docker) -> Result<Vec<ContainerSummary>, Error> {
    let options = ListContainersOptions { all: true, ..ListContainersOptions::default() };
    whole(client, client.list_containers(Some(options))).await
}

/// The names of a container.
pub fn names(summary: &ContainerSummary) -> impl Iterator<Item = &str> {
    summary.names.iter().flatten().map(|name| name.trim_start_matches('/'))
}

/// What a listed container does.
pub fn state(summary: &ContainerSummary) -> State {
    match summary.state {
        Some(ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::STOPPING) => State::Running,
        Some(ContainerSummaryStateEnum::PAUSED) => State::Paused,
        _ => State::Ended,
    }
}

/// Whether somebody is stopping a listed container, which Podman tells and Docker does not.
pub fn is_listed_as_stopping(summary: &ContainerSummary) -> bool {
    summary.state == Some(ContainerSummaryStateEnum::STOPPING)
}

/// The same of one that was asked for. Podman calls such a one not running, although its processes are there until they have ended.
pub fn is_being_stopped(state: &ContainerState) -> bool {
    state.status == Some(ContainerStateStatusEnum::STOPPING)
}

/// Whether its processes are there.
pub fn is_alive(state: &ContainerState) -> bool {
    is_being_stopped(state) || state.running.unwrap_or_default()
}

/// Names of containers that somebody may have meant.
pub async fn similar(client: &Docker, wanted: &str) -> Result<Vec<String>, Error> {
    let containers = list(client).await?;
    let names = containers.iter().flat_map(names).map(str::to_owned);
    Ok(names.filter(|name| strsim::jaro_winkler(name, wanted) >= ALIKE).collect())
}

fn read(found: ContainerInspectResponse) -> Look {
    let state = found.state.unwrap_or_default();
    let is_stopping = is_being_stopped(&state);
    let running = is_alive(&state) && !state.restarting.unwrap_or_default();
    let host = found.host_config.unwrap_or_default();
    let policy = host.restart_policy.and_then(|policy| policy.name);
    let started = state.started_at.and_then(|text| nanoseconds(&text)).unwrap_or(NEVER);
    let ended = state.finished_at.and_then(|text| nanoseconds(&text)).unwrap_or(NEVER);
    let health = state.health.and_then(|health| health.status);
    Look {
        id: found.id.unwrap_or_default(),
        name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        state: match (running, state.paused.unwrap_or_default()) {
            (true, false) => State::Running,
            (true, true) => State::Paused,
            (false, _) => State::Ended,
        },
        since: if running { started } else { ended },
        started,
        // One that was only created has not ended well.
        exit_code: state.exit_code.filter(|code| *code != 0 || ended != NEVER),
        oom_killed: state.oom_killed.unwrap_or_default(),
        memory_limited: host.memory.is_some_and(|bytes| bytes > 0),
        stopped: false,
        is_stopping,
        comes_back: match policy {
            None | Some(RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO) => ComesBack::Never,
            Some(RestartPolicyNameEnum::ON_FAILURE) => ComesBack::AfterFailure,
            Some(RestartPolicyNameEnum::ALWAYS | RestartPolicyNameEnum::UNLESS_STOPPED) => ComesBack::Always,
        },
        stop_timeout: found.config.as_ref().and_then(|config| config.stop_timeout).map(patience::as_created),
        stop_signal: found.config.and_then(|config| config.stop_signal).and_then(|signal| signal_number(&signal)),
        restarts: found.restart_count.unwrap_or_default(),
        health: health.and_then(|status| Health::read(status.as_ref())),
    }
}

/// Since 1970. What never happened is written as the year 1, and is `None`.
fn nanoseconds(text: &str) -> Option<i64> {
    let moment: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(moment.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::{Router, http::Uri};
    use bollard::API_DEFAULT_VERSION;
    use tokio::net::TcpListener;

    use super::*;

    /// Whether a container was stopped, by an engine that has these words for it, asked once, twice, and again; and how often it was asked.
    async fn told_by(kind: EngineKind, answers: &[&[&str]]) -> (bool, usize) {
        told_of(&Look { id: "b0db".to_owned(), ..Look::default() }, kind, answers).await
    }

    async fn told_of(look: &Look, kind: EngineKind, answers: &[&[&str]]) -> (bool, usize) {
        let line = |action: &&str| {
            format!(
                "{{\"Type\":\"container\",\"Action\":\"{action}\",\"Actor\":{{\"ID\":\"b0db\",\"Attributes\":{{\"name\":\"a\"}}}},\"timeNano\":1}}\n"
            )
        };
        let bodies: Vec<String> = answers.iter().rev().map(|acts| acts.iter().map(line).collect()).collect();
        let left = Arc::new(Mutex::new(bodies));
        let shared = Arc::clone(&left);
        let router = Router::new().fallback(move |uri: Uri| async move {
            let told = || shared.lock().unwrap().pop().expect("it is asked no more often");
            if uri.path().ends_with("/events") { told() } else { r#"{"SystemTime": "2026-01-01T00:00:00Z"}"#.to_owned() }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let client = Docker::connect_with_http(&address, 30, API_DEFAULT_VERSION).unwrap();
        let serving = async { axum::serve(listener, router).await };
        let told = tokio::select! {
            told = was_stopped(&client, kind, look) => told.unwrap(),
            ended = serving => panic!("{ended:?}"),
        };
        let left = left.lock().unwrap().len();
        (told, answers.len() - left)
    }

    /// These answers end at once: none shows that the log was read to its end.
    #[tokio::test]
    async fn a_log_that_podman_has_not_read_to_its_end_is_asked_for_again() {
        assert_eq!(told_by(EngineKind::Podman, &[&[], &["died", "cleanup"], &["died", "cleanup", "cleanup"]]).await, (true, 3));
        assert_eq!(told_by(EngineKind::Podman, &[&["died", "stop"], &[]]).await, (true, 1));
        assert_eq!(told_by(EngineKind::Podman, &[&[], &[], &["died", "cleanup"]]).await, (false, 3));
        assert_eq!(told_by(EngineKind::Docker, &[&["die"], &["die", "stop"]]).await, (false, 1));
    }

    #[tokio::test]
    async fn nobody_is_asked_for_the_end_of_what_never_began() {
        let created = serde_json::json!({ "Id": "b0db", "State": { "StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z" } });
        let look = read(serde_json::from_value(created).unwrap());
        assert_eq!(told_of(&look, EngineKind::Podman, &[]).await, (false, 0));
    }

    /// As Podman 4.3 tells it of one that has ended once before.
    #[test]
    fn one_that_is_being_stopped_has_not_ended() {
        let state = serde_json::json!({ "Status": "stopping", "Running": false, "Pid": 1605, "ExitCode": 0,
            "StartedAt": "1970-01-01T00:00:03Z", "FinishedAt": "1970-01-01T00:00:02Z" });
        let look = read(serde_json::from_value(serde_json::json!({ "Id": "b0db", "State": state })).unwrap());
        assert_eq!((look.state, look.since, look.is_stopping), (State::Running, 3 * SECOND, true));
        let listed = serde_json::from_value(serde_json::json!({ "Id": "b0db", "State": "stopping" })).unwrap();
        assert!(super::state(&listed) == State::Running && is_listed_as_stopping(&listed));
    }

    #[test]
    fn what_does_not_pass_is_said_once() {
        let mut row = InARow::default();
        let said: Vec<_> = (1..=12).filter(|_| row.are_too_many()).collect();
        assert_eq!(said, [5]);
    }

    #[test]
    fn moments_are_read_to_the_nanosecond() {
        assert_eq!(nanoseconds("1970-01-01T00:00:01.000000002Z"), Some(1_000_000_002));
        assert_eq!(nanoseconds("0001-01-01T00:00:00Z"), None);
    }
}
