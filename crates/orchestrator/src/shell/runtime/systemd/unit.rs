//! What is known about one unit, and what a signal or a look at it adds: a pure fold.
//!
//! It tells what we did from what others did, a stop from a death, and a death that systemd mends from one that it does
//! not. Whether that matters is the machine's to say.

use std::collections::HashMap;

use zbus::message::Sequence;

use super::status::{Life, Look, Status};
use crate::machine::{Death, Word};

mod asked;

/// One registered unit.
#[derive(Clone, Debug)]
pub struct Unit {
    name: String,
    path: String,
    status: Status,
    as_of: Sequence,
    /// Whether it was last said to run; `None`: nothing was said yet.
    up: Option<bool>,
    /// Which start of it that was.
    invocation: Vec<u8>,
    /// How often systemd had restarted it by then.
    restarts: u32,
    /// Jobs of others, with their types where those are known.
    jobs: HashMap<String, Option<String>>,
    /// It was said that somebody asks it to end.
    asked: bool,
    ours: Ours,
}

/// A restart of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ours {
    /// There is none.
    None,
    /// It was asked for.
    Asked,
    /// Its job is this.
    Job(String),
}

impl Unit {
    /// As it was found; nothing is said about it yet.
    pub fn new(name: &str, path: String, look: Look) -> Self {
        let mut unit = Self {
            name: name.to_owned(),
            path,
            status: Status::default(),
            as_of: Sequence::default(),
            up: None,
            invocation: Vec::new(),
            restarts: 0,
            jobs: HashMap::new(),
            asked: false,
            ours: Ours::None,
        };
        unit.take(look);
        unit
    }

    /// As in the registry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// On the bus.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How it is.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Whether a signal about it, received then, is older than what is known.
    pub fn knows(&self, received: Sequence) -> bool {
        received <= self.as_of
    }

    /// After a lost connection: numbering begins anew, and what was waited for does not come any more, but for the end of a job of ours that is
    /// under way.
    pub fn compare(&mut self, path: String, look: Look) -> Vec<Word> {
        let words = self.compared(path, look);
        self.and_asked(words)
    }

    fn compared(&mut self, path: String, look: Look) -> Vec<Word> {
        self.path = path;
        let mut before = std::mem::take(&mut self.jobs);
        let was_being_stopped = before.values().any(|kind| kind.as_deref() == Some("stop"));
        let was = self.up;
        let ours = std::mem::replace(&mut self.ours, Ours::None);
        self.take(look);
        for (job, kind) in &mut self.jobs {
            *kind = before.remove(job).flatten();
        }
        match &self.status.job {
            // It is under way still, and what comes of it is our doing.
            Some(job) if ours == Ours::Job(job.clone()) => {
                self.jobs.remove(job);
                self.ours = ours;
                return Vec::new();
            }
            _ if ours != Ours::None && self.status.life() == Life::Up => return self.acted(),
            _ => {}
        }
        if !self.jobs.is_empty() && self.status.life() != Life::Up {
            return Vec::new();
        }
        match (was, self.status.life()) {
            // Nobody saw how: one that ended well was most likely stopped.
            (Some(true), Life::Over) if self.status.result == "success" || was_being_stopped => self.rests(Word::Stopped),
            (Some(_), _) => {
                let words = self.judge();
                if words.is_empty() && self.status.life() == Life::Up { vec![Word::Running] } else { words }
            }
            (None, _) => self.first(),
        }
    }

    fn take(&mut self, look: Look) {
        self.status = look.status;
        self.as_of = look.as_of;
        if let Some(job) = self.status.job.clone() {
            self.jobs.insert(job, None);
        }
    }

    /// The first word about it. While a job is under way, that is waited for.
    pub fn begin(&mut self) -> Vec<Word> {
        let words = self.first();
        self.and_asked(words)
    }

    fn first(&mut self) -> Vec<Word> {
        match self.status.life() {
            // Nobody saw how: one that ended well was most likely stopped.
            Life::Over if self.jobs.is_empty() && self.status.has_ended_well() => self.rests(Word::FoundStopped),
            Life::Over if self.jobs.is_empty() => self.rests(Word::NotRunning(self.status.death())),
            Life::Up | Life::Returns => {
                self.runs();
                self.up = Some(self.status.life() == Life::Up);
                vec![Word::Running]
            }
            Life::Over | Life::Between => Vec::new(),
        }
    }

    fn rests(&mut self, word: Word) -> Vec<Word> {
        self.up = Some(false);
        vec![word]
    }

