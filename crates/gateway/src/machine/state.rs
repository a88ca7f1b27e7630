//! The fold: what a source says becomes what is known and what clients are told.
//!
//! Invariant: places only move forward within an epoch, and every event between two places is either in the log
//! or told as a gap.

use health_spec::ecosystem::SourceStatus;
use health_spec::{Event, EventKind, ServerView, Snapshot};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::cursor::Place;
use super::log::{Entry, Log, What};
use super::message;
use super::view::View;
use crate::source::Frame;

/// How many events clients can resume over; at a few hundred bytes each some 10 MB.
const KEPT: usize = 20_000;

/// What is known, and what clients are told.
#[derive(Debug)]
pub(crate) struct State {
    /// What is known.
    pub(crate) view: View,
    /// What clients are told.
    pub(crate) log: Log,
    /// One more for each change.
    pub(crate) version: u64,
    /// When the last change came.
    pub(crate) changed_at: Timestamp,
}

impl State {
    /// Nothing known yet. For each source its address, if it has one.
    pub(crate) fn new(urls: Vec<Option<String>>, now: Timestamp) -> Self {
        Self::with_capacity(urls, now, KEPT)
    }

    /// As [`State::new`], with a log of so many entries.
    pub(crate) fn with_capacity(urls: Vec<Option<String>>, now: Timestamp, capacity: usize) -> Self {
        let log = Log::new(urls.len(), capacity);
        Self { view: View::new(urls), log, version: 0, changed_at: now }
    }

    /// Takes what `source` said.
    pub(crate) fn fold(&mut self, source: usize, frame: Frame, now: Timestamp) {
        match frame {
            Frame::Snapshot(snapshot) => self.take_snapshot(source, snapshot.seq, *snapshot, now),
            Frame::Joined { snapshot, since } => self.take_snapshot(source, since, *snapshot, now),
            Frame::Event { event, view } => {
                if let Ok(Value::Object(fields)) = serde_json::to_value(&event) {
                    self.take_event(source, &event, fields, view, now);
                }
            }
            Frame::Verbatim { event, fields, view } => self.take_event(source, &event, fields, view, now),
            Frame::Lost { .. } => self.lose(source),
        }
        self.version += 1;
        self.changed_at = now;
    }

    fn take_snapshot(&mut self, source: usize, since: u64, snapshot: Snapshot, now: Timestamp) {
        let before = self.view.sources()[source].place().cloned();
        self.view.source_mut(source).replace(snapshot, since, now);
        let after = self.view.sources()[source].place().cloned();
        if before != after {
            self.say_missing(source, before.as_ref(), after.as_ref(), now);
        }
        self.tell(source, What::Refresh);
    }

    fn take_event(
        &mut self,
        source: usize,
        event: &Event,
        fields: Map<String, Value>,
        view: Option<Box<ServerView>>,
        now: Timestamp,
    ) {
        let place = Place { source: event.source.as_str().into(), epoch: event.epoch.as_str().into(), seq: event.seq };
        let before = self.view.sources()[source].place().cloned();
        let same_log = before.as_ref().is_some_and(|before| before.source == place.source && before.epoch == place.epoch);
        let last = before.as_ref().filter(|_| same_log).map_or(0, |before| before.seq);
        if same_log && place.seq <= last {
            return;
        }
        if !same_log || place.seq > last + 1 {
            let reached = Place { seq: place.seq.saturating_sub(1), ..place.clone() };
            self.view.source_mut(source).arrive(reached.clone(), now);
            self.say_missing(source, before.as_ref(), Some(&reached), now);
            self.tell(source, What::Refresh);
        }
        self.view.source_mut(source).arrive(place, now);
        match &event.server_name {
            Some(name) => self.tell_event(source, event, name, fields, view),
            None => self.tell_of_source(source, event),
        }
    }

    fn tell_of_source(&mut self, source: usize, event: &Event) {
        match &event.kind {
            EventKind::ConfigRejected { error } => self.view.source_mut(source).set_config_error(Some(error.clone())),
            EventKind::ConfigReloaded { .. } => self.view.source_mut(source).set_config_error(None),
            _ => {}
        }
        self.tell(source, What::Nothing);
    }

    fn tell_event(
        &mut self,
        source: usize,
        event: &Event,
        name: &str,
        fields: Map<String, Value>,
        view: Option<Box<ServerView>>,
    ) {
        let label = self.view.label(source, name);
        let known = self.view.sources()[source].server(name).map(|server| server.status);
        let status = match event.kind {
            EventKind::StatusChanged { status, .. } => status,
            _ => view.as_ref().map(|view| view.status).or(known).unwrap_or_default(),
        };
        if self.view.sources()[source].includes_last() {
            // The snapshot knows better.
        } else if event.kind == EventKind::ServerDeregistered {
            self.view.source_mut(source).remove(name);
        } else if let Some(view) = view {
            self.view.source_mut(source).put(*view);
        }
        let message = message::event(event, fields, &label, status, &self.view.places());
        self.tell(source, What::Event(message));
    }

    fn lose(&mut self, source: usize) {
        if self.view.sources()[source].status() != SourceStatus::Lost {
            self.view.source_mut(source).lose();
            self.tell(source, What::Refresh);
        }
    }

    /// The source's log goes on at `after`; what lies between cannot be given.
    fn say_missing(&mut self, source: usize, before: Option<&Place>, after: Option<&Place>, now: Timestamp) {
        let Some(after) = after else { return };
        self.log.start_over(source, after.clone());
        let Some(before) = before else { return };
        let missing = missing(before, after);
        let gap = message::gap(&after.source, missing, now, &self.view.places());
        self.tell(source, What::Gap(gap));
    }

    fn tell(&mut self, source: usize, what: What) {
        self.log.push(Entry { source, places: self.view.places().into(), what });
    }
}

/// The first and the last event between two places, when they are in the same log.
pub(crate) fn missing(before: &Place, after: &Place) -> Option<(u64, u64)> {
    (before.source == after.source && before.epoch == after.epoch && before.seq < after.seq).then(|| (before.seq + 1, after.seq))
}
