//! What is known about one container, and what an event or a look at it adds: a pure fold.
//!
//! It tells what we did from what others did. Whether it matters is the machine's to say.

use super::event::{Act, Happening};
use crate::machine::{Death, Word};

/// Signals that end a process unless it has other plans: INT, QUIT, KILL, TERM.
const ENDING: [i32; 4] = [2, 3, 9, 15];

/// One registered container.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The name or id in the registry.
    wanted: String,
    /// Whether that is the name: then a container recreated under it is followed.
    by_name: bool,
    id: String,
    stop_signal: Option<i32>,
    comes_back: ComesBack,
    known: Option<Known>,
    oom: bool,
    action: Option<Action>,
    /// When a restart of an earlier run of ours is over for certain, in nanoseconds since 1970.
    open_until: Option<i64>,
    seen: u64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    running: bool,
    /// Since when, in nanoseconds since 1970: whatever happened before then is no news.
    since: i64,
}

/// A restart of ours, as its events come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// How far it was seen to be.
    pub stage: Stage,
    /// The action has ended, and its events are still to come.
    late: bool,
}

/// How far a restart of ours is; a container that did not run is not stopped first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing has been seen.
    Begun,
    /// Its stop was seen.
    Stopped,
    /// Its start was seen: whatever comes now is not ours.
    Started,
    /// The engine said that it is complete.
    Restarted,
}

/// What the engine says when asked about a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Its full id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it runs; a paused one does.
    pub running: bool,
    /// When it was last started if it runs, or when it ended: in nanoseconds since 1970.
    pub since: i64,
    /// How it last ended.
    pub exit_code: Option<i64>,
    /// Whether that was for memory.
    pub oom_killed: bool,
    /// What asks it to end.
    pub stop_signal: Option<i32>,
    /// When its engine starts it again on its own.
    pub comes_back: ComesBack,
}

/// A container's own restart policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComesBack {
    /// It stays dead.
    #[default]
    Never,
    /// Unless it ended with code 0.
    AfterFailure,
    /// However it ended.
    Always,
}

impl Ledger {
    /// For a container of this name or id, as it was found.
    pub fn new(wanted: &str, look: &Look) -> Self {
        Self {
            wanted: wanted.to_owned(),
            by_name: look.name == wanted,
            id: look.id.clone(),
            stop_signal: look.stop_signal,
            comes_back: look.comes_back,
            known: None,
            oom: false,
            action: None,
            open_until: None,
            seen: 0,
        }
    }

    /// What to ask the engine for.
    pub fn wanted(&self) -> &str {
        &self.wanted
    }

    /// Counts the events about it: a look that began before the last one is worth nothing.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The restart of ours that is under way.
    pub fn action(&self) -> Option<Action> {
        self.action
    }

    /// A restart of ours begins.
    pub fn begin(&mut self) {
        self.open_until = None;
        self.action = Some(Action { stage: Stage::Begun, late: false });
    }

    /// An earlier run of ours has begun a restart and did not see its end: until then its events may still come.
    pub fn resume(&mut self, until: i64) {
        self.action = Some(Action { stage: Stage::Begun, late: true });
        self.open_until = Some(until);
    }

    /// It has ended. `complete`: no event of it is still to come.
    pub fn end(&mut self, complete: bool) {
        let unfinished = self.action.filter(|action| !complete && action.stage < Stage::Restarted);
        self.action = unfinished.map(|action| Action { late: true, ..action });
    }

    /// An event. Before the first look nothing is news.
    pub fn fold(&mut self, happening: &Happening) -> Option<Word> {
        if !self.concerns(happening) {
            return None;
        }
        self.seen += 1;
        self.id.clone_from(&happening.id);
        if self.open_until.is_some_and(|until| until < happening.at) {
            self.open_until = None;
            self.action = None;
        }
        let known = self.known?;
        if happening.at <= known.since {
            return None;
        }
        match happening.act {
            Act::Kill(signal) if known.running && self.may_end(signal) => self.unless_ours(Word::Killed),
            Act::Oom => {
                self.oom = true;
                None
            }
            Act::Die(exit_code) if known.running => self.died(exit_code, happening.at),
            Act::Stop => self.stopped(),
            Act::Start => self.started(happening.at),
            Act::Restart => {
                self.completed();
                None
            }
            Act::Destroy => {
                self.now(false, happening.at);
                Some(Word::Stopped)
            }
            Act::Create | Act::Rename | Act::Kill(_) | Act::Die(_) => None,
        }
    }

