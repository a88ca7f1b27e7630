//! What has been published: the present view of every server, and the stream of events that continues it.
//!
//! A subscriber takes both under one lock, so that nothing is missed between them and nothing comes twice.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use health_spec::view::Uptime;
use health_spec::{Event, ServerView, Snapshot};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::broadcast;

use super::compact::compact;
use super::secrets::hide_entry;
use super::sight;
use super::view::Known;

/// Events that a slow subscriber may lag behind before it has to read the log again.
const BACKLOG: usize = 4_096;

/// One event as it was published.
#[derive(Clone, Debug)]
pub struct Said {
    /// The event.
    pub event: Arc<Event>,
    /// The same, as its line.
    pub json: Arc<str>,
    /// The server that it concerns, as it is afterwards.
    pub view: Option<Arc<ServerView>>,
}

/// Everything that can be read without asking the driver.
#[derive(Debug)]
pub struct Published {
    known: Known,
    now: RwLock<Present>,
    said: broadcast::Sender<Said>,
    /// Why what is published does not all reach the disk.
    trouble: RwLock<Option<String>>,
}

#[derive(Debug)]
struct Present {
    seq: u64,
    as_of: Timestamp,
    /// By place in the fleet; places of servers that are gone are empty.
    views: Vec<Option<Arc<ServerView>>>,
    places: HashMap<String, usize>,
    registry: Entries,
    /// Why a changed configuration was rejected.
    config_error: Option<String>,
    /// Why checks may fail for want of file descriptors.
    shortage: Option<String>,
}

/// The registry's entries, as they were written: as text, since of ten thousand values much is kept.
struct Entries(Vec<Box<str>>);

/// What a snapshot is made of.
struct Taken {
    seq: u64,
    as_of: Timestamp,
    config_error: Option<String>,
    views: Vec<Arc<ServerView>>,
}

impl Published {
    /// Begins after event `seq` with these views.
    pub fn new(known: Known, seq: u64, as_of: Timestamp, views: Vec<ServerView>, registry: &[Value]) -> Self {
        let places = views.iter().enumerate().map(|(place, view)| (view.name.clone(), place)).collect();
        let views = compact(views.into_iter().map(|view| Some(Arc::new(view))));
        let (registry, config_error, shortage) = (Entries::of(registry), None, None);
        let now = RwLock::new(Present { seq, as_of, views, places, registry, config_error, shortage });
        Self { known, now, said: broadcast::Sender::new(BACKLOG), trouble: RwLock::default() }
    }

