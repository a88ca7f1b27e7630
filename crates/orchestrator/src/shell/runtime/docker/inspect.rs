//! Asks an engine about containers.

use bollard::{
    Docker,
    errors::Error,
    models::{ContainerInspectResponse, RestartPolicyNameEnum},
    query_parameters::{InspectContainerOptions, ListContainersOptions},
};

use super::{
    event::signal_number,
    ledger::{ComesBack, Look},
};

/// How alike two names have to be for one to be a misspelling of the other (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.8;

/// How one container is. `None`: there is no such container.
pub async fn look(client: &Docker, wanted: &str) -> Result<Option<Look>, Error> {
    match client.inspect_container(wanted, None::<InspectContainerOptions>).await {
        Ok(found) => Ok(Some(read(found))),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The engine's own clock, in nanoseconds since 1970: what events are asked for from. Engines may be on other machines.
/// One that does not tell sends all events that it has kept.
pub async fn clock(client: &Docker) -> Result<i64, Error> {
    Ok(client.info().await?.system_time.and_then(|text| nanoseconds(&text)).unwrap_or_default())
}

/// Names of containers that somebody may have meant.
pub async fn similar(client: &Docker, wanted: &str) -> Result<Vec<String>, Error> {
    let all = ListContainersOptions { all: true, ..ListContainersOptions::default() };
    let containers = client.list_containers(Some(all)).await?;
    let names = containers.into_iter().filter_map(|container| container.names).flatten();
    let names = names.map(|name| name.trim_start_matches('/').to_owned());
    Ok(names.filter(|name| strsim::jaro_winkler(name, wanted) >= ALIKE).collect())
}

fn read(found: ContainerInspectResponse) -> Look {
    let state = found.state.unwrap_or_default();
    let running = state.running.unwrap_or_default();
    let policy = found.host_config.and_then(|config| config.restart_policy).and_then(|policy| policy.name);
    let moment = if running { state.started_at } else { state.finished_at };
    Look {
        id: found.id.unwrap_or_default(),
        name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        running,
        since: moment.and_then(|text| nanoseconds(&text)).unwrap_or(i64::MIN),
        exit_code: state.exit_code,
        oom_killed: state.oom_killed.unwrap_or_default(),
        comes_back: match policy {
            None | Some(RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO) => ComesBack::Never,
            Some(RestartPolicyNameEnum::ON_FAILURE) => ComesBack::AfterFailure,
            Some(RestartPolicyNameEnum::ALWAYS | RestartPolicyNameEnum::UNLESS_STOPPED) => ComesBack::Always,
        },
        stop_signal: found.config.and_then(|config| config.stop_signal).and_then(|signal| signal_number(&signal)),
    }
}

/// Since 1970. What never happened is written as the year 1, and is `None`.
fn nanoseconds(text: &str) -> Option<i64> {
    let moment: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(moment.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_to_the_nanosecond() {
        assert_eq!(nanoseconds("1970-01-01T00:00:01.000000002Z"), Some(1_000_000_002));
        assert_eq!(nanoseconds("0001-01-01T00:00:00Z"), None);
    }
}
