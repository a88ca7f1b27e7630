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
mod tests {
    use health_spec::status::Observed;
    use serde_json::Value;

    use super::*;
    use crate::machine::cursor;
    use crate::machine::sample::{at, lost, said, snapshot};
    use crate::source::Frame;

    fn state(frames: impl IntoIterator<Item = Frame>) -> State {
        let mut state = State::with_capacity(vec![None], at(), 8);
        frames.into_iter().for_each(|frame| state.fold(0, frame, at()));
        state
    }

    fn ok(seq: u64) -> Frame {
        said(seq, "a", Observed::Ok)
    }

    /// `current`, `gap FROM-TO` or `SEQ` for each message.
    fn read(reader: &mut Reader, state: &State) -> Vec<String> {
        let texts = reader.read(state, 100);
        let json = texts.iter().map(|text| serde_json::from_slice::<Value>(&text.json()).expect("JSON"));
        json.map(|json| match json["event_type"].as_str() {
            Some("current") => "current".to_owned(),
            Some("gap") => format!("gap {}-{}", json["from"], json["to"]),
            _ => json["seq"].to_string(),
        })
        .collect()
    }

    fn resume(state: &State, cursor: &str) -> Result<Reader, Ahead> {
        Reader::resume(state, Filter::default(), cursor::decode(cursor).expect("a cursor"))
    }

    #[test]
    fn a_new_client_sees_the_present_then_each_event() {
        let mut state = state([snapshot(3, &["a", "b"]), ok(4)]);
        let mut reader = Reader::present(&state, Filter::default());
        assert_eq!(read(&mut reader, &state), ["current", "current"]);
        state.fold(0, ok(5), at());
        state.fold(0, ok(5), at());
        state.fold(0, ok(6), at());
        assert_eq!(read(&mut reader, &state), ["5", "6"]);
        assert_eq!(read(&mut reader, &state), [""; 0]);
    }

    #[test]
    fn resuming_loses_and_doubles_nothing() {
        let state = state([snapshot(3, &["a"]), ok(4), ok(5), ok(6)]);
        for (cursor, expected) in [
            ("1.s.e.6", vec![]),
            ("1.s.e.4", vec!["5", "6"]),
            ("1.s.e.3", vec!["current", "4", "5", "6"]),
            ("1.s.e.2", vec!["gap 3-6", "current"]),
            ("1.s.old.5", vec!["gap null-null", "current"]),
            ("1", vec!["current"]),
        ] {
            let mut reader = resume(&state, cursor).expect("a place");
            assert_eq!(read(&mut reader, &state), expected, "{cursor}");
        }
        assert!(resume(&state, "1.s.e.7").is_err(), "ahead of the log");
        let mut reader = resume(&state, "1.other.e.7").expect("a place");
        assert_eq!(read(&mut reader, &state), ["gap null-null", "current"], "a source that is not followed");
    }

    #[test]
    fn a_client_that_falls_out_of_the_log_is_told() {
        let mut state = state([snapshot(0, &["a"])]);
        let mut reader = Reader::present(&state, Filter::default());
        assert_eq!(read(&mut reader, &state), ["current"]);
        (1..=20).for_each(|seq| state.fold(0, ok(seq), at()));
        assert_eq!(read(&mut reader, &state), ["gap 1-20", "current"]);
        state.fold(0, ok(21), at());
        assert_eq!(read(&mut reader, &state), ["21"]);
    }

    #[test]
    fn a_hole_in_the_numbers_is_told() {
        let mut state = state([snapshot(3, &["a"])]);
        let mut reader = Reader::present(&state, Filter::default());
        read(&mut reader, &state);
        state.fold(0, ok(6), at());
        assert_eq!(read(&mut reader, &state), ["gap 4-5", "current", "6"]);
        assert_eq!(read(&mut resume(&state, "1.s.e.3").expect("a place"), &state), ["gap 4-6", "current"]);
        assert_eq!(read(&mut resume(&state, "1.s.e.5").expect("a place"), &state), ["current", "6"]);
    }

    #[test]
    fn a_source_that_is_lost_and_comes_back_shows_its_servers_again() {
        let mut state = state([snapshot(3, &["a"]), ok(4)]);
        let mut reader = Reader::present(&state, Filter::default());
        read(&mut reader, &state);
        state.fold(0, lost(), at());
        state.fold(0, lost(), at());
        assert_eq!(read(&mut reader, &state), ["current"]);
        state.fold(0, snapshot(4, &["a"]), at());
        state.fold(0, ok(5), at());
        assert_eq!(read(&mut reader, &state), ["current", "5"]);
    }