    /// A look, when first seen or after the engine was out of reach. `None`: there is no such container.
    pub fn compare(&mut self, look: Option<&Look>) -> Option<Word> {
        let before = self.known;
        let was_running = before.map(|known| known.running);
        if let Some(look) = look {
            self.id.clone_from(&look.id);
            self.stop_signal = look.stop_signal;
            self.comes_back = look.comes_back;
        }
        let since = look.map_or(i64::MIN, |look| look.since).max(before.map_or(i64::MIN, |known| known.since));
        let running = look.is_some_and(|look| look.running);
        self.now(running, since);
        let word = match (was_running, running) {
            // Between the stop and the start of our restart.
            (None, false) if self.action.is_some() => None,
            (None, false) => Some(Word::NotRunning),
            (Some(true), true) if before.is_some_and(|known| since > known.since) => self.unless_ours(Word::Started),
            (None | Some(true), true) => Some(Word::Running),
            (Some(true), false) => self.gone(look),
            (Some(false), true) => self.unless_ours(Word::Started),
            (Some(false), false) => None,
        };
        self.action = self.action.filter(|action| !action.late || was_running.is_none());
        word
    }

    /// By name a recreated container is followed; an id never changes.
    fn concerns(&self, happening: &Happening) -> bool {
        if self.by_name { happening.name == self.wanted } else { happening.id == self.id }
    }

    fn may_end(&self, signal: i32) -> bool {
        ENDING.contains(&signal) || self.stop_signal == Some(signal)
    }

    /// Until our own start has been seen, what happens is our restart's.
    fn unless_ours(&self, word: Word) -> Option<Word> {
        self.action.is_none_or(|action| action.stage >= Stage::Started).then_some(word)
    }

    fn now(&mut self, running: bool, since: i64) {
        self.known = Some(Known { running, since });
    }

    /// Deaths within our restart are reported, so that they can be told; after it has ended they would be news.
    fn died(&mut self, exit_code: Option<i64>, at: i64) -> Option<Word> {
        self.now(false, at);
        let oom_killed = std::mem::take(&mut self.oom);
        let late = self.action.is_some_and(|action| action.late && action.stage < Stage::Started);
        (!late).then(|| Word::Died(self.death(exit_code, oom_killed)))
    }

    /// The first stop before our own start is ours; any other is somebody's.
    fn stopped(&mut self) -> Option<Word> {
        match &mut self.action {
            Some(action) if action.stage == Stage::Begun => {
                action.stage = Stage::Stopped;
                None
            }
            _ => Some(Word::Stopped),
        }
    }

    fn started(&mut self, at: i64) -> Option<Word> {
        let running = self.known.is_some_and(|known| known.running);
        self.now(true, at);
        self.oom = false;
        match &mut self.action {
            Some(action) if action.stage < Stage::Started => {
                action.stage = Stage::Started;
                (!action.late).then_some(Word::Running)
            }
            // A look has told it already.
            _ => (!running).then_some(Word::Started),
        }
    }

    fn completed(&mut self) {
        match &mut self.action {
            Some(action) if action.late => self.action = None,
            Some(action) => action.stage = Stage::Restarted,
            None => {}
        }
    }

    fn gone(&self, look: Option<&Look>) -> Option<Word> {
        let Some(look) = look else { return Some(Word::Stopped) };
        let death = self.death(look.exit_code, look.oom_killed);
        self.action.is_none_or(|action| !action.late).then_some(Word::Died(death))
    }

    fn death(&self, exit_code: Option<i64>, oom_killed: bool) -> Death {
        let comes_back = match self.comes_back {
            ComesBack::Never => false,
            ComesBack::AfterFailure => exit_code != Some(0),
            ComesBack::Always => true,
        };
        Death { exit_code, oom_killed, comes_back, ..Death::default() }
    }
}

#[cfg(test)]
mod tests;
