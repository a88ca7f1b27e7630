//! How the runtimes speak to the machine: in order, and never blocking a shutdown.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::lives::LastWords;
use crate::machine::{Death, EngineId, Input, ServerId, Word};

/// The driver's inbox.
pub type Reports = mpsc::Sender<Input>;

/// Speaks for one server.
#[derive(Clone, Debug)]
pub struct Reporter {
    server: ServerId,
    mouth: Mouth,
}

/// Speaks at all.
#[derive(Clone, Debug)]
pub struct Mouth {
    reports: Reports,
    cancel: CancellationToken,
    last_words: Arc<LastWords>,
}

impl Mouth {
    /// After `cancel` nothing waits for the inbox any more.
    pub fn new(reports: Reports, cancel: CancellationToken) -> Self {
        Self { reports, cancel, last_words: Arc::default() }
    }

    /// What was said last about each server.
    pub fn last_words(&self) -> &LastWords {
        &self.last_words
    }

    /// Speaks for one server.
    pub fn about(&self, server: ServerId) -> Reporter {
        Reporter { server, mouth: self.clone() }
    }

    /// Waits until the inbox has room. During a shutdown the word is dropped: nobody acts on it any more.
    pub async fn say(&self, input: Input) {
        if let Input::Reported(server, word) = &input {
            self.last_words.note(*server, word);
        }
        tokio::select! {
            biased;
            _ = self.reports.send(input) => {}
            () = self.cancel.cancelled() => {}
        }
    }

    /// Ends everything that speaks through here.
    pub fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }
}

impl Reporter {
    /// Says it about this server.
    pub async fn say(&self, word: Word) {
        self.mouth.say(Input::Reported(self.server, word)).await;
    }

    /// It does not run. Whoever acted upon it knows that already: nobody else is told.
    pub fn rests(&self) {
        self.mouth.last_words.note(self.server, &Word::NotRunning(Death::default()));
    }

    /// This machine does not show its processes. `unknown`: whether this server runs is not known either.
    pub async fn blind(&self, error: String, unknown: bool) {
        if unknown {
            self.mouth.last_words.is_unknown(self.server, error.clone());
        }
        self.mouth.say(Input::EngineLost(EngineId::PROCESSES, error)).await;
    }

    /// It shows them.
    pub async fn sees(&self) {
        self.mouth.say(Input::EngineBack(EngineId::PROCESSES)).await;
    }

    /// Ends whoever speaks through here.
    pub fn cancel(&self) -> &CancellationToken {
        self.mouth.cancel()
    }
}
