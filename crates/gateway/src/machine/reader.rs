//! One stream client's place in the log. It has no queue of its own: what it has not read yet is in the log that
//! all clients share, and a client that falls out of the log is told so and given the present state.
//!
//! Invariant: a client is given every event after its places exactly once, in the order of each source, or a gap.

use std::cmp::Ordering;
use std::collections::VecDeque;

use health_spec::ecosystem::SourceStatus;

use super::cursor::{Place, Places};
use super::filter::Filter;
use super::log::{Entry, What};
use super::message::{self, Text};
use super::state::{State, missing};

/// A client's place, and what it asked to see.
#[derive(Debug)]
pub(crate) struct Reader {
    filter: Filter,
    /// What the client has, source by source.
    places: Vec<Option<Place>>,
    /// The number of the next entry to read.
    next: u64,
    /// Where the log ended when this client came.
    came_at: u64,
    /// The sources whose state the client was given when it came: older entries say nothing new of them.
    told: Vec<bool>,
    /// Places in sources that had not been heard when the client came.
    waiting: Vec<Place>,
    /// Gaps and present states that come before the next entry.
    pending: VecDeque<Pending>,
}

/// What comes before the next entry of the log.
#[derive(Debug)]
enum Pending {
    /// A gap to be told.
    Gap(Text),
    /// A server to be shown as it is when its turn comes.
    Server { source: usize, name: String },
}

/// Where an entry stands, seen from a client's place in the same source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Before it.
    Back,
    /// At it.
    Here,
    /// After it.
    Forward,
    /// In another life of the log.
    Elsewhere,
}

/// The cursor is ahead of a source's log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is ahead of the log of {source_name:?}: it names event {asked}, the last one is {last}")]
pub(crate) struct Ahead {
    source_name: String,
    asked: u64,
    last: u64,
}

impl Reader {
    /// Starts with the present state.
    pub(crate) fn present(state: &State, filter: Filter) -> Self {
        let mut reader = Self::new(state, filter, state.log.end());
        for source in 0..reader.places.len() {
            reader.refresh(state, source);
        }
        reader
    }

    /// Goes on after `cursor`.
    pub(crate) fn resume(state: &State, filter: Filter, cursor: Vec<Place>) -> Result<Self, Ahead> {
        let sources = state.view.sources();
        let mut reader = Self::new(state, filter, state.log.first());
        let mut unknown = cursor;
        for (index, source) in sources.iter().enumerate() {
            let Some(now) = source.present() else { continue };
            let same_log = |had: &Place| had.source == now.source && had.epoch == now.epoch;
            let found = unknown.iter().position(same_log).or_else(|| unknown.iter().position(|had| had.source == now.source));
            match found.map(|found| unknown.swap_remove(found)) {
                None => {
                    reader.told[index] = true;
                    reader.refresh(state, index);
                }
                Some(had) => reader.resume_source(state, index, had, source.status() == SourceStatus::Connected)?,
            }
        }
        if sources.iter().any(|source| source.place().is_none()) {
            reader.waiting = std::mem::take(&mut unknown);
        }
        for had in unknown {
            let gap = message::gap(&had.source, None, state.changed_at, &reader.places);
            reader.pending.push_front(Pending::Gap(gap));
        }
        Ok(reader)
    }

    fn new(state: &State, filter: Filter, next: u64) -> Self {
        let places = state.view.present();
        let told = vec![false; places.len()];
        Self { filter, places, next, came_at: state.log.end(), told, waiting: Vec::new(), pending: VecDeque::new() }
    }

    /// At most `limit` messages that are next; none when the client has everything.
    pub(crate) fn read(&mut self, state: &State, limit: usize) -> Vec<Text> {
        if self.next < state.log.first() {
            self.start_over(state);
        }
        let mut texts = Vec::new();
        while texts.len() < limit {
            if let Some(pending) = self.pending.pop_front() {
                texts.extend(self.show(state, pending));
            } else if let Some(entry) = state.log.get(self.next) {
                self.next += 1;
                texts.extend(self.take(state, entry, self.next <= self.came_at));
            } else {
                break;
            }
        }
        texts
    }

