//! What a look adds.

use super::{Known, Ledger, Look, State};
use crate::machine::{Death, Word};

impl Ledger {
    /// A look, when first seen, after the engine was out of reach, or when something does not agree.
    /// `None`: there is no such container.
    pub fn compare(&mut self, look: Option<&Look>) -> Vec<Word> {
        if look.is_some_and(|look| self.is_overtaken(look)) {
            return Vec::new();
        }
        let before = self.known;
        let was = before.map(|known| known.state);
        let news = look.map_or(i64::MIN, |look| self.since(look));
        let since = news.max(before.map_or(i64::MIN, |known| known.since));
        let newer = before.is_some_and(|known| news > known.since);
        let doubtful = std::mem::take(&mut self.end.doubtful);
        let (unread, succeeds) = (std::mem::take(&mut self.unread), std::mem::take(&mut self.succeeds));
        let by_itself = !unread && look.is_some_and(|look| look.restarts > self.restarts);
        let met = self.met.take().filter(|_| self.action.is_none());
        let (replaces, untold) = (std::mem::take(&mut self.replaces), std::mem::take(&mut self.untold));
        let is_over = before.is_none() && self.is_over(look);
        if is_over {
            self.forget_action();
        }
        if let Some(look) = look {
            self.take(look);
        }
        let state = look.map_or(State::Gone, |look| look.state);
        self.known = Some(Known { state, since });
        let again = if by_itself { Word::Restarted } else { Word::Started };
        let mut words = match (was, state) {
            // Between the stop and the start of our restart.
            (None, State::Ended | State::Gone) if self.action.is_some() => Vec::new(),
            (None, State::Ended) if is_over && look.is_some_and(|look| !look.stopped) => self.ended(look),
            (None, State::Running) if replaces => vec![Word::Started],
            // Since it was found, and before anybody listened.
            (None, State::Ended) if met.is_some() => self.ended(look),
            (None, State::Running) if met.is_some_and(|met| news > met.since) => vec![again],
            (None, State::Ended) if look.is_some_and(|look| look.stopped) => vec![Word::FoundStopped],
            (None, State::Ended) => look.map(|look| Word::NotRunning(look.end())).into_iter().collect(),
            (None | Some(State::Running | State::Paused), State::Gone) => self.unless_ours(Word::Stopped),
            (None, State::Paused) => vec![Word::Paused],
            (Some(State::Running | State::Paused), State::Running) if newer => self.unless_ours(again),
            (Some(State::Paused), State::Running) => self.unless_ours(Word::Started),
            // Its start has been told.
            (Some(State::Running), State::Running) if unread => Vec::new(),
            (None | Some(State::Running), State::Running) => vec![Word::Running],
            (Some(State::Paused), State::Paused) => Vec::new(),
            (Some(State::Running | State::Paused), State::Ended) => self.ended(look),
            (Some(State::Ended | State::Gone), State::Running) => self.unless_ours(again),
            (Some(_), State::Paused) => self.unless_ours(Word::Paused),
            // The engine itself has ended, and does not know any more of the stop that it made at its end.
            (Some(State::Ended), State::Ended) if doubtful && look.is_some_and(|look| !look.stopped) => self.retracted(look),
            (Some(State::Ended | State::Gone), State::Ended) if untold => self.ended(look),
            (Some(State::Ended | State::Gone), State::Gone) if untold => vec![Word::Stopped],
            (Some(State::Ended | State::Gone), State::Ended | State::Gone) if succeeds => self.unless_ours(Word::Stopped),
            (Some(State::Ended | State::Gone), State::Ended | State::Gone) => Vec::new(),
        };
        self.action = self.action.filter(|action| !action.late || was.is_none());
        if look.is_some_and(|look| look.is_stopping) && self.action.is_none() {
            words.push(Word::AskedToEnd(self.stop_timeout));
        }
        words
    }

    /// Since when it is so. What was so already when the engine's clock was set back was so then.
    fn since(&mut self, look: &Look) -> i64 {
        let Some(set_back) = &mut self.set_back else { return look.since };
        let said = *set_back.said.get_or_insert(look.since);
        if look.since == said { said.min(set_back.to) } else { look.since }
    }

    /// It says that a life is being ended whose end is known.
    fn is_overtaken(&self, look: &Look) -> bool {
        let ended = self.known.filter(|known| !known.state.is_alive() && self.id == look.id);
        look.is_stopping && ended.is_some_and(|ended| look.started <= ended.since)
    }

    /// What an earlier run of ours has begun has come to its end, or cannot have led to this.
    fn is_over(&self, look: Option<&Look>) -> bool {
        let Some(action) = self.action.filter(|action| action.late) else { return false };
        let Some(look) = look else { return !action.removes };
        let was_started = self.began.is_some_and(|began| look.started > began);
        let ended_later = look.stopped && self.open_until.is_some_and(|until| look.since > until);
        was_started || (ended_later && !look.state.is_alive())
    }

    fn take(&mut self, look: &Look) {
        self.id.clone_from(&look.id);
        (self.stop_signal, self.stop_timeout) = (look.stop_signal, look.stop_timeout);
        self.comes_back = look.comes_back;
        self.health = look.health;
        self.restarts = look.restarts;
        self.end.exit_code = look.exit_code;
    }

    /// It is found dead: nobody saw it end.
    fn ended(&mut self, look: Option<&Look>) -> Vec<Word> {
        let Some(look) = look.filter(|_| self.action.is_none_or(|action| !action.late)) else { return Vec::new() };
        let death = Death { unclear: look.stopped, ..self.death(look.exit_code, look.oom_killed) };
        self.end.by_itself = death.comes_back && !look.stopped;
        let stop = look.stopped.then_some(Word::Stopped);
        [Word::Died(death)].into_iter().chain(stop).collect()
    }

    /// The same, and the stop that was told before was none.
    fn retracted(&mut self, look: Option<&Look>) -> Vec<Word> {
        let mut words = self.ended(look);
        for word in &mut words {
            if let Word::Died(death) = word {
                death.retracts_stop = true;
            }
        }
        words
    }
}
