//! After a storm: what it held is let go on, a few at a time, so that a fleet is not checked and restarted all at once.

use std::collections::BTreeSet;

use super::Storm;
use crate::machine::ServerId;

/// Who is still held, and who has been let go on.
#[derive(Clone, Debug, Default)]
pub(super) struct Ebb {
    held: BTreeSet<ServerId>,
    released: BTreeSet<ServerId>,
    /// The witnesses that failed last, for the hold's words.
    pub(super) failing: Vec<ServerId>,
}

impl Ebb {
    /// `released` are on their way already.
    pub(super) fn new(failing: Vec<ServerId>, released: BTreeSet<ServerId>) -> Self {
        Self { held: BTreeSet::new(), released, failing }
    }

    /// Another storm has begun: who is on its way.
    pub(super) fn into_released(self) -> BTreeSet<ServerId> {
        self.released
    }

    pub(super) fn holds(&self, id: ServerId) -> bool {
        self.held.contains(&id)
    }
}

impl Storm {
    /// The storm is over, and these are still held by it.
    pub(in crate::machine) fn ebbs(&mut self, held: impl Iterator<Item = ServerId>) {
        if let Some(ebb) = &mut self.ebb {
            ebb.held = held.collect();
        }
        self.forget_empty();
    }

    /// Those that were let go on and have not been seen to settle.
    pub(in crate::machine) fn released(&self) -> impl Iterator<Item = ServerId> {
        self.ebb.iter().flat_map(|ebb| ebb.released.iter().copied())
    }

    /// It has come back, or its recovery has come to an end some other way.
    pub(in crate::machine) fn settled(&mut self, id: ServerId) {
        if let Some(ebb) = &mut self.ebb {
            ebb.released.remove(&id);
        }
    }

    /// The next one to let go on, while fewer than `most` are on their way.
    pub(in crate::machine) fn release_next(&mut self, most: usize) -> Option<ServerId> {
        let ebb = self.ebb.as_mut().filter(|ebb| ebb.released.len() < most)?;
        let next = ebb.held.pop_first()?;
        ebb.released.insert(next);
        Some(next)
    }

    /// Nobody is held any more, and who was let go on has settled: it is over.
    pub(in crate::machine) fn forget_empty(&mut self) {
        self.ebb.take_if(|ebb| ebb.held.is_empty() && ebb.released.is_empty());
    }
}
