//! What is known about one container, and what an event or a look at it adds: a pure fold.
//!
//! It tells what we did from what others did. Whether it matters is the machine's to say.

use health_spec::config::EngineKind;

use super::event::{Act, Happening, Health};
use crate::machine::{Death, Word};

mod look;

pub use look::{ComesBack, Look, tell_of_a_stop};

/// Signals that end a process unless it has other plans: INT, QUIT, KILL, TERM.
const ENDING: [i32; 4] = [2, 3, 9, 15];

/// Contract, section 3.2: what happened so shortly before an engine was lost may be the engine's own end. In nanoseconds.
const LAST_WORDS: i64 = 5_000_000_000;

/// One registered container.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The name or id in the registry.
    wanted: String,
    /// Whether that is the name: then a container recreated under it is followed.
    by_name: bool,
    /// What the engine speaks.
    kind: EngineKind,
    id: String,
    stop_signal: Option<i32>,
    comes_back: ComesBack,
    health: Option<Health>,
    /// How often the engine has restarted it on its own since somebody started it.
    restarts: i64,
    known: Option<Known>,
    /// What is known about its last end, or the one that begins.
    end: End,
    action: Option<Action>,
    /// When a restart of an earlier run of ours is over for certain, in nanoseconds since 1970.
    open_until: Option<i64>,
    seen: u64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    state: State,
    /// Since when, in nanoseconds since 1970: whatever happened before then is no news.
    since: i64,
}

/// How one life of it ends, as it is heard; forgotten at its next start.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that may have been heard, in any order")]
struct End {
    exit_code: Option<i64>,
    /// The kernel has killed something in it for memory.
    oom: bool,
    /// Somebody has sent it a signal.
    killed: bool,
    /// Podman has said before the death that it is a stop or a restart.
    announced: bool,
    /// How often Podman has cleared away what it left.
    cleanups: u8,
    /// It is known to have been a stop, ours or another's.
    is_stop: bool,
    /// When somebody's stop was told.
    stop_told: Option<i64>,
    /// The engine restarts it on its own.
    by_itself: bool,
    /// The stop may have been the engine's own end.
    doubtful: bool,
}

/// What a container does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// It is frozen.
    Paused,
    /// It does not run.
    Ended,
    /// There is no such container.
    #[default]
    Gone,
}

/// What is known about a container, for whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What it does.
    pub state: State,
    /// How it last ended.
    pub exit_code: Option<i64>,
    /// The verdict of its own HEALTHCHECK; `None` when it has none.
    pub health: Option<Health>,
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

impl State {
    /// Whether there is a process.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

impl Ledger {
    /// For a container of this name or id, as it was found. `None`: it has not been found yet.
    pub fn new(wanted: &str, look: Option<&Look>) -> Self {
        let is_id = wanted.len() >= 12 && wanted.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        Self {
            wanted: wanted.to_owned(),
            by_name: look.map_or(!is_id, |look| look.name == wanted),
            kind: EngineKind::Docker,
            id: look.map(|look| look.id.clone()).unwrap_or_default(),
            stop_signal: look.and_then(|look| look.stop_signal),
            comes_back: look.map(|look| look.comes_back).unwrap_or_default(),
            health: look.and_then(|look| look.health),
            restarts: look.map(|look| look.restarts).unwrap_or_default(),
            known: None,
            end: End::default(),
            action: None,
            open_until: None,
            seen: 0,
        }
    }

    /// What the engine speaks.
    pub fn speaks(&mut self, kind: EngineKind) {
        self.kind = kind;
    }

    /// What to ask the engine for.
    pub fn wanted(&self) -> &str {
        &self.wanted
    }

    /// Whether that is a name.
    pub fn is_by_name(&self) -> bool {
        self.by_name
    }

    /// The container that is followed at present; empty when it has never been found.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Counts the events about it: a look that began before the last one is worth nothing.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The restart of ours that is under way.
    pub fn action(&self) -> Option<Action> {
        self.action
    }

    /// For whoever asks. `None` before the first look.
    pub fn present(&self) -> Option<Seen> {
        let known = self.known?;
        Some(Seen { state: known.state, exit_code: self.end.exit_code, health: self.health.filter(|_| known.state.is_alive()) })
    }

    /// Whether a list of containers says the same: this id, in this state.
    pub fn agrees(&self, listed: Option<(&str, State)>) -> bool {
        let known = self.known.map(|known| known.state);
        match listed {
            Some((id, state)) => self.id == id && known == Some(state),
            None => known == Some(State::Gone),
        }
    }

    /// Whether it matters why it does not run, if it does not.
    pub fn asks_why(&self) -> bool {
        self.end.doubtful || self.known.is_none_or(|known| known.state.is_alive())
    }

