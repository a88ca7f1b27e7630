//! What the journal writes while the loop goes on: what is routine, and the servers' time.
//!
//! One batch is on its way at a time, and whatever else is to be written waits for it, so that everything stays in order. Nothing that is
//! to be acted upon goes this way.

use health_spec::ServerView;

use super::Driver;
use super::record::Told;
use crate::machine::Mono;
use crate::shell::journal::{Answer, Logged, answered};
use crate::shell::store::StoreError;

/// A batch on its way to the disk.
#[derive(Debug)]
pub struct Writing {
    answer: Answer,
    told: Told,
}

/// What became of it; never, while there is none.
pub(super) async fn answer(writing: &mut Option<Writing>) -> Result<Logged, StoreError> {
    match writing {
        Some(writing) => answered(&mut writing.answer).await,
        None => std::future::pending().await,
    }
}

impl Driver {
    /// Hands what is held to the journal. While that is busy with the one before, more is held.
    pub(super) async fn begin_writing(&mut self) {
        while self.writing.is_some() {
            if !self.routine.overflows() {
                return;
            }
            self.finish_writing().await;
        }
        let happened = self.routine.take();
        if happened.is_empty() && self.uptimes.is_saved() {
            return;
        }
        let told = self.tell(&happened, &[]);
        match self.offer(&told, false).await {
            Ok(answer) => self.writing = Some(Writing { answer, told }),
            Err(error) => {
                let (since, written) = self.conclude(told, Err(error)).await;
                self.disk_turns(since, written).await;
            }
        }
    }

    /// Waits for what is on its way.
    pub(super) async fn finish_writing(&mut self) {
        if let Some((since, written)) = self.finish().await {
            self.disk_turns(since, written).await;
        }
    }

    /// The same; the machine is still to be told of the disk, which may lead to more.
    pub(super) async fn finish(&mut self) -> Option<(Mono, Result<(), StoreError>)> {
        self.writing.as_ref()?;
        let result = answer(&mut self.writing).await;
        let Writing { told, .. } = self.writing.take()?;
        Some(self.conclude(told, result).await)
    }

    /// The journal has answered.
    pub(super) async fn is_answered(&mut self, result: Result<Logged, StoreError>) {
        if let Some(Writing { told, .. }) = self.writing.take() {
            let (since, written) = self.conclude(told, result).await;
            self.disk_turns(since, written).await;
        }
    }

    async fn conclude(&mut self, told: Told, result: Result<Logged, StoreError>) -> (Mono, Result<(), StoreError>) {
        let (since, changed) = (told.since, told.changed());
        let written = self.publish(told, result).await;
        self.reword(&changed);
        (since, written)
    }
}

impl Writing {
    /// These servers look otherwise since it was begun.
    pub(super) fn see(&mut self, views: &[(usize, Option<ServerView>)]) {
        self.told.see(views);
    }
}
