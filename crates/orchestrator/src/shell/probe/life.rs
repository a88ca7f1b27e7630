//! Kinds `container` and `process`: what is known of the server's container or process, without a question to the server.

use std::time::Duration;

use health_spec::verdict::{Outcome, Reason, Verdict};
use tokio::time::Instant;

use super::deadline::Deadline;
use super::{Impaired, Question};
use crate::shell::runtime::life::Life;

/// How long an engine that has not been looked at yet, as at the start, is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is known of it, once something is.
pub(super) async fn check(question: &Question<'_>, deadline: Deadline) -> Result<Verdict, Impaired> {
    let known = question.lives.known(question.server);
    // What is not known in time is said by the life itself.
    let _ = tokio::time::timeout_at(deadline.at().min(Instant::now() + PATIENCE), known).await;
    verdict(question.lives.life(question.server))
}

fn verdict(life: Life) -> Result<Verdict, Impaired> {
    let reported = |outcome, message: &str| Ok(Verdict::new(outcome, Some(Reason::Reported), Some(message.to_owned())));
    match life {
        Life::Running | Life::Healthy => Ok(Verdict::new(Outcome::Ok, None, None)),
        Life::Unproven => reported(Outcome::Degraded, "its HEALTHCHECK has not answered yet"),
        Life::Frozen => reported(Outcome::Degraded, "its container is paused"),
        Life::Unhealthy(said) if said.is_empty() => reported(Outcome::Failed, "its HEALTHCHECK says unhealthy"),
        Life::Unhealthy(said) => reported(Outcome::Failed, &format!("its HEALTHCHECK says unhealthy: {said}")),
        Life::NotRunning(why) => Ok(Verdict::failed(Reason::NotRunning, why)),
        Life::Unknown(why) => Err(Impaired::Engine(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_its_life_is_a_verdict() {
        let text = |text: &str| text.to_owned();
        for (life, outcome, reason, message) in [
            (Life::Running, Outcome::Ok, None, None),
            (Life::Healthy, Outcome::Ok, None, None),
            (Life::Unproven, Outcome::Degraded, Some(Reason::Reported), Some("its HEALTHCHECK has not answered yet")),
            (Life::Frozen, Outcome::Degraded, Some(Reason::Reported), Some("its container is paused")),
            (Life::Unhealthy(text("")), Outcome::Failed, Some(Reason::Reported), Some("its HEALTHCHECK says unhealthy")),
            (
                Life::Unhealthy(text("no disk")),
                Outcome::Failed,
                Some(Reason::Reported),
                Some("its HEALTHCHECK says unhealthy: no disk"),
            ),
            (Life::NotRunning(text("it has died")), Outcome::Failed, Some(Reason::NotRunning), Some("it has died")),
        ] {
            let found = verdict(life.clone()).expect("a verdict");
            assert_eq!((found.outcome, found.reason, found.message.as_deref()), (outcome, reason, message), "{life:?}");
        }
    }

    #[test]
    fn an_engine_that_is_away_is_not_the_servers_fault() {
        let away = verdict(Life::Unknown("no Docker engine".to_owned()));
        assert!(matches!(away, Err(Impaired::Engine(why)) if why == "no Docker engine"));
    }
}
