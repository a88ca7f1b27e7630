//! Whom an engine has asked to end last, together: whether that was its own end.

use std::collections::BTreeSet;

use crate::shell::runtime::container::event::{Act, Happening};

const SECOND: i64 = 1_000_000_000;

/// In nanoseconds. Requests to end that follow each other so closely were made together: Docker makes them all at once, on a busy machine not
/// as fast.
const TOGETHER: i64 = 2 * SECOND;

/// In nanoseconds. So long after the last of those has ended its engine may still be heard. Contract, section 3.2: 5 s. So long Docker 25 to
/// 29.0 leaves a stream of events open when everything has ended, and it takes a moment until then.
const LAST_WORDS: i64 = 7 * SECOND;

/// No process has other plans for it.
const KILL: i32 = 9;

/// What tells an engine's own end from what people stop: it asks whatever runs at one moment, and then is gone. Whoever was asked before that
/// was asked by a person; and so was everybody when somebody runs on who was not asked, or when the engine goes on after the last of them has
/// ended. How long the slowest of them takes does not matter: it holds up the end of its engine.
#[derive(Debug, Default)]
pub struct Volley {
    asked: BTreeSet<String>,
    began: i64,
    last: i64,
    /// When the last of them was said to have ended.
    ended: i64,
    /// Everybody else's too.
    running: BTreeSet<String>,
}

impl Volley {
    /// The engine tells.
    pub(super) fn hears(&mut self, happening: &Happening) {
        let (id, at) = (&happening.id, happening.at);
        match happening.act {
            // Its time to end is over.
            Act::Kill(KILL) if self.asked.contains(id) => {}
            Act::Kill(_) => self.asks(id, at),
            Act::Start => {
                self.running.insert(id.clone());
            }
            Act::Die(_) | Act::Stop | Act::Destroy => {
                self.running.remove(id);
                if self.asked.contains(id) {
                    self.ended = self.ended.max(at);
                }
            }
            _ => {}
        }
    }

    /// Requests of one moment may be told in any order.
    fn asks(&mut self, id: &str, at: i64) {
        if self.asked.is_empty() || at.saturating_sub(self.last) > TOGETHER {
            self.asked.clear();
            (self.began, self.last, self.ended) = (at, at, at);
        } else if self.began.saturating_sub(at) > TOGETHER {
            return;
        }
        self.asked.insert(id.to_owned());
        (self.began, self.last) = (self.began.min(at), self.last.max(at));
    }

    /// It has listed those that run.
    pub(super) fn lists<'a>(&mut self, running: impl Iterator<Item = &'a str>) {
        self.running = running.map(str::to_owned).collect();
    }

    /// It was last heard of at this moment, and these ran as far as is known. Since when it has made its own end, if it was that. What becomes of
    /// the others is not heard from now on.
    pub(super) fn own_end<'a>(&mut self, at: i64, mut running: impl Iterator<Item = &'a str>) -> Option<i64> {
        let others = std::mem::take(&mut self.running);
        let all_asked = others.iter().all(|id| self.asked.contains(id)) && running.all(|id| self.asked.contains(id));
        let is_just_over = at.saturating_sub(self.ended) <= LAST_WORDS;
        Some(self.began).filter(|_| !self.asked.is_empty() && all_asked && is_just_over)
    }

    /// The engine's clock was set back by so much.
    pub(super) fn set_back(&mut self, by: i64) {
        for moment in [&mut self.began, &mut self.last, &mut self.ended] {
            *moment = moment.saturating_sub(by);
        }
    }
}
