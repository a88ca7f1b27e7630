//! What the journal writes while the loop goes on: what is routine, and the servers' time.
//!
//! One batch is on its way at a time, and whatever else is to be written waits for it, so that everything stays in order. Nothing that is
//! to be acted upon goes this way.

use super::Driver;
use super::record::Told;
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
        if self.writing.is_some() {
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
            Err(error) => self.conclude(told, Err(error)).await,
        }
    }

    /// Waits for what is on its way.
    pub(super) async fn finish_writing(&mut self) {
        if self.writing.is_some() {
            let result = answer(&mut self.writing).await;
            self.is_answered(result).await;
        }
    }

    /// The journal has answered.
    pub(super) async fn is_answered(&mut self, result: Result<Logged, StoreError>) {
        if let Some(Writing { told, .. }) = self.writing.take() {
            self.conclude(told, result).await;
        }
    }

    async fn conclude(&mut self, told: Told, result: Result<Logged, StoreError>) {
        let (since, changed) = (told.since, told.changed());
        let written = self.publish(told, result).await;
        self.reword(&changed);
        self.disk_turns(since, written).await;
    }
}
