//! What has been published: the present view of every server, and the stream of events that continues it.
//!
//! A subscriber takes both under one lock, so that nothing is missed between them and nothing comes twice.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use health_spec::view::Uptime;
use health_spec::{Event, ServerView, Snapshot};
use jiff::Timestamp;
use tokio::sync::broadcast;

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
    views: Vec<Arc<ServerView>>,
    places: HashMap<String, usize>,
}

impl Published {
    /// Begins after event `seq` with these views.
    pub fn new(known: Known, seq: u64, as_of: Timestamp, views: Vec<ServerView>) -> Self {
        let places = views.iter().enumerate().map(|(place, view)| (view.name.clone(), place)).collect();
        let views = views.into_iter().map(Arc::new).collect();
        let now = RwLock::new(Present { seq, as_of, views, places });
        Self { known, now, said: broadcast::Sender::new(BACKLOG), trouble: RwLock::default() }
    }

    /// The instance's name and its log's epoch.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Everything, as of one event.
    pub fn snapshot(&self) -> Snapshot {
        self.read(|now| self.snapshot_of(now))
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
        self.read(|now| (self.snapshot_of(now), self.said.subscribe()))
    }

    /// One server's place in the fleet, and its view.
    pub fn server(&self, name: &str) -> Option<(usize, Arc<ServerView>)> {
        self.read(|now| now.places.get(name).map(|place| (*place, Arc::clone(&now.views[*place]))))
    }

    /// Publishes events that are on disk, with the views of the servers that changed.
    pub fn publish(&self, events: Vec<(Event, String)>, changed: Vec<(usize, ServerView)>, as_of: Timestamp) {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        for (place, view) in changed {
            now.views[place] = Arc::new(view);
        }
        now.as_of = as_of;
        for (event, json) in events {
            now.seq = event.seq;
            let place = event.server_name.as_ref().and_then(|name| now.places.get(name).copied());
            let view = place.map(|place| Arc::clone(&now.views[place]));
            // An error means that nobody listens.
            let _ = self.said.send(Said { event: Arc::new(event), json: json.into(), view });
        }
    }

    /// Brings every server's uptime up to date. No event says so: time passes by itself.
    pub fn refresh(&self, uptime: impl Fn(usize) -> Uptime) {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        for (place, view) in now.views.iter_mut().enumerate() {
            Arc::make_mut(view).uptime = uptime(place);
        }
    }

    fn read<T>(&self, look: impl FnOnce(&Present) -> T) -> T {
        look(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn snapshot_of(&self, now: &Present) -> Snapshot {
        Snapshot {
            source: self.known.source.clone(),
            epoch: self.known.epoch.clone(),
            seq: now.seq,
            timestamp: now.as_of,
            servers: now.views.iter().map(|view| ServerView::clone(view)).collect(),
        }
    }
}