    /// Half of the properties have changed; the other half follows.
    pub fn prepare(&mut self, status: Status) {
        self.status = status;
    }

    /// Properties have changed.
    pub fn changed(&mut self, status: Status) -> Vec<Word> {
        self.status = status;
        let words = self.judge();
        self.and_asked(words)
    }

    fn judge(&mut self) -> Vec<Word> {
        if self.ours != Ours::None {
            return Vec::new();
        }
        // It was in between when we came: the first word about it is still to be said.
        if self.up.is_none() && matches!(self.status.life(), Life::Over | Life::Returns) {
            return self.first();
        }
        // It counts those that it makes on its own.
        let by_itself = self.status.restarts > self.restarts;
        let word = if by_itself { Word::Restarted } else { Word::Started };
        let again = self.invocation != self.status.invocation;
        match (self.up.unwrap_or_default(), self.status.life()) {
            (false, Life::Up) => {
                self.starts();
                vec![word]
            }
            // A whole round that nobody told of.
            (true, Life::Up) if again => {
                let mended = by_itself && self.jobs.is_empty();
                self.starts();
                let died = mended.then(|| Word::Died(Death { comes_back: true, ..Death::default() }));
                died.into_iter().chain([word]).collect()
            }
            (true, Life::Returns) => self.rests(Word::Died(self.status.death())),
            // With a job it may be a stop: its end tells.
            (true, Life::Over) if self.jobs.is_empty() => self.rests(Word::Died(self.status.death())),
            _ => Vec::new(),
        }
    }

    /// It has been started anew, and not by us.
    fn starts(&mut self) {
        self.runs();
        self.has_been_restarted();
    }

    fn runs(&mut self) {
        self.up = Some(true);
        self.restarts = self.status.restarts;
        self.invocation.clone_from(&self.status.invocation);
    }

    /// Somebody has queued a job for it. Returns whether its type is worth asking for.
    pub fn job_begins(&mut self, job: &str) -> bool {
        if self.is_ours(job) {
            return false;
        }
        self.jobs.entry(job.to_owned()).or_default();
        true
    }

    /// Jobs of others that are under way.
    pub fn jobs(&self) -> impl Iterator<Item = &str> {
        self.jobs.keys().map(String::as_str)
    }

    /// What a job does has become known.
    pub fn job_is(&mut self, job: &str, kind: &str) -> Vec<Word> {
        if let Some(known) = self.jobs.get_mut(job) {
            *known = Some(kind.to_owned());
        }
        self.and_asked(Vec::new())
    }

    /// A job of somebody else has ended.
    pub fn job_ends(&mut self, job: &str, result: &str) -> Vec<Word> {
        let words = self.job_ended(job, result);
        self.and_asked(words)
    }

    fn job_ended(&mut self, job: &str, result: &str) -> Vec<Word> {
        let Some(kind) = self.jobs.remove(job) else { return Vec::new() };
        let stops = kind.is_none_or(|kind| kind == "stop") && result == "done" && self.status.life() == Life::Over;
        if stops && self.ours == Ours::None {
            return self.rests(Word::Stopped);
        }
        match self.up {
            // It was under way when we came.
            None => self.first(),
            Some(_) => self.judge(),
        }
    }

    /// A restart of ours begins: what happens from now on is its doing.
    pub fn act(&mut self) {
        self.ours = Ours::Asked;
    }

    /// Its job is this.
    pub fn acts_as(&mut self, job: &str) {
        self.jobs.remove(job);
        if self.ours != Ours::None {
            self.ours = Ours::Job(job.to_owned());
        }
    }

    /// Whether this is the job of our restart.
    pub fn is_ours(&self, job: &str) -> bool {
        matches!(&self.ours, Ours::Job(ours) if ours == job)
    }

    /// Whether the job of a restart of ours is known, so that its end will be.
    pub fn has_job_of_ours(&self) -> bool {
        matches!(self.ours, Ours::Job(_))
    }

    /// Our restart has ended, well or not. Without it, what is seen is somebody else's doing.
    pub fn acted(&mut self) -> Vec<Word> {
        self.ours = Ours::None;
        let up = self.status.life() == Life::Up;
        let words = if up {
            self.runs();
            vec![Word::Running]
        } else {
            self.up = Some(false);
            Vec::new()
        };
        // What was said before belongs to the restart.
        self.asked &= self.is_being_stopped().is_none();
        self.and_asked(words)
    }
}

#[cfg(test)]
mod tests;
