//! Servers that wait for their turn, each once, in the order in which they came.

use std::collections::{BTreeSet, VecDeque};

use crate::machine::ServerId;

#[derive(Debug, Default)]
pub(super) struct Queue {
    order: VecDeque<ServerId>,
    members: BTreeSet<ServerId>,
}

impl Queue {
    /// At the end, unless it waits already.
    pub(super) fn join(&mut self, id: ServerId) {
        if self.members.insert(id) {
            self.order.push_back(id);
        }
    }

    /// The one that has waited longest.
    pub(super) fn leave(&mut self) -> Option<ServerId> {
        let first = self.order.pop_front()?;
        self.members.remove(&first);
        Some(first)
    }
}