    fn resume_source(&mut self, state: &State, source: usize, had: Place, connected: bool) -> Result<(), Ahead> {
        let Some(now) = state.view.sources()[source].present() else { return Ok(()) };
        let same_log = had.epoch == now.epoch && had.source == now.source;
        // A source that is lost may well have gone on: another gateway has heard more than this one.
        if same_log && had.seq > now.seq && connected {
            return Err(Ahead { source_name: had.source.to_string(), asked: had.seq, last: now.seq });
        }
        let held = state.log.floor(source).is_some_and(|floor| floor.epoch == had.epoch && floor.seq <= had.seq);
        if same_log && held {
            self.places[source] = Some(had);
        } else {
            self.told[source] = true;
            self.miss(state, source, &had);
        }
        Ok(())
    }

    /// A source is heard for the first time since the client came.
    fn meet(&mut self, state: &State, source: usize) {
        let Some(now) = state.view.sources()[source].present() else { return };
        let found = self.waiting.iter().position(|had| had.source == now.source);
        self.places[source] = Some(now);
        let Some(had) = found.map(|found| self.waiting.swap_remove(found)) else { return self.refresh(state, source) };
        if self.resume_source(state, source, had.clone(), true).is_err() {
            self.miss(state, source, &had);
        }
    }

    /// The client fell out of the log.
    fn start_over(&mut self, state: &State) {
        self.pending.clear();
        self.next = state.log.end();
        let had = std::mem::replace(&mut self.places, state.view.present());
        for (source, had) in had.into_iter().enumerate() {
            match had {
                Some(had) if self.places[source].as_ref() != Some(&had) => self.miss(state, source, &had),
                _ => self.refresh(state, source),
            }
        }
    }

    /// The client cannot be given what followed `had`: it is told, and sees the present state instead.
    fn miss(&mut self, state: &State, source: usize, had: &Place) {
        let Some(now) = &self.places[source] else { return };
        let gap = message::gap(&now.source, missing(had, now), state.changed_at, &self.places);
        self.pending.push_back(Pending::Gap(gap));
        self.refresh(state, source);
    }

    fn refresh(&mut self, state: &State, source: usize) {
        self.pending.retain(|pending| !matches!(pending, Pending::Server { source: other, .. } if *other == source));
        let servers = state.view.sources()[source].servers();
        self.pending.extend(servers.iter().map(|server| Pending::Server { source, name: server.name.clone() }));
    }

    fn show(&self, state: &State, pending: Pending) -> Option<Text> {
        match pending {
            Pending::Gap(text) => Some(text.with_cursor(&self.places)),
            Pending::Server { source, name } => {
                let followed = &state.view.sources()[source];
                let server = followed.server(&name)?;
                let shown = self.filter.shows(&followed.name(), &name, server.status);
                shown.then(|| message::current(server, &state.view.label(source, &name), &self.places))
            }
        }
    }

    /// What an entry of the log means for this client.
    fn take(&mut self, state: &State, entry: &Entry, catching_up: bool) -> Option<Text> {
        let source = entry.source;
        if catching_up && self.told[source] {
            return None;
        }
        if self.places[source].is_none() {
            self.meet(state, source);
        }
        let step = step(self.places[source].as_ref(), entry.places[source].as_ref());
        match step {
            Step::Elsewhere if catching_up => return None,
            Step::Elsewhere | Step::Forward => self.places[source].clone_from(&entry.places[source]),
            Step::Here | Step::Back => {}
        }
        let new = matches!(step, Step::Elsewhere | Step::Forward);
        match &entry.what {
            What::Event(message) if new => self.filter.shows_event(message).then(|| self.own(&message.text, &entry.places)),
            What::Gap(text) if new => Some(self.own(text, &entry.places)),
            What::Refresh if step != Step::Back || !catching_up => {
                self.refresh(state, source);
                None
            }
            _ => None,
        }
    }

    /// The message with this client's cursor, which differs from the log's only while it catches up.
    fn own(&self, text: &Text, places: &Places) -> Text {
        if *self.places == *places { text.clone() } else { text.with_cursor(&self.places) }
    }
}

fn step(had: Option<&Place>, place: Option<&Place>) -> Step {
    match (had, place) {
        (_, None) => Step::Here,
        (Some(had), Some(place)) if had.epoch == place.epoch && had.source == place.source => match place.seq.cmp(&had.seq) {
            Ordering::Less => Step::Back,
            Ordering::Equal => Step::Here,
            Ordering::Greater => Step::Forward,
        },
        _ => Step::Elsewhere,
    }
}

#[cfg(test)]
mod tests;
