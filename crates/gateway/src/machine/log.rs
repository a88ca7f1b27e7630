//! The last events of all sources in the order in which this gateway heard them, so that clients can resume and
//! each can read at its own pace. Bounded: the oldest entry makes room for the newest.

use std::collections::VecDeque;
use std::sync::Arc;

use super::cursor::{Place, Places};
use super::message::{Message, Text};

/// One thing that clients are told.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The source concerned.
    pub(crate) source: usize,
    /// Where a client is that has been told this.
    pub(crate) places: Arc<Places>,
    /// What.
    pub(crate) what: What,
}

/// What clients are told.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// An event that concerns a server.
    Event(Message),
    /// Events of the source were lost before they came here.
    Gap(Text),
    /// Nothing: an event that concerns no server has moved the place.
    Nothing,
    /// Everything known of the source may have changed at once.
    Refresh,
}

/// The last entries.
#[derive(Debug)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    /// The number of the oldest entry.
    first: u64,
    capacity: usize,
    /// For each source: every event after this one is in the log.
    floors: Vec<Option<Place>>,
}

impl Log {
    /// An empty log for so many sources.
    pub(crate) fn new(sources: usize, capacity: usize) -> Self {
        Self { entries: VecDeque::new(), first: 0, capacity, floors: vec![None; sources] }
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: Entry) {
        if self.entries.len() >= self.capacity {
            self.evict();
        }
        self.entries.push_back(entry);
    }

    /// Nothing of the source up to `place` can be given any more.
    pub(crate) fn start_over(&mut self, source: usize, place: Place) {
        self.floors[source] = Some(place);
    }

    /// The event after which the source's events are all here.
    pub(crate) fn floor(&self, source: usize) -> Option<&Place> {
        self.floors[source].as_ref()
    }

    /// The number of the oldest entry.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next entry will have.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// An entry, unless it is gone or yet to come.
    pub(crate) fn get(&self, number: u64) -> Option<&Entry> {
        let index = number.checked_sub(self.first)?;
        self.entries.get(usize::try_from(index).ok()?)
    }

    fn evict(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        self.first += 1;
        let place = entry.places[entry.source].clone();
        let floor = &mut self.floors[entry.source];
        let newer = match (&place, &*floor) {
            (Some(place), Some(floor)) => place.epoch == floor.epoch && place.seq > floor.seq,
            _ => false,
        };
        if newer {
            *floor = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(epoch: &str, seq: u64) -> Place {
        Place { source: "s".into(), epoch: epoch.into(), seq }
    }

    fn entry(epoch: &str, seq: u64) -> Entry {
        Entry { source: 0, places: vec![Some(place(epoch, seq))].into(), what: What::Refresh }
    }

    #[test]
    fn the_oldest_makes_room_and_lifts_the_floor() {
        let mut log = Log::new(1, 2);
        log.start_over(0, place("e", 4));
        for seq in 5..=8 {
            log.push(entry("e", seq));
        }
        assert_eq!((log.first(), log.end()), (2, 4));
        assert!(log.get(1).is_none() && log.get(2).is_some() && log.get(4).is_none());
        assert_eq!(log.floor(0), Some(&place("e", 6)));
    }

    #[test]
    fn entries_of_an_old_epoch_leave_the_floor_alone() {
        let mut log = Log::new(1, 1);
        log.push(entry("old", 90));
        log.start_over(0, place("new", 3));
        log.push(entry("new", 4));
        assert_eq!(log.floor(0), Some(&place("new", 3)));
    }
}
