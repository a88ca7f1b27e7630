//! What is known of every source and its servers. A source that is lost keeps its servers, marked stale.

use std::collections::HashMap;
use std::sync::Arc;

use health_spec::ecosystem::{SourceStatus, SourceView};
use health_spec::{ServerView, Snapshot};
use jiff::Timestamp;

use super::cursor::Place;

/// All sources, in the order in which they were given.
#[derive(Debug)]
pub(crate) struct View {
    sources: Vec<Followed>,
}

/// One source, as far as it is known.
#[derive(Debug)]
pub(crate) struct Followed {
    url: Option<String>,
    status: SourceStatus,
    /// The last event that has arrived.
    place: Option<Place>,
    /// The last event that the servers include; later than `place` while older events still arrive.
    included: u64,
    as_of: Option<Timestamp>,
    config_error: Option<String>,
    servers: Vec<Arc<ServerView>>,
    by_name: HashMap<String, usize>,
}

impl View {
    /// Nothing known yet. For each source its address, if it has one.
    pub(crate) fn new(urls: Vec<Option<String>>) -> Self {
        Self { sources: urls.into_iter().map(Followed::new).collect() }
    }

    /// The sources.
    pub(crate) fn sources(&self) -> &[Followed] {
        &self.sources
    }

    /// One source, to change it.
    pub(crate) fn source_mut(&mut self, source: usize) -> &mut Followed {
        &mut self.sources[source]
    }

    /// The servers of all sources.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &Arc<ServerView>> {
        self.sources.iter().flat_map(|source| &source.servers)
    }

    /// The events that the servers include. A client that is shown them has no need of earlier ones.
    pub(crate) fn present(&self) -> Vec<Option<Place>> {
        self.sources.iter().map(Followed::present).collect()
    }

    /// The events that have arrived.
    pub(crate) fn places(&self) -> Vec<Option<Place>> {
        self.sources.iter().map(|source| source.place.clone()).collect()
    }

    /// What a server goes by: its name, or `source/name` when another source has the same name.
    pub(crate) fn label(&self, source: usize, name: &str) -> String {
        let others = self.sources.iter().enumerate().filter(|(other, _)| *other != source);
        if others.into_iter().any(|(_, other)| other.by_name.contains_key(name)) {
            format!("{}/{name}", self.sources[source].name())
        } else {
            name.to_owned()
        }
    }
}

impl Followed {
    fn new(url: Option<String>) -> Self {
        Self {
            url,
            status: SourceStatus::Connecting,
            place: None,
            included: 0,
            as_of: None,
            config_error: None,
            servers: Vec::new(),
            by_name: HashMap::new(),
        }
    }

    /// Its instance name; its address until it has said one.
    pub(crate) fn name(&self) -> Arc<str> {
        match (&self.place, &self.url) {
            (Some(place), _) => Arc::clone(&place.source),
            (None, Some(url)) => url.as_str().into(),
            (None, None) => "embedded".into(),
        }
    }

    /// The last event that has arrived.
    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// The last event that its servers include.
    pub(crate) fn present(&self) -> Option<Place> {
        self.place.as_ref().map(|place| Place { seq: place.seq.max(self.included), ..place.clone() })
    }

    /// Whether its servers already include the event that arrived last.
    pub(crate) fn includes_last(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.seq <= self.included)
    }

    /// Whether it can be reached.
    pub(crate) fn status(&self) -> SourceStatus {
        self.status
    }

    /// Its servers.
    pub(crate) fn servers(&self) -> &[Arc<ServerView>] {
        &self.servers
    }

    /// One of its servers.
    pub(crate) fn server(&self, name: &str) -> Option<&ServerView> {
        self.by_name.get(name).map(|index| &*self.servers[*index])
    }

    /// As the ecosystem shows it.
    pub(crate) fn shown(&self) -> SourceView {
        SourceView {
            name: self.name().to_string(),
            url: self.url.clone(),
            status: self.status,
            epoch: self.place.as_ref().map(|place| place.epoch.to_string()),
            seq: self.present().map(|place| place.seq),
            as_of: self.as_of,
            stale: self.status == SourceStatus::Lost,
            config_error: self.config_error.clone(),
        }
    }

    /// Why it has rejected a changed configuration, or that it has not.
    pub(crate) fn set_config_error(&mut self, error: Option<String>) {
        self.config_error = error;
    }

    /// Takes everything; events after `since` follow.
    pub(crate) fn replace(&mut self, snapshot: Snapshot, since: u64, now: Timestamp) {
        self.arrive(Place { source: snapshot.source.into(), epoch: snapshot.epoch.into(), seq: since }, now);
        self.included = snapshot.seq;
        self.config_error = snapshot.config_error;
        self.servers = snapshot.servers.into_iter().map(|server| Arc::new(ServerView { stale: false, ..server })).collect();
        self.by_name = self.servers.iter().enumerate().map(|(index, server)| (server.name.clone(), index)).collect();
        self.status = SourceStatus::Connected;
    }

    /// An event has arrived.
    pub(crate) fn arrive(&mut self, place: Place, now: Timestamp) {
        if self.place.as_ref().is_none_or(|before| before.epoch != place.epoch || before.source != place.source) {
            self.included = 0;
        }
        self.place = Some(place);
        self.as_of = Some(now);
    }

    /// Takes one server as it is now.
    pub(crate) fn put(&mut self, view: ServerView) {
        let view = Arc::new(ServerView { stale: self.status == SourceStatus::Lost, ..view });
        if let Some(index) = self.by_name.get(&view.name) {
            self.servers[*index] = view;
        } else {
            self.by_name.insert(view.name.clone(), self.servers.len());
            self.servers.push(view);
        }
    }

    /// Forgets a server; the last one takes its place, so that the end of a large fleet costs no more than that of each.
    pub(crate) fn remove(&mut self, name: &str) {
        let Some(index) = self.by_name.remove(name) else { return };
        self.servers.swap_remove(index);
        if let Some(moved) = self.servers.get(index) {
            self.by_name.insert(moved.name.clone(), index);
        }
    }

    /// It cannot be reached: its servers stay as they were when it was last heard.
    pub(crate) fn lose(&mut self) {
        self.status = SourceStatus::Lost;
        for server in self.servers.iter_mut().map(Arc::make_mut) {
            server.stale = true;
            server.as_of = self.as_of.map_or(server.as_of, |heard| server.as_of.max(heard));
        }
    }
}

#[cfg(test)]
mod tests {
    use health_spec::status::Observed;

    use super::*;
    use crate::machine::sample;
    use crate::source::Frame;

    #[test]
    fn every_server_is_found_after_another_is_gone() {
        let mut view = View::new(vec![None]);
        let Frame::Snapshot(snapshot) = sample::snapshot(1, &["a", "b", "c", "d"]) else { panic!("a snapshot") };
        let source = view.source_mut(0);
        source.replace(*snapshot, 1, sample::at());
        for gone in ["b", "d", "nobody"] {
            source.remove(gone);
        }
        source.put(sample::server("a", Observed::Down));
        let found: Vec<_> = ["a", "b", "c", "d"].map(|name| source.server(name).map(|it| (it.name.as_str(), it.status))).into();
        assert_eq!(found, [Some(("a", Observed::Down)), None, Some(("c", Observed::Ok)), None]);
        assert_eq!(source.servers().len(), 2);
    }
}
