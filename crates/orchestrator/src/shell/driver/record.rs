//! What has happened goes to the disk, then to everybody; what the disk refuses is kept and offered again.

use std::collections::{BTreeSet, HashSet};

use health_spec::{Event, EventKind, ServerView};

use super::Driver;
use crate::machine::{Happened, Mono, ServerId};
use crate::shell::causes::causes;
use crate::shell::clock::wall;
use crate::shell::incidents::{Row, Teller};
use crate::shell::journal::{Answer, Logged, answered};
use crate::shell::narrate::narrate;
use crate::shell::server_file::ServerFile;
use crate::shell::store::{Batch, Record, StoreError, Written};

/// What has happened: numbered, folded, and as everyone will see it.
#[derive(Debug)]
pub(super) struct Told {
    /// The first moment of it.
    pub(super) since: Mono,
    events: Vec<(Event, String)>,
    written: Vec<Written>,
    places: BTreeSet<usize>,
    views: Vec<(usize, Option<ServerView>)>,
    incidents: Vec<Row>,
    /// It is worth offering now.
    is_due: bool,
}

impl Told {
    /// These look otherwise by now: nobody is to see them as they were.
    pub(super) fn see(&mut self, views: &[(usize, Option<ServerView>)]) {
        for (place, view) in views {
            if let Some((_, known)) = self.views.iter_mut().find(|(known, _)| known == place) {
                known.clone_from(view);
            }
        }
    }

    /// The servers concerned.
    pub(super) fn changed(&self) -> Vec<ServerId> {
        self.places.iter().copied().map(ServerId).collect()
    }
}

impl Driver {
    /// `Err` when it did not reach the disk. Published it is in any case: an unwritable disk must not hide a failure.
    pub(super) async fn record(
        &mut self,
        happened: Vec<Happened>,
        remembered: &[ServerId],
        durable: bool,
    ) -> Result<(), StoreError> {
        if happened.is_empty() && remembered.is_empty() && self.uptimes.is_saved() {
            return self.unwritten.as_before();
        }
        let is_change = |it: &Happened| !matches!(it.kind, EventKind::HealthCheckCompleted { .. });
        let durable = durable || !remembered.is_empty() || happened.iter().any(is_change);
        let told = self.tell(&happened, remembered);
        let result = self.write(&told, durable).await;
        self.publish(told, result).await
    }

    /// Gives it numbers, and whoever keeps books hears of it.
    pub(super) fn tell(&mut self, happened: &[Happened], remembered: &[ServerId]) -> Told {
        let now = self.clock.now();
        let concerned = happened.iter().filter_map(|it| it.server).chain(remembered.iter().copied());
        let places: BTreeSet<usize> = concerned.map(|id| id.0).collect();
        for place in &places {
            self.uptimes.happened(*place, &self.fleet.servers()[*place], now);
        }
        let events: Vec<(Event, String)> = happened.iter().map(|it| self.writer.write(it, &self.fleet, &self.clock)).collect();
        self.fold(happened, &events);
        self.gather(happened);
        let is_due = self.unwritten.may_try(now);
        Told {
            since: happened.iter().map(|it| it.at).min().unwrap_or(now),
            written: events.iter().map(written).collect(),
            events,
            views: places.iter().map(|place| (*place, self.view(*place))).collect(),
            places,
            // There may be many: they are gathered for whoever takes them.
            incidents: if is_due { self.actions.collector.book.unwritten() } else { vec![] },
            is_due,
        }
    }

    async fn write(&mut self, told: &Told, durable: bool) -> Result<Logged, StoreError> {
        let mut answer = self.offer(told, durable).await?;
        answered(&mut answer).await
    }

    /// To the disk, with everything that it has refused so far. The answer is what is wrong with the JSONL log, if anything is.
    pub(super) async fn offer(&mut self, told: &Told, durable: bool) -> Result<Answer, StoreError> {
        if !told.is_due {
            return Err(StoreError::Unwritten);
        }
        self.journal.begin(self.batch(told), durable).await
    }

    /// Everybody hears of it, and of what the disk has said.
    pub(super) async fn publish(&mut self, told: Told, result: Result<Logged, StoreError>) -> Result<(), StoreError> {
        match &result {
            Ok(logged) => {
                self.actions.collector.book.written(&told.incidents);
                self.unwritten.clear();
                self.uptimes.saved(self.clock.now());
                self.is_written(logged.as_deref());
            }
            Err(error) => {
                self.unwritten.keep(told.written, &told.places);
                if !matches!(error, StoreError::Unwritten) {
                    self.actions.collector.book.bound();
                    self.published.set_trouble(Some(format!("the state cannot be written: {}", causes(error))));
                }
            }
        }
        self.say(told.events, told.views);
        match result? {
            Some(trouble) => self.log_is_behind(trouble).await,
            None => Ok(()),
        }
    }