    /// The instance's name and its log's epoch.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Everything, as of one event.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_of(self.read(Present::taken))
    }

    /// Why what is published does not all reach the disk; `None` while it does.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says whether it does.
    pub fn set_trouble(&self, trouble: Option<String>) {
        let mut now = self.trouble.write().unwrap_or_else(PoisonError::into_inner);
        if *now != trouble {
            *now = trouble;
        }
    }

    /// The last event.
    pub fn last_seq(&self) -> u64 {
        self.read(|now| now.seq)
    }

    /// Everything, and what comes after it.
    pub fn follow(&self) -> (Snapshot, broadcast::Receiver<Said>) {
        let (taken, said) = self.read(|now| (now.taken(), self.said.subscribe()));
        (self.snapshot_of(taken), said)
    }

    /// The last event, and what comes after it.
    pub fn listen(&self) -> (u64, broadcast::Receiver<Said>) {
        self.read(|now| (now.seq, self.said.subscribe()))
    }

    /// One server's place in the fleet, and its view.
    pub fn server(&self, name: &str) -> Option<(usize, Arc<ServerView>)> {
        self.read(|now| now.present(name))
    }

    /// One server's entry in the registry, without what may be a secret.
    pub fn entry(&self, place: usize) -> Value {
        let mut entry = self.read(|now| now.registry.entry(place));
        hide_entry(&mut entry);
        entry
    }

    /// Another registry is in force: its entries by place in the fleet.
    pub fn set_registry(&self, registry: &[Value]) {
        self.write().registry = Entries::of(registry);
    }

    /// Why a changed configuration was rejected, if the last one was.
    pub fn config_error(&self) -> Option<String> {
        self.read(|now| now.config_error.clone())
    }

    /// Says so, or that it is in force.
    pub fn set_config_error(&self, error: Option<String>) {
        self.write().config_error = error;
    }

    /// Why checks may fail for want of file descriptors.
    pub fn shortage(&self) -> Option<String> {
        self.read(|now| now.shortage.clone())
    }

    /// Says so, or that there are enough.
    pub fn set_shortage(&self, shortage: Option<String>) {
        if let Some(shortage) = &shortage {
            tracing::warn!("{shortage}");
        }
        self.write().shortage = shortage;
    }

    /// What the monitor cannot see.
    pub fn blindness(&self) -> Option<String> {
        self.read(|now| sight::trouble(now.views.iter().flatten().map(|view| &**view)))
    }

    /// Publishes events that are on disk, with the views of the servers that changed; `None` for those that are gone.
    pub fn publish(&self, events: Vec<(Event, String)>, changed: Vec<(usize, Option<ServerView>)>, as_of: Timestamp) {
        let mut now = self.write();
        for (place, view) in changed {
            now.put(place, view);
        }
        now.as_of = as_of;
        for (event, json) in events {
            now.seq = event.seq;
            let place = event.server_name.as_ref().and_then(|name| now.places.get(name).copied());
            let view = place.and_then(|place| now.views[place].clone());
            // An error means that nobody listens.
            let _ = self.said.send(Said { event: Arc::new(event), json: json.into(), view });
        }
    }

    /// Brings every server's uptime up to date. No event says so: time passes by itself.
    pub fn refresh(&self, uptime: impl Fn(usize) -> Uptime) {
        for (place, view) in self.write().views.iter_mut().enumerate() {
            if let Some(view) = view {
                Arc::make_mut(view).uptime = uptime(place);
            }
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Present> {
        self.now.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, look: impl FnOnce(&Present) -> T) -> T {
        look(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Copying every view takes a while; the driver does not wait for it.
    fn snapshot_of(&self, taken: Taken) -> Snapshot {
        Snapshot {
            source: self.known.source.clone(),
            epoch: self.known.epoch.clone(),
            seq: taken.seq,
            timestamp: taken.as_of,
            config_error: taken.config_error,
            servers: taken.views.into_iter().map(Arc::unwrap_or_clone).collect(),
        }
    }
}

impl Entries {
    fn of(registry: &[Value]) -> Self {
        Self(registry.iter().map(|entry| entry.to_string().into()).collect())
    }

    fn entry(&self, place: usize) -> Value {
        self.0.get(place).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entries({})", self.0.len())
    }
}

impl Present {
    fn taken(&self) -> Taken {
        let views = self.views.iter().flatten().map(Arc::clone).collect();
        Taken { seq: self.seq, as_of: self.as_of, config_error: self.config_error.clone(), views }
    }

    fn present(&self, name: &str) -> Option<(usize, Arc<ServerView>)> {
        let place = *self.places.get(name)?;
        Some((place, self.views[place].clone()?))
    }

    fn put(&mut self, place: usize, view: Option<ServerView>) {
        if place >= self.views.len() {
            self.views.resize(place + 1, None);
        }
        match (&view, &self.views[place]) {
            (Some(view), _) => drop(self.places.insert(view.name.clone(), place)),
            // One that came back under the same name has another place.
            (None, Some(gone)) if self.places.get(&gone.name) == Some(&place) => drop(self.places.remove(&gone.name)),
            (None, _) => {}
        }
        self.views[place] = view.map(Arc::new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::view::tests::sample;

    #[test]
    fn a_name_is_forgotten_with_its_server_unless_another_has_it() {
        let known = Known { source: "here".into(), epoch: "e".into() };
        let published = Published::new(known, 0, Timestamp::UNIX_EPOCH, vec![sample("a"), sample("b")], &[]);
        let put = |place, view| published.publish(vec![], vec![(place, view)], Timestamp::UNIX_EPOCH);
        let place = |name| published.server(name).map(|(place, _)| place);
        put(0, None);
        assert_eq!((place("a"), place("b")), (None, Some(1)));
        put(2, Some(sample("b")));
        put(1, None);
        assert_eq!((place("b"), published.snapshot().servers.len()), (Some(2), 1));
    }

    #[test]
    fn secrets_of_entries_are_not_shown() {
        let entry =
            serde_json::json!({ "name": "a", "runtime": { "env": { "KEY": "hunter2" }, "args": ["--token", "hunter2"] } });
        let known = Known { source: "here".into(), epoch: "e".into() };
        let published = Published::new(known, 0, Timestamp::UNIX_EPOCH, vec![sample("a")], std::slice::from_ref(&entry));
        let expected = serde_json::json!({ "name": "a", "runtime": { "env": { "KEY": "***" }, "args": ["--token", "***"] } });
        assert_eq!(published.entry(0), expected);
        published.set_registry(std::slice::from_ref(&entry));
        assert_eq!((published.entry(0), published.entry(1)), (expected, Value::Null));
        assert!(!format!("{published:?}").contains("hunter2"));
    }
}
