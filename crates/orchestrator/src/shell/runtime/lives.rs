//! What was said last about each server's container or process: all that a probe of these kinds looks at.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::{sync::oneshot, time::timeout};

use super::container::{
    engine::Link,
    event::Health,
    ledger::{Seen, State},
};
use super::life::{Life, Lives};
use super::process::wire::Wire;
use super::systemd::listener::Request;
use super::{Handle, Runtimes};
use crate::machine::{Death, ServerId, Word};

/// How long whoever listens to systemd may take to tell what it knows: it waits for nothing then, unless it compares.
const TELLS_WITHIN: Duration = Duration::from_secs(2);

/// The last words, by server.
#[derive(Debug, Default)]
pub struct LastWords(Mutex<HashMap<ServerId, Life>>);

impl LastWords {
    pub(super) fn note(&self, server: ServerId, word: &Word) {
        let life = match word {
            Word::Started | Word::Restarted | Word::Running | Word::RunsOtherwise => Life::Running,
            Word::Paused => Life::Frozen,
            Word::Stopped | Word::FoundStopped => Life::NotRunning("somebody stopped it".to_owned()),
            Word::NotRunning(death) if *death == Death::default() => Life::NotRunning("it does not run".to_owned()),
            Word::NotRunning(death) | Word::Died(death) => Life::NotRunning(died(death)),
            // It may survive that.
            Word::Killed | Word::AskedToEnd(_) | Word::AskedNoMore | Word::Spared | Word::Cut(_) | Word::NotCut(_) => return,
        };
        self.lock().insert(server, life);
    }

    /// Nobody can look.
    pub(super) fn is_unknown(&self, server: ServerId, why: String) {
        self.lock().insert(server, Life::Unknown(why));
    }

    fn of(&self, server: ServerId) -> Life {
        self.lock().get(&server).cloned().unwrap_or_else(|| Life::NotRunning("nothing has been heard of it yet".to_owned()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ServerId, Life>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runtimes {
    /// Waits until this server's container has been looked at and that has been told, unless it cannot be looked at now.
    pub async fn compared(&self, server: ServerId) {
        let Some(Handle::Container(_, container)) = self.handle(server) else { return };
        let Some(mut link) = self.engine_of(&container).map(|engine| engine.link) else { return };
        tokio::select! {
            () = container.compared() => {}
            _ = link.wait_for(|link| matches!(link, Link::Lost(_))) => {}
        }
    }

    /// Has it said when somebody is stopping this server's container, where no event tells of it, or its unit: that may take longer than it
    /// was to.
    pub async fn asked_whether_it_is_stopped(&self, server: ServerId) {
        match self.handle(server) {
            Some(Handle::Container(_, container)) => {
                if let Some(look) = container.is_being_stopped().await {
                    self.mouth.about(server).say(Word::AskedToEnd(look.stop_timeout)).await;
                }
            }
            Some(Handle::Unit(requests)) => {
                let (answer, told) = oneshot::channel();
                let asked = async {
                    if requests.send(Request::TellOfStop(server, answer)).await.is_ok() {
                        // Nobody hears of it while systemd is lost.
                        let _ = told.await;
                    }
                };
                let _ = timeout(TELLS_WITHIN, asked).await;
            }
            Some(Handle::Process(..)) | None => {}
        }
    }
}

impl Lives for Runtimes {
    fn life(&self, server: ServerId) -> Life {
        match self.container(server) {
            Some(Ok(seen)) => life(seen),
            Some(Err(unseen)) => Life::Unknown(unseen.to_string()),
            None => self.mouth.last_words().of(server),
        }
    }

    fn known(&self, server: ServerId) -> BoxFuture<'_, ()> {
        let handle = self.handle(server);
        Box::pin(async move {
            if let Some(Handle::Container(_, container)) = handle {
                // It has been let go when this fails: then its last words are known.
                let _ = container.seen.clone().wait_for(Option::is_some).await;
            }
        })
    }

    fn wire(&self, server: ServerId) -> Option<Wire> {
        Runtimes::wire(self, server)
    }
}

/// As its engine tells it.
fn life(seen: Seen) -> Life {
    match (seen.state, seen.health) {
        (State::Running, None) => Life::Running,
        (State::Running, Some(Health::Healthy)) => Life::Healthy,
        (State::Running, Some(Health::Starting)) => Life::Unproven,
        (State::Running, Some(Health::Unhealthy)) => Life::Unhealthy(String::new()),
        (State::Paused, _) => Life::Frozen,
        (State::Gone, _) => Life::NotRunning("there is no such container".to_owned()),
        (State::Ended, _) => Life::NotRunning(
            seen.exit_code.map_or_else(|| "it does not run".to_owned(), |code| format!("it has ended with exit code {code}")),
        ),
    }
}

fn died(death: &Death) -> String {
    match (death.signal, death.exit_code, &death.error) {
        (_, _, Some(error)) => format!("it could not start: {error}"),
        (Some(signal), ..) => format!("it has died by signal {signal}"),
        (None, Some(code), _) => format!("it has died with exit code {code}"),
        (None, None, None) => "it has died".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        let words = LastWords::default();
        let server = ServerId(3);
        assert!(matches!(words.of(server), Life::NotRunning(_)));
        words.note(server, &Word::Started);
        words.note(server, &Word::Killed);
        assert_eq!(words.of(server), Life::Running);
        words.note(server, &Word::Died(Death { exit_code: Some(137), signal: Some(9), ..Death::default() }));
        assert_eq!(words.of(server), Life::NotRunning("it has died by signal 9".to_owned()));
    }

    #[test]
    fn what_its_engine_tells_is_its_life() {
        let seen = |state, health, exit_code| life(Seen { state, exit_code, health });
        assert_eq!(seen(State::Running, None, Some(0)), Life::Running);
        assert_eq!(seen(State::Running, Some(Health::Healthy), None), Life::Healthy);
        assert_eq!(seen(State::Running, Some(Health::Starting), None), Life::Unproven);
        assert_eq!(seen(State::Running, Some(Health::Unhealthy), None), Life::Unhealthy(String::new()));
        for health in [None, Some(Health::Healthy), Some(Health::Unhealthy)] {
            assert_eq!(seen(State::Paused, health, None), Life::Frozen);
        }
        assert_eq!(seen(State::Ended, None, Some(3)), Life::NotRunning("it has ended with exit code 3".to_owned()));
        assert_eq!(seen(State::Ended, Some(Health::Healthy), None), Life::NotRunning("it does not run".to_owned()));
        assert_eq!(seen(State::Gone, None, Some(0)), Life::NotRunning("there is no such container".to_owned()));
    }
}
