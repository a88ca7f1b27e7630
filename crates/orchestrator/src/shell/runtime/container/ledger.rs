//! What is known about one container, and what an event or a look at it adds: a pure fold.
//!
//! It tells what we did from what others did. Whether it matters is the machine's to say.

use std::time::Duration;

use health_spec::config::EngineKind;

use super::event::{Act, Happening, Health};
use crate::machine::{Death, Word};

mod compare;
mod fold;
mod look;

pub use look::{ComesBack, Look, is_id, means, tell_of_a_stop};

/// Contract, section 3.2: what happened so shortly before an engine was lost may be the engine's own end. In nanoseconds.
const LAST_WORDS: i64 = 5_000_000_000;

/// After so long whoever was asked to end, and has not, will not. In nanoseconds.
const HEARD_IT: i64 = 60_000_000_000;

/// One registered container.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that was heard, or that nobody has told yet")]
pub struct Ledger {
    /// The name or id in the registry.
    wanted: String,
    /// Whether that is the name: then a container recreated under it is followed.
    by_name: bool,
    /// What the engine speaks.
    kind: EngineKind,
    id: String,
    stop_signal: Option<i32>,
    stop_timeout: Option<Duration>,
    comes_back: ComesBack,
    health: Option<Health>,
    /// How often the engine has restarted it on its own since somebody started it.
    restarts: i64,
    known: Option<Known>,
    /// That it ran when it was found, before anybody listened: until the first look.
    met: Option<Known>,
    /// It has taken the name of another one, and only events have told of it: its restart policy may be another.
    unread: bool,
    /// Who ran under the name until then: that this is over is told by the look, unless its successor runs.
    succeeds: bool,
    /// What is known about its last end, or the one that begins.
    end: End,
    action: Option<Action>,
    /// When a restart of ours whose end was not seen is over for certain, in nanoseconds since 1970.
    open_until: Option<i64>,
    /// When an earlier run of ours has begun that, if it was one.
    began: Option<i64>,
    /// Its end was taken for that restart's, and was not: a look is to tell of it.
    untold: bool,
    /// It has the place of another one: that it runs is a start.
    replaces: bool,
    set_back: Option<SetBack>,
    seen: u64,
}

/// The engine's clock was set back.
#[derive(Clone, Copy, Debug)]
struct SetBack {
    to: i64,
    /// Since when the first look after that said that it is as it is: that may lie ahead.
    said: Option<i64>,
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
    /// One of those was not SIGKILL.
    asked: bool,
    /// One was that which its engine stops it with.
    stops: bool,
    /// When it was sent that first.
    asked_at: Option<i64>,
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
    /// It removes containers; a restart removes none.
    removes: bool,
    /// Somebody has stopped it meanwhile as well.
    pub stopped: bool,
    /// Until when a stop may be told that was begun before this action, for one whose end was not seen: in nanoseconds since 1970.
    earlier: Option<i64>,
    /// How many signals that ask it to end were heard of since this action began: it sends one.
    asked: u8,
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

impl Action {
    fn new(removes: bool) -> Self {
        Self { stage: Stage::Begun, late: false, removes, stopped: false, earlier: None, asked: 0 }
    }

    /// Whether a stop at this moment is its own, or that of the one before. Whoever else stops it sends it a signal as well.
    fn explains_a_stop(&self, at: i64) -> bool {
        let is_earlier = self.asked <= 1 && self.earlier.is_some_and(|until| at <= until);
        self.stage == Stage::Begun || (self.stage == Stage::Stopped && is_earlier)
    }
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
        Self {
            wanted: wanted.to_owned(),
            by_name: look.map_or(!is_id(wanted), |look| look.name == wanted),
            kind: EngineKind::Docker,
            id: look.map(|look| look.id.clone()).unwrap_or_default(),
            stop_signal: look.and_then(|look| look.stop_signal),
            stop_timeout: look.and_then(|look| look.stop_timeout),
            comes_back: look.map(|look| look.comes_back).unwrap_or_default(),
            health: look.and_then(|look| look.health),
            restarts: look.map(|look| look.restarts).unwrap_or_default(),
            known: None,
            met: look.filter(|look| look.state.is_alive()).map(|look| Known { state: look.state, since: look.since }),
            unread: false,
            succeeds: false,
            end: End::default(),
            action: None,
            open_until: None,
            began: None,
            untold: false,
            replaces: false,
            set_back: None,
            seen: 0,
        }
    }

    /// What the engine speaks.
    pub fn speaks(&mut self, kind: EngineKind) {
        self.kind = kind;
    }