    fn is_written(&mut self, log_trouble: Option<&str>) {
        if log_trouble.is_none() {
            self.unwritten.log_falls_behind(false);
            if self.published.trouble().is_some() {
                tracing::info!("everything is on disk again");
            }
        }
        self.published.set_trouble(log_trouble.map(|trouble| format!("the event log is behind: {trouble}")));
    }

    fn batch(&self, told: &Told) -> Batch {
        let changed = told.places.union(&self.unwritten.servers).copied();
        let (gone, live): (Vec<_>, Vec<_>) = changed.partition(|place| self.fleet.servers()[*place].is_retired());
        let servers = live.into_iter().map(|place| (self.name(place), self.state(place))).collect();
        // One that came back under the same name has another place.
        let names = if gone.is_empty() { HashSet::new() } else { self.live_names() };
        let gone = gone.into_iter().map(|place| self.name(place)).filter(|name| !names.contains(name.as_str()));
        Batch {
            now: self.clock.now(),
            incidents: self.fleet.incidents(),
            events: self.unwritten.events.iter().chain(&told.written).cloned().collect(),
            servers,
            uptime: self.uptimes.changes().map(|(place, changes)| (self.name(place), changes)).collect(),
            gone: self.unwritten.gone.iter().cloned().chain(gone).collect(),
            changed_incidents: told.incidents.clone(),
        }
    }

    /// Said once: the database has the events, and the log is mended from it as soon as it can be written again.
    async fn log_is_behind(&mut self, error: String) -> Result<(), StoreError> {
        if !self.unwritten.log_falls_behind(true) {
            return Ok(());
        }
        let kind = EventKind::MonitorImpaired { reason: "log".to_owned(), error };
        Box::pin(self.record(vec![of_ours(kind, self.clock.now())], &[], true)).await
    }

    fn say(&self, events: Vec<(Event, String)>, views: Vec<(usize, Option<ServerView>)>) {
        for (event, _) in &events {
            narrate(event);
            self.metrics.count(event);
        }
        self.published.publish(events, views, wall());
    }

    /// Closes what is open of servers that are no longer registered. A child of theirs is left running.
    pub(super) async fn say_gone(&mut self) {
        let gone = std::mem::take(&mut self.gone);
        if gone.is_empty() {
            return;
        }
        let clock = self.clock;
        let events: Vec<_> = gone.iter().map(|(name, incident)| self.writer.write_gone(name, *incident, &clock)).collect();
        self.unwritten.gone = gone.into_iter().map(|(name, _)| name).collect();
        for (event, _) in &events {
            self.actions.collector.book.fold(event, Teller::default);
        }
        let incidents = self.actions.collector.book.unwritten();
        let written = events.iter().map(written).collect();
        let (places, is_due) = (BTreeSet::new(), self.unwritten.may_try(clock.now()));
        let told = Told { since: clock.now(), events, written, places, views: vec![], incidents, is_due };
        // What is refused is offered again with the next batch, which also says so.
        let result = self.write(&told, true).await;
        let _ = self.publish(told, result).await;
    }

    pub(super) async fn say_stopped(&mut self) {
        let now = self.clock.now();
        self.uptimes.minute(now);
        let mut written = self.record(vec![of_ours(EventKind::MonitorStopped, now)], &[], true).await;
        while written.is_ok() && !self.uptimes.is_saved() {
            written = self.record(vec![], &[], true).await;
        }
        if let Err(error) = written {
            tracing::error!(error = &error as &dyn std::error::Error, "the last events are not on disk");
        }
    }

    fn live_names(&self) -> HashSet<&str> {
        let live = self.fleet.servers().iter().filter(|server| !server.is_retired());
        live.map(|server| server.policy().name.as_str()).collect()
    }

    pub(super) fn name(&self, place: usize) -> String {
        self.fleet.servers()[place].policy().name.clone()
    }

    pub(super) fn state(&self, place: usize) -> Record {
        let memory = self.fleet.memory(ServerId(place));
        let ServerFile { history, last_check, aim, end, .. } = &self.files[place];
        let (history, last_check) = (history.clone(), last_check.clone());
        Record { memory, history, last_check, aim: aim.clone(), end: end.clone() }
    }
}

/// About no server.
fn of_ours(kind: EventKind, at: Mono) -> Happened {
    Happened { at, server: None, kind, moment: None, phase: None, incident: None }
}

fn written((event, json): &(Event, String)) -> Written {
    Written { seq: event.seq, server_name: event.server_name.clone(), event_type: event.kind.name(), json: json.as_str().into() }
}
