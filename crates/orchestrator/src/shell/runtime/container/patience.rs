//! How long an engine may take to stop a container, and until when it may still tell of that.

use std::time::Duration;

use bollard::Docker;
use tokio::time::timeout;

use super::{
    inspect,
    listener::{
        PATIENCE,
        clock::{EngineClock, nanoseconds},
    },
    restart::EVENTS_PATIENCE,
};
use crate::shell::{clock::wall, runtime::Acting};

/// What engines wait for a container to end when nobody says otherwise.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A container can be created to be waited for for ever. Nobody here is that patient.
const FOREVER: Duration = Duration::from_secs(3_600);

/// How long the engine waits for a container to end before it kills it: as the registry says (`ours`), else as it was created.
pub async fn to_stop(client: &Docker, container: &str, ours: Option<Duration>) -> Duration {
    let Some(ours) = ours else {
        let found = inspect::found(client, container).await;
        return found.ok().and_then(|found| found.config?.stop_timeout).map_or(STOP_TIMEOUT, as_created);
    };
    ours
}

/// Until when an engine may tell of a restart that it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// By its own clock, in nanoseconds since 1970.
    Moment(i64),
    /// It does not say what time it is: for so long from now on.
    Within(Duration),
}

impl Until {
    /// By the engine's clock, in nanoseconds since 1970.
    pub fn by(self, clock: &EngineClock) -> i64 {
        match self {
            Self::Moment(at) => at,
            Self::Within(time) => clock.now().saturating_add(nanoseconds(time)),
        }
    }
}

/// Until when it may tell of a restart of this container. One that does not say how late it is is being lost, and looked at when it is back.
pub async fn until(client: &Docker, container: &str, ours: Option<Duration>) -> Until {
    let to_stop = timeout(PATIENCE, to_stop(client, container, ours));
    let (to_stop, now) = tokio::join!(to_stop, timeout(PATIENCE, inspect::clock(client)));
    let time = told_within(to_stop.ok().or(ours));
    match now {
        Ok(Ok(now)) if now > 0 => Until::Moment(now.saturating_add(nanoseconds(time))),
        _ => Until::Within(time),
    }
}

/// When a restart of an earlier run has begun, and until when the engine may tell of it, by its clock, in nanoseconds since 1970. Where that run did
/// not write down when it began, it may have been just now.
pub fn open(acting: Acting, told_within: Duration, clock: &EngineClock) -> (i64, i64) {
    let ago = acting.since.map(|since| Duration::try_from(wall().duration_since(since)).unwrap_or_default());
    let began = clock.now().saturating_sub(nanoseconds(ago.unwrap_or_default()));
    // Before it was asked, the disk and a look that was being taken may have been waited for.
    (began, began.saturating_add(nanoseconds(PATIENCE.saturating_add(told_within))))
}

/// How long the engine may take to tell of a restart of this container, from when it is asked for it.
pub async fn told_of(client: &Docker, container: &str, ours: Option<Duration>) -> Duration {
    told_within(timeout(PATIENCE, to_stop(client, container, ours)).await.ok().or(ours))
}

/// The same for an engine that cannot be asked.
pub fn told_within(to_stop: Option<Duration>) -> Duration {
    to_stop.unwrap_or(STOP_TIMEOUT).saturating_add(EVENTS_PATIENCE)
}

/// How long one waits that was created with so many seconds; fewer than none are for ever.
pub fn as_created(seconds: i64) -> Duration {
    u64::try_from(seconds).map_or(FOREVER, Duration::from_secs).min(FOREVER)
}

#[cfg(test)]
mod tests {
    use bollard::API_DEFAULT_VERSION;
    use health_spec::config::EngineKind;
    use tokio::sync::{mpsc, watch};

    use super::*;
    use crate::shell::runtime::container::failure::Place;
    use crate::{
        machine::ServerId,
        shell::runtime::container::{
            address::Connection,
            consent::Consent,
            listener::{Does, Reach, Request},
            restart::Container,
        },
    };

    #[test]
    fn a_container_says_how_long_it_may_take() {
        for (created, seconds) in [(0, 0), (90, 90), (-1, 3_600), (i64::MAX, 3_600)] {
            assert_eq!(as_created(created), Duration::from_secs(seconds), "{created:?}");
        }
    }

    #[tokio::test]
    async fn an_engine_that_does_not_say_how_late_it_is_may_tell_of_a_restart_for_so_long_and_no_longer() {
        let away = Docker::connect_with_http("tcp://127.0.0.1:1", 60, API_DEFAULT_VERSION).unwrap();
        assert_eq!(until(&away, "a", None).await, Until::Within(Duration::from_secs(13)));
        let ours = Some(Duration::from_secs(90));
        assert_eq!(until(&away, "a", ours).await, Until::Within(Duration::from_secs(93)));
        let known = EngineClock::of(Some(1_000_000_000));
        let ends = Until::Within(told_within(ours)).by(&known);
        assert!((94_000_000_000..94_000_000_000 + i64::from(u32::MAX)).contains(&ends), "{ends}");
        assert!(Until::Within(told_within(ours)).by(&EngineClock::default()) < i64::MAX, "our own clock does");
    }

    #[test]
    fn what_an_earlier_run_has_begun_is_open_from_then_on_and_not_from_now_on() {
        let clock = EngineClock::of(Some(1_000_000_000_000));
        let since = Some(wall() - jiff::SignedDuration::from_secs(100));
        let (began, until) = open(Acting { since, repairs: false }, Duration::from_secs(13), &clock);
        assert!((900_000_000_000..904_000_000_000).contains(&began), "{began}");
        assert_eq!(until - began, nanoseconds(PATIENCE) + 13_000_000_000);
        let (unknown, _) = open(Acting { since: None, repairs: false }, Duration::from_secs(13), &clock);
        assert!(unknown >= 1_000_000_000_000, "{unknown}");
    }

    #[tokio::test]
    async fn the_engine_is_waited_for_longer_than_it_waits_itself() {
        let (requests, mut asked) = mpsc::channel(1);
        let (progress, seen) = (watch::channel(None).1, watch::channel(None).1);
        let patience = Some(Duration::from_secs(90));
        let (server, wanted) = (ServerId(0), "a".to_owned());
        let (consent, interrupted, unsettled) = (Consent::default(), false, false);
        let engine = Place { name: "local".to_owned(), kind: EngineKind::Docker };
        let mut container =
            Container { server, wanted, patience, interrupted, unsettled, consent, engine, requests, progress, seen };
        let client = Docker::connect_with_http("tcp://127.0.0.1:1", 60, API_DEFAULT_VERSION).unwrap();
        let connection = Connection { client, kind: EngineKind::Docker, address: "tcp://127.0.0.1:1".to_owned() };
        let reach = Reach { connection, id: "id".to_owned() };
        let listener = async {
            let Some(Request::Begin(_, _, answer)) = asked.recv().await else { panic!("nothing was asked") };
            answer.send(Ok(reach)).unwrap();
        };
        let (begun, ()) = tokio::join!(container.begin(Does::Restart), listener);
        assert_eq!(begun.unwrap().connection.client.timeout(), Duration::from_secs(150));
    }
}