    #[test]
    fn a_new_life_of_the_log_is_a_gap() {
        let mut state = state([snapshot(3, &["a"]), ok(4)]);
        let mut reader = Reader::present(&state, Filter::default());
        read(&mut reader, &state);
        let Frame::Snapshot(mut second) = snapshot(1, &["a"]) else { panic!("a snapshot") };
        second.epoch = "second".into();
        state.fold(0, Frame::Snapshot(second), at());
        assert_eq!(read(&mut reader, &state), ["gap null-null", "current"]);
        assert_eq!(read(&mut resume(&state, "1.s.e.4").expect("a place"), &state), ["gap null-null", "current"]);
        assert_eq!(read(&mut resume(&state, "1.s.second.1").expect("a place"), &state), ["current"]);
    }

    #[test]
    fn a_cursor_of_another_gateway_resumes_each_source_on_its_own() {
        let mut state = State::new(vec![None, None], at());
        let other = |frame: Frame| match frame {
            Frame::Snapshot(mut snapshot) => {
                snapshot.source = "t".into();
                Frame::Snapshot(snapshot)
            }
            Frame::Event { mut event, view } => {
                event.source = "t".into();
                Frame::Event { event, view }
            }
            frame => frame,
        };
        state.fold(0, snapshot(0, &["a"]), at());
        state.fold(1, other(snapshot(0, &["b"])), at());
        for seq in 1..=3 {
            state.fold(0, ok(seq), at());
            state.fold(1, other(said(seq, "b", Observed::Ok)), at());
        }
        let mut reader = resume(&state, "1.s.e.1.t.e.3").expect("a place");
        let texts = reader.read(&state, 100);
        let cursors: Vec<_> = texts.iter().map(|text| String::from_utf8_lossy(text.cursor()).into_owned()).collect();
        assert_eq!(cursors, ["1.s.e.2.t.e.3", "1.s.e.3.t.e.3"]);
    }

    fn joined(seq: u64, since: u64) -> Frame {
        let Frame::Snapshot(snapshot) = snapshot(seq, &["a"]) else { panic!("a snapshot") };
        Frame::Joined { snapshot, since }
    }

    #[test]
    fn events_from_before_a_snapshot_are_for_those_who_resume() {
        let mut state = state([]);
        let mut early = Reader::present(&state, Filter::default());
        let mut waiting = resume(&state, "1.s.e.3").expect("a place");
        let mut too_old = resume(&state, "1.s.e.1").expect("a place");
        assert_eq!(read(&mut waiting, &state), [""; 0]);
        state.fold(0, joined(5, 2), at());
        state.fold(0, ok(3), at());
        let mut midway = Reader::present(&state, Filter::default());
        assert!(resume(&state, "1.s.e.5").is_ok(), "not ahead");
        (4..=6).for_each(|seq| state.fold(0, ok(seq), at()));
        assert_eq!(read(&mut waiting, &state), ["current", "4", "5", "6"]);
        assert_eq!(read(&mut early, &state), ["current"], "it is shown what it meets");
        assert_eq!(read(&mut too_old, &state), ["gap 2-6", "current"]);
        assert_eq!(read(&mut midway, &state), ["current", "6"]);
        assert_eq!(read(&mut resume(&state, "1.s.e.4").expect("a place"), &state), ["5", "6"]);
    }

    #[test]
    fn a_snapshot_knows_better_than_the_events_before_it() {
        let mut state = state([joined(5, 2), said(3, "a", Observed::Down), said(4, "b", Observed::Ok)]);
        let shown: Vec<_> = state.view.servers().map(|server| (server.name.clone(), server.status)).collect();
        assert_eq!(shown, [("a".to_owned(), Observed::Ok)]);
        (5..=6).for_each(|seq| state.fold(0, said(seq, "a", Observed::Down), at()));
        assert_eq!(state.view.servers().next().map(|server| server.status), Some(Observed::Down));
    }

    #[test]
    fn a_lost_source_may_have_told_another_gateway_more() {
        let mut state = state([snapshot(3, &["a"]), lost()]);
        let mut reader = resume(&state, "1.s.e.5").expect("a place");
        state.fold(0, snapshot(3, &["a"]), at());
        (4..=6).for_each(|seq| state.fold(0, ok(seq), at()));
        let seen = read(&mut reader, &state);
        assert_eq!(seen.iter().filter(|message| *message != "current").collect::<Vec<_>>(), ["6"]);
    }
}
