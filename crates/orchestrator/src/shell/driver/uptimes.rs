//! The ledgers of all servers: told of every change and of every full minute, and what of them is to be written.

use std::collections::BTreeSet;

use health_spec::view::Uptime;

use crate::machine::server::Server;
use crate::machine::uptime::{Changes, Ledger, Resolution, Retention, Standing, Steady};
use crate::machine::{Fleet, Mono};
use crate::shell::store::Kept;

/// Every server's time.
#[derive(Debug)]
pub struct Uptimes {
    origin: Steady,
    retention: Retention,
    ledgers: Vec<(Standing, Ledger)>,
    /// The next full minute.
    due: Mono,
    unsaved: BTreeSet<usize>,
}

impl Uptimes {
    /// Goes on from what an earlier run has left, at `now`. `origin` is the first start.
    pub fn new(fleet: &Fleet, kept: &mut Kept, origin: Steady, retention: Retention, now: Mono) -> Self {
        let at = Steady::of(origin, now);
        let ledger = |server: &Server| {
            let kept = kept.remove(&server.policy().name).unwrap_or_default();
            let standing = Standing::of(server.state());
            (standing, Ledger::new(kept, standing, retention, at))
        };
        let ledgers = fleet.servers().iter().map(ledger).collect();
        let mut uptimes = Self { origin, retention, ledgers, due: now, unsaved: BTreeSet::new() };
        uptimes.wait_for_next(now);
        uptimes
    }

    /// The fleet has new places: their time begins now.
    pub fn grow(&mut self, fleet: &Fleet, now: Mono) {
        let at = Steady::of(self.origin, now);
        for server in &fleet.servers()[self.ledgers.len()..] {
            let standing = Standing::of(server.state());
            self.ledgers.push((standing, Ledger::new(vec![], standing, self.retention, at)));
        }
    }

    /// When [`Self::minute`] is to be called.
    pub fn due(&self) -> Mono {
        self.due
    }

    /// A full minute has passed: everything is counted and is to be written.
    pub fn minute(&mut self, now: Mono) {
        let at = Steady::of(self.origin, now);
        for (_, ledger) in &mut self.ledgers {
            ledger.count_up_to(at);
        }
        self.unsaved.extend(0..self.ledgers.len());
        self.wait_for_next(now);
    }

    /// Something has happened to this server; written is only a change of what its time counts as.
    pub fn happened(&mut self, place: usize, server: &Server, now: Mono) {
        let (standing, ledger) = &mut self.ledgers[place];
        let next = Standing::of(server.state());
        ledger.turn(Steady::of(self.origin, now), next);
        if std::mem::replace(standing, next) != next {
            self.unsaved.insert(place);
        }
    }

    /// As everyone sees it.
    pub fn of(&self, place: usize) -> Uptime {
        self.ledgers[place].1.uptime()
    }

    /// The servers whose time is to be written, and what of it.
    pub fn changes(&self) -> impl Iterator<Item = (usize, Changes)> {
        self.unsaved.iter().flat_map(|place| self.ledgers[*place].1.changes().into_iter().map(|changes| (*place, changes)))
    }

    /// Whether there is something to be written.
    pub fn is_saved(&self) -> bool {
        self.unsaved.is_empty()
    }

    /// It is written.
    pub fn saved(&mut self) {
        for place in std::mem::take(&mut self.unsaved) {
            self.ledgers[place].1.saved();
        }
    }

    fn wait_for_next(&mut self, now: Mono) {
        let at = Steady::of(self.origin, now);
        let full = at.floor(Resolution::Minute).after(Resolution::Minute.length());
        self.due = now.after(full.since(at));
    }
}