    /// The engine is out of reach, after this moment.
    pub fn lost(&mut self, at: i64) {
        self.end.doubtful = self.end.stop_told.is_some_and(|told| at.saturating_sub(told) <= LAST_WORDS);
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
    pub fn fold(&mut self, happening: &Happening) -> Vec<Word> {
        if !self.concerns(happening) {
            return Vec::new();
        }
        self.seen += 1;
        if self.open_until.is_some_and(|until| until < happening.at) {
            self.open_until = None;
            self.action = None;
        }
        let is_news = self.known.is_some_and(|known| happening.at > known.since);
        let mut words = self.adopt(happening, is_news);
        if is_news {
            words.extend(self.tell(happening));
        }
        words
    }

    fn tell(&mut self, happening: &Happening) -> Vec<Word> {
        let state = self.known.map_or(State::Gone, |known| known.state);
        let (alive, at) = (state.is_alive(), happening.at);
        match happening.act {
            Act::Kill(signal) if alive && self.may_end(signal) => {
                self.end.killed = true;
                self.unless_ours(Word::Killed)
            }
            Act::Oom => {
                self.end.oom = true;
                Vec::new()
            }
            Act::Die(exit_code) if alive => self.died(exit_code, at),
            Act::Stop | Act::Restart if alive && self.kind == EngineKind::Podman => {
                self.end.announced = true;
                Vec::new()
            }
            Act::Stop => self.stopped(at),
            Act::Cleanup if !alive => self.cleared_away(at),
            Act::Start => self.started(at),
            Act::Restart => self.completed(),
            Act::Pause if state == State::Running => self.becomes(State::Paused, at, Word::Paused),
            Act::Unpause if state == State::Paused => self.becomes(State::Running, at, Word::Started),
            Act::Destroy => self.destroyed(at),
            Act::Health(Some(health)) => {
                self.health = Some(health);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// A look, when first seen, after the engine was out of reach, or when something does not agree.
    /// `None`: there is no such container.
    pub fn compare(&mut self, look: Option<&Look>) -> Vec<Word> {
        let before = self.known;
        let was = before.map(|known| known.state);
        let news = look.map_or(i64::MIN, |look| look.since);
        let since = news.max(before.map_or(i64::MIN, |known| known.since));
        let newer = before.is_some_and(|known| news > known.since);
        let by_itself = look.is_some_and(|look| look.restarts > self.restarts);
        let doubtful = std::mem::take(&mut self.end.doubtful);
        if let Some(look) = look {
            self.take(look);
        }
        let state = look.map_or(State::Gone, |look| look.state);
        self.known = Some(Known { state, since });
        let again = if by_itself { Word::Restarted } else { Word::Started };
        let words = match (was, state) {
            // Between the stop and the start of our restart.
            (None, State::Ended | State::Gone) if self.action.is_some() => Vec::new(),
            (None, State::Ended) if look.is_some_and(|look| look.stopped) => vec![Word::Stopped],
            (None, State::Ended) => vec![Word::NotRunning],
            (None | Some(State::Running | State::Paused), State::Gone) => self.unless_ours(Word::Stopped),
            (None, State::Paused) => vec![Word::Paused],
            (Some(State::Running | State::Paused), State::Running) if newer => self.unless_ours(again),
            (Some(State::Paused), State::Running) => self.unless_ours(Word::Started),
            (None | Some(State::Running), State::Running) => vec![Word::Running],
            (Some(State::Paused), State::Paused) => Vec::new(),
            (Some(State::Running | State::Paused), State::Ended) => self.ended(look),
            (Some(State::Ended | State::Gone), State::Running) => self.unless_ours(again),
            (Some(_), State::Paused) => self.unless_ours(Word::Paused),
            // The engine itself has ended, and does not know any more of the stop that it made at its end.
            (Some(State::Ended), State::Ended) if doubtful && look.is_some_and(|look| !look.stopped) => self.ended(look),
            (Some(State::Ended | State::Gone), State::Ended | State::Gone) => Vec::new(),
        };
        self.action = self.action.filter(|action| !action.late || was.is_none());
        words
    }

    /// Who has the name is the server; who had it is followed by its id until somebody else takes the name. An id never changes.
    pub fn concerns(&self, happening: &Happening) -> bool {
        let takes_the_name = || matches!(happening.act, Act::Create | Act::Rename | Act::Start) || self.id.is_empty();
        happening.id == self.id || (self.by_name && happening.name == self.wanted && takes_the_name())
    }

    /// Another container has taken the name.
    fn adopt(&mut self, happening: &Happening, is_news: bool) -> Vec<Word> {
        if happening.id == self.id {
            return Vec::new();
        }
        self.id.clone_from(&happening.id);
        (self.end, self.restarts, self.health) = (End::default(), 0, None);
        let Some(known) = self.known.filter(|known| is_news && known.state.is_alive()) else { return Vec::new() };
        // The start, if this is one, is told for itself.
        self.known = Some(Known { state: State::Ended, ..known });
        self.unless_ours(Word::Stopped)
    }

    fn take(&mut self, look: &Look) {
        self.id.clone_from(&look.id);
        self.stop_signal = look.stop_signal;
        self.comes_back = look.comes_back;
        self.health = look.health;
        self.restarts = look.restarts;
        self.end.exit_code = look.exit_code;
    }

    fn may_end(&self, signal: i32) -> bool {
        ENDING.contains(&signal) || self.stop_signal == Some(signal)
    }

    /// Until our own start has been seen, what happens is our restart's.
    fn unless_ours(&self, word: Word) -> Vec<Word> {
        if self.action.is_none_or(|action| action.stage >= Stage::Started) { vec![word] } else { Vec::new() }
    }

    fn becomes(&mut self, state: State, at: i64, word: Word) -> Vec<Word> {
        self.now(state, at);
        self.unless_ours(word)
    }

    fn now(&mut self, state: State, since: i64) {
        self.known = Some(Known { state, since });
    }

    /// Deaths within our restart are reported, so that they can be told; after it has ended they would be news.
    fn died(&mut self, exit_code: Option<i64>, at: i64) -> Vec<Word> {
        self.now(State::Ended, at);
        self.end.exit_code = exit_code;
        let death = self.death(exit_code, self.end.oom);
        self.end.by_itself = death.comes_back && !self.end.killed && !self.end.announced;
        let late = self.action.is_some_and(|action| action.late && action.stage < Stage::Started);
        let mut words = if late { Vec::new() } else { vec![Word::Died(death)] };
        if self.end.announced {
            words.extend(self.stopped(at));
        }
        words
    }

    /// The first stop before our own start is ours; any other is somebody's. Podman says it up to three times.
    fn stopped(&mut self, at: i64) -> Vec<Word> {
        if std::mem::replace(&mut self.end.is_stop, true) && self.kind == EngineKind::Podman {
            return Vec::new();
        }
        self.end.by_itself = false;
        match &mut self.action {
            Some(action) if action.stage == Stage::Begun => {
                action.stage = Stage::Stopped;
                Vec::new()
            }
            _ => {
                self.end.stop_told = Some(at);
                vec![Word::Stopped]
            }
        }
    }

    /// Podman's `stop` is mostly not heard; but whoever stops it clears away what it left, beside whoever watches it.
    fn cleared_away(&mut self, at: i64) -> Vec<Word> {
        self.end.cleanups = self.end.cleanups.saturating_add(1);
        if self.end.cleanups == 2 { self.stopped(at) } else { Vec::new() }
    }

    fn started(&mut self, at: i64) -> Vec<Word> {
        let was_alive = self.known.is_some_and(|known| known.state.is_alive());
        self.now(State::Running, at);
        let by_itself = std::mem::take(&mut self.end).by_itself;
        self.health = self.health.map(|_| Health::Starting);
        // Podman says nothing more after the start.
        let started = if self.kind == EngineKind::Podman { Stage::Restarted } else { Stage::Started };
        match &mut self.action {
            Some(action) if action.stage < Stage::Started => {
                action.stage = started;
                let late = action.late;
                self.action = self.action.filter(|action| !(action.late && action.stage == Stage::Restarted));
                if late { Vec::new() } else { vec![Word::Running] }
            }
            // A look has told it already.
            _ if was_alive => Vec::new(),
            _ if by_itself => {
                self.restarts += 1;
                vec![Word::Restarted]
            }
            _ => {
                self.restarts = 0;
                vec![Word::Started]
            }
        }
    }

    /// Podman's own restart, after a death, is said before its start.
    fn completed(&mut self) -> Vec<Word> {
        match &mut self.action {
            _ if self.kind == EngineKind::Podman => self.end.by_itself = self.comes_back != ComesBack::Never,
            Some(action) if action.late => self.action = None,
            Some(action) => action.stage = Stage::Restarted,
            None => {}
        }
        Vec::new()
    }

    /// Podman stops one that runs before it removes it, and may say both.
    fn destroyed(&mut self, at: i64) -> Vec<Word> {
        self.now(State::Gone, at);
        if self.end.stop_told.take().is_some() { Vec::new() } else { self.unless_ours(Word::Stopped) }
    }

    /// It is found dead: nobody saw it end.
    fn ended(&mut self, look: Option<&Look>) -> Vec<Word> {
        let Some(look) = look.filter(|_| self.action.is_none_or(|action| !action.late)) else { return Vec::new() };
        let death = Death { unclear: look.stopped, ..self.death(look.exit_code, look.oom_killed) };
        self.end.by_itself = death.comes_back && !look.stopped;
        let stop = look.stopped.then_some(Word::Stopped);
        [Word::Died(death)].into_iter().chain(stop).collect()
    }

    fn death(&self, exit_code: Option<i64>, oom_killed: bool) -> Death {
        let comes_back = match self.comes_back {
            ComesBack::Never => false,
            ComesBack::AfterFailure => exit_code != Some(0),
            ComesBack::Always => true,
        };
        // What has been announced as a stop is told as one right after.
        let unclear = self.kind == EngineKind::Podman;
        Death { exit_code, oom_killed, comes_back, unclear, ..Death::default() }
    }
}

#[cfg(test)]
mod tests;
