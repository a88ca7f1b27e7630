//! Whether somebody other than us ends a unit, as the jobs for it tell.

use std::time::Duration;

use super::{Life, Ours, Unit};
use crate::machine::Word;

impl Unit {
    /// A job of somebody else ends it, or is queued to: a stop, or the first half of a restart. How long systemd gives it for that.
    pub fn is_being_stopped(&self) -> Option<Duration> {
        self.jobs.values().find_map(|kind| match kind.as_deref() {
            Some("stop") => Some(self.status.stops_within()),
            Some("restart" | "try-restart") if self.status.life() == Life::Up || self.is_ending() => Some(self.status.patience),
            _ => None,
        })
    }

    /// What is left of a restart is a start, as it is in systemd.
    pub(super) fn has_been_restarted(&mut self) {
        for kind in self.jobs.values_mut().flatten().filter(|kind| matches!(kind.as_str(), "restart" | "try-restart")) {
            "start".clone_into(kind);
        }
    }

    fn is_ending(&self) -> bool {
        self.status.active == "deactivating"
    }

    /// These words, with what is new about whether somebody asks it to end.
    pub(super) fn and_asked(&mut self, mut words: Vec<Word>) -> Vec<Word> {
        // What a job does that has just been queued may still be asked, and it may be ours.
        if self.ours != Ours::None {
            return words;
        }
        // Whoever is told of these asks no more whether it ends.
        self.asked &= !words.iter().any(|word| matches!(word, Word::Stopped | Word::Started | Word::Restarted));
        let is_unknown = self.jobs.values().any(Option::is_none);
        let unclear = (is_unknown && self.is_ending()).then(|| self.status.stops_within());
        match self.is_being_stopped().or(unclear) {
            Some(patience) if !self.asked => {
                self.asked = true;
                words.push(Word::AskedToEnd(Some(patience)));
            }
            // The other half of a restart is waited for as well.
            None if self.asked && !self.jobs.values().any(|kind| may_end(kind.as_deref())) => {
                self.asked = false;
                words.insert(0, Word::AskedNoMore);
            }
            _ => {}
        }
        words
    }
}

fn may_end(kind: Option<&str>) -> bool {
    kind.is_none_or(|kind| matches!(kind, "stop" | "restart" | "try-restart"))
}