    /// The same.
    pub fn kind(&self) -> EngineKind {
        self.kind
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

    /// The start of one that is not known to have ended, when a look follows: that tells of the start, and whose it was.
    pub fn leaves_to_a_look(&self, happening: &Happening) -> bool {
        happening.act == Act::Start && self.known.is_some_and(|known| known.state.is_alive())
    }

    /// Whether only a look can tell what this container is made of.
    pub fn is_unread(&self) -> bool {
        self.unread
    }

    /// Whether it matters why it does not run, if it does not.
    pub fn asks_why(&self) -> bool {
        self.end.doubtful || self.untold || self.known.is_none_or(|known| known.state.is_alive())
    }

    /// The engine is out of reach, after this moment, and since `own_end` it may have stopped whom it has asked to end itself. Podman does not
    /// say whom it asks.
    pub fn lost(&mut self, at: i64, own_end: Option<i64>) {
        let own_end = if self.kind == EngineKind::Podman { Some(at.saturating_sub(LAST_WORDS)) } else { own_end };
        let End { stop_told, asked_at, .. } = self.end;
        self.end.doubtful = stop_told.zip(own_end).is_some_and(|(told, own_end)| asked_at.unwrap_or(told) >= own_end);
    }

    /// Whether it runs, as far as is known.
    pub fn is_alive(&self) -> bool {
        self.known.is_some_and(|known| known.state.is_alive())
    }

    /// Whether this is the life that is known.
    pub fn lives_on(&self, look: &Look) -> bool {
        look.state.is_alive() && look.id == self.id && self.known.is_some_and(|known| look.started <= known.since)
    }

    /// The engine's clock was set back, to this moment and by so much: what comes from then on is news, and what was before it lies back.
    pub fn set_back(&mut self, to: i64, by: i64) {
        for known in self.known.iter_mut().chain(&mut self.met) {
            known.since = known.since.min(to);
        }
        let earlier = self.action.as_mut().and_then(|action| action.earlier.as_mut());
        let moments = [&mut self.end.asked_at, &mut self.end.stop_told, &mut self.began, &mut self.open_until];
        for moment in moments.into_iter().flatten().chain(earlier) {
            *moment = moment.saturating_sub(by);
        }
        self.set_back = Some(SetBack { to, said: None });
    }

    /// A restart of ours begins, or a recreate or the end of one (`removes`). The engine may still be doing what the one before has asked it for.
    pub fn begin(&mut self, removes: bool) {
        let is_open = self.action.is_some_and(|action| action.late && action.stage < Stage::Started);
        let earlier = self.open_until.filter(|_| is_open);
        (self.open_until, self.began) = (None, None);
        self.action = Some(Action { earlier, ..Action::new(removes) });
    }

    /// An earlier run of ours has begun one at some moment and did not see its end: its events may still come until another.
    pub fn resume(&mut self, (began, until): (i64, i64), removes: bool) {
        if self.met.is_some_and(|met| met.since > began) {
            // It was found as that run has started it.
            return;
        }
        self.action = Some(Action { late: true, ..Action::new(removes) });
        (self.began, self.open_until) = (Some(began), Some(until));
    }

    /// It has the place of another one.
    pub fn replace(&mut self) {
        self.replaces = true;
    }

    /// Whether a look is to tell what was taken for the restart of an earlier run: that is over for certain by now.
    pub fn is_untold(&mut self, now: i64) -> bool {
        self.expire(now);
        self.untold
    }

    /// What comes from this moment on is no late action's.
    fn expire(&mut self, now: i64) {
        if self.open_until.is_some_and(|until| until < now) {
            self.untold |= self.began.is_some() && self.known.is_some_and(|known| !known.state.is_alive());
            self.forget_action();
        }
    }

    fn forget_action(&mut self) {
        (self.action, self.began, self.open_until) = (None, None, None);
    }

    /// It has ended. Events of it may still come until then; `None`: they have come. So may those of the one before, if nothing has come.
    pub fn end(&mut self, until: Option<i64>) {
        let is_alive = self.known.is_some_and(|known| known.state.is_alive());
        let untouched = self.action.filter(|action| is_alive && action.stage == Stage::Begun);
        let until = until.or(untouched.and_then(|action| action.earlier));
        let unfinished = self.action.filter(|action| until.is_some() && action.stage < Stage::Restarted);
        self.action = unfinished.map(|action| Action { late: true, ..action });
        (self.began, self.open_until) = (None, until);
    }

    /// Until our own start has been seen, what happens is our restart's.
    fn unless_ours(&self, word: Word) -> Vec<Word> {
        if self.action.is_none_or(|action| action.stage >= Stage::Started) { vec![word] } else { Vec::new() }
    }

    fn now(&mut self, state: State, since: i64) {
        self.known = Some(Known { state, since });
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
