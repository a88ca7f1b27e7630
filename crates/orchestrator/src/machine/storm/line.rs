//! Those whose recovery a storm holds, in the order in which they went down: the first one is the next canary.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::{Mono, ServerId};

/// Kept as it changes: looking for them among everybody would take too long where thousands are held.
#[derive(Debug, Default)]
pub(in crate::machine) struct Line {
    since: BTreeMap<ServerId, Mono>,
    order: BTreeSet<(Mono, ServerId)>,
}

impl Line {
    /// It is held and went down then; `None`: it is not held.
    pub(in crate::machine) fn put(&mut self, id: ServerId, since: Option<Mono>) {
        if self.since.get(&id).copied() == since {
            return;
        }
        let before = match since {
            Some(since) => self.since.insert(id, since),
            None => self.since.remove(&id),
        };
        if let Some(before) = before {
            self.order.remove(&(before, id));
        }
        self.order.extend(since.map(|since| (since, id)));
    }

    /// In order.
    pub(in crate::machine) fn iter(&self) -> impl Iterator<Item = ServerId> {
        self.order.iter().map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn whoever_went_down_first_is_first() {
        let at = |seconds| Some(Mono(Duration::from_secs(seconds)));
        let mut line = Line::default();
        for (id, since) in [(1, at(9)), (2, at(3)), (3, at(5)), (2, at(7)), (3, None)] {
            line.put(ServerId(id), since);
        }
        assert_eq!(line.iter().collect::<Vec<_>>(), [ServerId(2), ServerId(1)]);
    }
}
