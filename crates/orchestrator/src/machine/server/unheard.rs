//! A child process of which its supervisor has not said yet how it stands: nothing is checked, and nothing done to it.
//!
//! When the monitor begins, the process of an earlier run may have to be ended first and started anew. Whoever answers until then is about to
//! end, and that it no longer answers is our own doing. The first word ends that, and there always is one.

use super::Server;
use crate::machine::{EngineId, Word};

impl Server {
    /// It is to be heard of first, if it is a child process.
    #[must_use]
    pub(in crate::machine) fn heard_of_first(self) -> Self {
        let unheard = self.policy.engine.as_ref().is_some_and(|engine| engine.id == EngineId::PROCESSES);
        Self { unheard, ..self }
    }

    /// Nothing has been heard of it.
    pub(in crate::machine) fn is_unheard(&self) -> bool {
        self.unheard
    }

    /// Nobody can look at its process: checks are all that there is.
    pub(in crate::machine) fn cannot_be_heard_of(&mut self) {
        self.unheard = false;
    }

    /// Whether such a word is about its process.
    pub(super) fn hears(&mut self, word: &Word) {
        self.unheard &= matches!(word, Word::Cut(_) | Word::NotCut(_));
    }
}
