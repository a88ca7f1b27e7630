//! Tells the machine when a server's maintenance begins and ends.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::Maintenance;
use crate::machine::{Input, Mono, ServerId};
use crate::shell::clock::Clock;

/// No sleep is longer, so that a wall clock that is set is noticed soon.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// What the configuration in force says.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    maintenance: Maintenance,
    servers: BTreeMap<ServerId, String>,
}

impl Kept {
    /// The windows, and the servers by name.
    pub fn new(maintenance: Maintenance, servers: &HashMap<String, ServerId>) -> Self {
        Self { maintenance, servers: servers.iter().map(|(name, id)| (*id, name.clone())).collect() }
    }

    /// For each server until when it is in maintenance at `at`, and when that changes for any of them.
    fn at(&self, at: Timestamp) -> (BTreeMap<ServerId, Timestamp>, Option<Timestamp>) {
        let mut held = BTreeMap::new();
        let mut next: Option<Timestamp> = None;
        let found = self.maintenance.of_each(self.servers.values().map(String::as_str), at);
        for (id, (_, found)) in self.servers.keys().zip(found) {
            if found.now {
                held.insert(*id, found.until.unwrap_or(Timestamp::MAX));
            }
            next = [next, found.until].into_iter().flatten().min();
        }
        (held, next)
    }
}

/// The windows that are open at `now`, by server, and until when: what the machine begins with.
pub fn open<'a>(
    maintenance: &Maintenance,
    servers: impl Iterator<Item = &'a str>,
    now: Timestamp,
    clock: &Clock,
) -> BTreeMap<String, Mono> {
    let open = maintenance.of_each(servers, now).filter(|(_, held)| held.now);
    open.map(|(name, held)| (name.to_owned(), moment(held.until.unwrap_or(Timestamp::MAX), now, clock))).collect()
}

/// Runs until the other ends are gone. `wall` is the wall clock.
pub async fn keep(
    mut kept: watch::Receiver<Kept>,
    inbox: mpsc::Sender<Input>,
    clock: Clock,
    wall: impl Fn() -> Timestamp + Send,
) {
    let mut told: BTreeMap<ServerId, Timestamp> = BTreeMap::new();
    loop {
        let now = wall();
        let (held, next) = kept.borrow_and_update().at(now);
        let ended = told.keys().filter(|id| !held.contains_key(id)).map(|id| (*id, None));
        let begun = held.iter().filter(|(id, until)| told.get(id) != Some(until)).map(|(id, until)| (*id, Some(*until)));
        let changes: Vec<_> = ended.chain(begun).collect();
        for (id, until) in changes {
            let until = until.map(|until| moment(until, now, &clock));
            if inbox.send(Input::Maintenance(id, until)).await.is_err() {
                return;
            }
        }
        told = held;
        let sleep = next.map_or(LONGEST_SLEEP, |next| distance(next, now).min(LONGEST_SLEEP));
        if let Ok(Err(_)) = timeout(sleep, kept.changed()).await {
            return;
        }
    }
}

fn distance(later: Timestamp, now: Timestamp) -> Duration {
    // A window begins at its second, not a moment before.
    Duration::try_from(later.duration_since(now)).unwrap_or_default() + Duration::from_millis(1)
}

fn moment(until: Timestamp, now: Timestamp, clock: &Clock) -> Mono {
    clock.now().after(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_window_that_is_open_is_told_at_once_and_its_end_when_it_is_gone() {
        let file = "{maintenance: [{cron: \"0 3 * * *\", duration: 1h, servers: [a]}], servers: [{name: a}, {name: b}]}";
        let file = serde_saphyr::from_str(file).expect("the file reads");
        let mut issues = Vec::new();
        let maintenance = Maintenance::compile(&file, &mut issues);
        assert!(issues.is_empty(), "{issues:?}");
        let servers = HashMap::from([("a".to_owned(), ServerId(0)), ("b".to_owned(), ServerId(1))]);
        let (given, kept) = watch::channel(Kept::new(maintenance, &servers));
        let (inbox, mut inputs) = mpsc::channel(8);
        let night: Timestamp = "2026-01-02T03:30:00Z".parse().expect("a timestamp");
        let keeper = keep(kept, inbox, Clock::resume(night, Mono::default()), move || night);
        let told = async {
            assert!(matches!(inputs.recv().await, Some(Input::Maintenance(ServerId(0), Some(_)))));
            given.send_replace(Kept::new(Maintenance::default(), &servers));
            assert_eq!(inputs.recv().await, Some(Input::Maintenance(ServerId(0), None)));
            drop(given);
        };
        tokio::join!(keeper, told);
    }
}
