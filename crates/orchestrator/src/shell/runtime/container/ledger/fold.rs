//! What an event adds.

use health_spec::config::EngineKind;

use super::{ComesBack, End, HEARD_IT, Known, Ledger, Stage, State};
use crate::machine::Word;
use crate::shell::runtime::container::event::{Act, Happening, Health};
use crate::shell::runtime::container::recreate::kept_of;

/// Signals that end a process unless it has other plans: INT, QUIT, KILL, TERM.
const ENDING: [i32; 4] = [2, 3, KILL, 15];

/// The one that no process has plans for.
const KILL: i32 = 9;

/// What asks a container to end that names no other signal.
const TERM: i32 = 15;

impl Ledger {
    /// An event. Before the first look only what happens to one that ran when it was found is news.
    pub fn fold(&mut self, happening: &Happening) -> Vec<Word> {
        if !self.concerns(happening) {
            return Vec::new();
        }
        self.seen += 1;
        self.expire(happening.at);
        self.known = self.known.or(self.met.filter(|met| self.action.is_none() && happening.at > met.since));
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
                self.end.asked |= signal != KILL;
                if signal == self.stop_signal.unwrap_or(TERM) {
                    self.end.stops = true;
                    let heard_it = |asked: &i64| at.saturating_sub(*asked) <= HEARD_IT;
                    self.end.asked_at = self.end.asked_at.filter(heard_it).or(Some(at));
                }
                if let Some(action) = self.action.as_mut().filter(|_| signal != KILL) {
                    action.asked = action.asked.saturating_add(1);
                }
                self.unless_ours(self.signalled())
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
            Act::Unpause if state == State::Paused => {
                let mut words = self.becomes(State::Running, at, Word::Started);
                // Whoever stops a frozen one has Docker thaw it, so that it can end.
                if self.end.killed {
                    words.extend(self.unless_ours(self.signalled()));
                }
                words
            }
            Act::Destroy => self.destroyed(at),
            Act::Health(Some(health)) => {
                self.health = Some(health);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Who has the name is the server; who had it is followed by its id until somebody else takes the name. An id never changes.
    pub fn concerns(&self, happening: &Happening) -> bool {
        let takes_the_name = || matches!(happening.act, Act::Create | Act::Rename | Act::Start) || self.id.is_empty();
        let has_the_name = || happening.name == self.wanted && takes_the_name();
        happening.id == self.id || (self.by_name && (has_the_name() || self.is_back(happening)))
    }

    /// Whoever is kept from a recreate was the server: it is again, when its successor is gone and somebody starts it as it is called then.
    fn is_back(&self, happening: &Happening) -> bool {
        let is_alone = self.action.is_none() && self.known.is_some_and(|known| known.state == State::Gone);
        happening.act == Act::Start && is_alone && kept_of(&happening.name) == Some(self.wanted.as_str())
    }

    /// Another container has taken the name.
    fn adopt(&mut self, happening: &Happening, is_news: bool) -> Vec<Word> {
        if happening.id == self.id {
            return Vec::new();
        }
        self.id.clone_from(&happening.id);
        (self.end, self.restarts, self.health) = (End::default(), 0, None);
        // What we put in its place is made as it was.
        self.unread = self.action.is_none();
        let Some(known) = self.known.filter(|known| is_news && known.state.is_alive()) else { return Vec::new() };
        // The start, if this is one, is told for itself.
        self.known = Some(Known { state: State::Ended, ..known });
        // One that is given the name may run already: then nothing has stopped.
        self.succeeds = happening.act == Act::Rename && self.unread;
        if self.succeeds { Vec::new() } else { self.unless_ours(Word::Stopped) }
    }

    fn may_end(&self, signal: i32) -> bool {
        ENDING.contains(&signal) || self.stop_signal == Some(signal)
    }

    /// That it was sent one.
    fn signalled(&self) -> Word {
        if self.end.asked { Word::AskedToEnd(self.stop_timeout.filter(|_| self.end.stops)) } else { Word::Killed }
    }

    fn becomes(&mut self, state: State, at: i64, word: Word) -> Vec<Word> {
        self.now(state, at);
        self.unless_ours(word)
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

    /// The first stop before our own start is ours, and so is what an earlier run has begun; any other is somebody's. Podman says it up to
    /// three times.
    fn stopped(&mut self, at: i64) -> Vec<Word> {
        if std::mem::replace(&mut self.end.is_stop, true) && self.kind == EngineKind::Podman {
            return Vec::new();
        }
        self.end.by_itself = false;
        match &mut self.action {
            Some(action) if action.explains_a_stop(at) => {
                action.stage = Stage::Stopped;
                Vec::new()
            }
            action => {
                if let Some(action) = action {
                    action.stopped = true;
                }
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
        (self.succeeds, self.untold) = (false, false);
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

    /// Podman stops one that runs before it removes it, and may say both. A restart of ours removes nothing.
    fn destroyed(&mut self, at: i64) -> Vec<Word> {
        self.now(State::Gone, at);
        let is_ours = self.action.is_some_and(|action| action.removes && action.stage < Stage::Started);
        if self.end.stop_told.take().is_some() || is_ours { Vec::new() } else { vec![Word::Stopped] }
    }
}
