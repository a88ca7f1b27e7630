//! What has happened goes to the disk, then to everybody; what the disk refuses is kept and offered again.

use std::collections::{BTreeSet, HashSet};

use health_spec::{Event, EventKind, ServerView};

use super::Driver;
use crate::machine::{Happened, Mono, ServerId};
use crate::shell::causes::causes;
use crate::shell::clock::wall;
use crate::shell::incidents::Teller;
use crate::shell::journal::Logged;
use crate::shell::narrate::narrate;
use crate::shell::store::{Batch, Record, StoreError, Written};

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
        let concerned = happened.iter().filter_map(|it| it.server).chain(remembered.iter().copied());
        let changed: BTreeSet<usize> = concerned.map(|id| id.0).collect();
        let now = self.clock.now();
        for place in &changed {
            self.uptimes.happened(*place, &self.fleet.servers()[*place], now);
        }
        let is_change = |it: &Happened| !matches!(it.kind, EventKind::HealthCheckCompleted { .. });
        let durable = durable || !remembered.is_empty() || happened.iter().any(is_change);
        let events: Vec<(Event, String)> = happened.iter().map(|it| self.writer.write(it, &self.fleet, &self.clock)).collect();
        self.fold(&happened, &events);
        self.gather(&happened);
        let result = self.write(&events, &changed, durable).await;
        let views = changed.into_iter().map(|place| (place, self.view(place))).collect();
        self.say(events, views);
        match result {
            Ok(Some(trouble)) => self.log_is_behind(trouble).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// To the disk, with everything that it has refused so far. The answer is what is wrong with the JSONL log, if anything is.
    async fn write(
        &mut self,
        events: &[(Event, String)],
        changed: &BTreeSet<usize>,
        durable: bool,
    ) -> Result<Logged, StoreError> {
        let written: Vec<Written> = events.iter().map(written).collect();
        let book = &self.actions.collector.book;
        let incidents = book.unwritten();
        let result = if self.unwritten.may_try(self.clock.now()) {
            let batch = Batch { changed_incidents: incidents.clone(), ..self.batch(&written, changed) };
            self.journal.commit(batch, durable).await
        } else {
            Err(StoreError::Unwritten)
        };
        match &result {
            Ok(logged) => {
                book.written(&incidents);
                self.unwritten.clear();
                self.uptimes.saved(self.clock.now());
                self.is_written(logged.as_deref());
            }
            Err(StoreError::Unwritten) => self.unwritten.keep(written, changed),
            Err(error) => {
                self.unwritten.keep(written, changed);
                self.published.set_trouble(Some(format!("the state cannot be written: {}", causes(error))));
            }
        }
        result
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

    fn batch(&self, events: &[Written], changed: &BTreeSet<usize>) -> Batch {
        let (gone, live): (Vec<_>, Vec<_>) =
            changed.union(&self.unwritten.servers).copied().partition(|place| self.fleet.servers()[*place].is_retired());
        let servers = live.into_iter().map(|place| (self.name(place), self.state(place))).collect();
        // One that came back under the same name has another place.
        let names = if gone.is_empty() { HashSet::new() } else { self.live_names() };
        let gone = gone.into_iter().map(|place| self.name(place)).filter(|name| !names.contains(name.as_str()));
        Batch {
            now: self.clock.now(),
            incidents: self.fleet.incidents(),
            events: self.unwritten.events.iter().chain(events).cloned().collect(),
            servers,
            uptime: self
                .uptimes
                .changes()
                .filter(|(place, _)| !self.fleet.servers()[*place].is_retired())
                .map(|(place, changes)| (self.name(place), changes))
                .collect(),
            gone: self.unwritten.gone.iter().cloned().chain(gone).collect(),
            ..Batch::default()
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
        // What is refused is offered again with the next batch, which also says so.
        let _ = self.write(&events, &BTreeSet::new(), true).await;
        self.say(events, vec![]);
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
        let file = &self.files[place];
        let memory = self.fleet.memory(ServerId(place));
        Record { memory, history: file.history.clone(), last_check: file.last_check.clone() }
    }
}

/// About no server.
fn of_ours(kind: EventKind, at: Mono) -> Happened {
    Happened { at, server: None, kind, moment: None, phase: None, incident: None }
}

fn written((event, json): &(Event, String)) -> Written {
    Written { seq: event.seq, server_name: event.server_name.clone(), event_type: event.kind.name(), json: json.as_str().into() }
}
