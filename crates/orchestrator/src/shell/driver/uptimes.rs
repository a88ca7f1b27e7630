//! The ledgers of all servers: told of every change and of every full minute, and what of them is to be written.

use std::collections::BTreeSet;
use std::time::Duration;

use health_spec::view::Uptime;

use crate::machine::server::Server;
use crate::machine::uptime::{Changes, Ledger, Resolution, Retention, Standing, Steady};
use crate::machine::{Fleet, Mono};
use crate::shell::store::Kept;

/// So many servers' time is written at once: that of a large fleet would keep checks waiting.
const PORTION: usize = 256;

/// From one portion to the next.
const PORTION_DISTANCE: Duration = Duration::from_millis(100);

/// Every server's time.
#[derive(Debug)]
pub struct Uptimes {
    origin: Steady,
    retention: Retention,
    /// By place in the fleet; places of servers that are gone have none.
    ledgers: Vec<Option<(Standing, Ledger)>>,
    /// The next full minute.
    minute: Mono,
    /// When more of what is unsaved is written, if the last portion was.
    portion: Option<Mono>,
    unsaved: BTreeSet<usize>,
}

impl Uptimes {
    /// Goes on from what an earlier run has left, at `now`. `origin` is the first start.
    pub fn new(fleet: &Fleet, kept: &mut Kept, origin: Steady, retention: Retention, now: Mono) -> Self {
        let at = Steady::of(origin, now);
        let ledger = |server: &Server| {
            let kept = kept.remove(&server.policy().name).unwrap_or_default();
            let standing = Standing::of(server.state());
            Some((standing, Ledger::new(kept, standing, at)))
        };
        let ledgers = fleet.servers().iter().map(ledger).collect();
        let mut uptimes = Self { origin, retention, ledgers, minute: now, portion: None, unsaved: BTreeSet::new() };
        uptimes.wait_for_next(now);
        uptimes
    }

    /// The fleet has new places: their time begins now.
    pub fn grow(&mut self, fleet: &Fleet, now: Mono) {
        let at = Steady::of(self.origin, now);
        for server in &fleet.servers()[self.ledgers.len()..] {
            let standing = Standing::of(server.state());
            self.ledgers.push(Some((standing, Ledger::new(vec![], standing, at))));
        }
    }

    /// A server is gone, and its time with it.
    pub fn forget(&mut self, place: usize) {
        self.ledgers[place] = None;
        self.unsaved.remove(&place);
    }

    /// When [`Self::turn`] is to be called.
    pub fn due(&self) -> Mono {
        self.portion.map_or(self.minute, |at| at.min(self.minute))
    }

    /// It is time to write more. `true`: and a full minute has passed.
    pub fn turn(&mut self, now: Mono) -> bool {
        self.portion = None;
        let is_full = self.minute <= now;
        if is_full {
            self.minute(now);
        }
        is_full
    }

    /// Everything is counted and is to be written.
    pub fn minute(&mut self, now: Mono) {
        let at = Steady::of(self.origin, now);
        for (place, (_, ledger)) in self.ledgers.iter_mut().enumerate().filter_map(|(place, it)| Some((place, it.as_mut()?))) {
            ledger.count_up_to(at, &self.retention);
            self.unsaved.insert(place);
        }
        self.wait_for_next(now);
    }

    /// Something has happened to this server; written is only a change of what its time counts as.
    pub fn happened(&mut self, place: usize, server: &Server, now: Mono) {
        let Some((standing, ledger)) = &mut self.ledgers[place] else { return };
        let next = Standing::of(server.state());
        ledger.turn(Steady::of(self.origin, now), next, &self.retention);
        if std::mem::replace(standing, next) != next {
            self.unsaved.insert(place);
        }
    }

    /// As everyone sees it.
    pub fn of(&self, place: usize) -> Uptime {
        self.ledgers[place].as_ref().map(|(_, ledger)| ledger.uptime()).unwrap_or_default()
    }

    /// Servers whose time is to be written now, and what of it.
    pub fn changes(&self) -> impl Iterator<Item = (usize, Changes)> {
        let portion = self.unsaved.iter().take(PORTION).filter_map(|place| Some((place, self.ledgers[*place].as_ref()?)));
        portion.flat_map(|(place, (_, ledger))| ledger.changes().into_iter().map(|changes| (*place, changes)))
    }

    /// Whether there is something to be written.
    pub fn is_saved(&self) -> bool {
        self.unsaved.is_empty()
    }

    /// What [`Self::changes`] said last is written.
    pub fn saved(&mut self, now: Mono) {
        let rest = self.unsaved.iter().nth(PORTION).copied().map(|first| self.unsaved.split_off(&first)).unwrap_or_default();
        for place in std::mem::replace(&mut self.unsaved, rest) {
            if let Some((_, ledger)) = &mut self.ledgers[place] {
                ledger.saved();
            }
        }
        self.portion = (!self.is_saved()).then(|| now.after(PORTION_DISTANCE));
    }

    fn wait_for_next(&mut self, now: Mono) {
        let at = Steady::of(self.origin, now);
        let full = at.floor(Resolution::Minute).after(Resolution::Minute.length());
        self.minute = now.after(full.since(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fleet::Beginning;
    use crate::machine::policy::{Purpose, compile};

    #[test]
    fn a_large_fleets_time_is_written_in_portions() {
        let names: Vec<_> = (0..600).map(|number| format!("{{name: s{number}}}")).collect();
        let file = serde_saphyr::from_str(&format!("servers: [{}]", names.join(", "))).expect("it reads");
        let at = |milliseconds| Mono(Duration::from_millis(milliseconds));
        let (fleet, _) = Fleet::new(compile(&file, Purpose::Simulate).expect("it compiles"), &Beginning::default(), at(0));
        let mut uptimes = Uptimes::new(&fleet, &mut Kept::default(), Steady::default(), Retention::default(), at(0));
        let places = |uptimes: &Uptimes| uptimes.changes().map(|(place, _)| place).collect::<BTreeSet<_>>();
        assert_eq!((uptimes.due(), uptimes.is_saved()), (at(60_000), true));
        assert!(uptimes.turn(at(60_000)));
        for (moment, portion) in [(60_000, 0..256), (60_100, 256..512), (60_200, 512..600)] {
            assert_eq!(places(&uptimes), portion.collect());
            uptimes.saved(at(moment));
            assert_eq!(uptimes.due() == at(moment + 100), !uptimes.is_saved());
            assert!(!uptimes.turn(at(moment + 100)));
        }
        assert_eq!((uptimes.due(), uptimes.is_saved()), (at(120_000), true));
        // Most of them go, one of them while its time is still to be written.
        (0..599).for_each(|place| uptimes.forget(place));
        assert!(uptimes.turn(at(120_000)));
        assert_eq!(places(&uptimes), [599].into());
        uptimes.forget(599);
        assert!(uptimes.is_saved());
    }
}
