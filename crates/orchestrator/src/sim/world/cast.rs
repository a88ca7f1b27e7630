//! The scripted servers, and who plays in which place.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use health_spec::config::{Becomes, RestartResult};
use health_spec::{Outcome, Reason, Verdict};

use crate::machine::memory::Recovery;
use crate::machine::policy::Policy;
use crate::machine::{Death, Input, Mono, ServerId, Word};

/// All servers that there have ever been.
#[derive(Debug)]
pub(super) struct Cast {
    pub(super) actors: Vec<Actor>,
    by_name: HashMap<String, usize>,
    places: Vec<usize>,
}

/// A scripted server.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, not a mode")]
pub(super) struct Actor {
    /// Where the machine knows it, if it does.
    pub(super) place: Option<ServerId>,
    pub(super) answers: Becomes,
    pub(super) restart: RestartResult,
    pub(super) restart_takes: Duration,
    /// How long an action prepares before it touches it, and the one that does.
    pub(super) prepares: Duration,
    pub(super) preparing: Option<u64>,
    /// That one has asked whether it may.
    pub(super) asked: bool,
    /// It fails every other time of this length.
    pub(super) flaps: Duration,
    /// How long it refuses after a start, and until when it does.
    pub(super) boots: Duration,
    pub(super) ready: Mono,
    /// How long it takes to answer.
    pub(super) lag: Duration,
    /// How long it asks to be left alone when it is overloaded.
    pub(super) asks: Duration,
    /// How long its engine takes to tell anything.
    pub(super) late: Duration,
    /// Its engine tells of what happens during an action.
    pub(super) talks: bool,
    /// Somebody stopped it while an action of ours runs: the action cannot bring it back.
    pub(super) stopped: bool,
    /// Nothing runs.
    pub(super) dead: bool,
    /// An action of ours runs.
    pub(super) acting: bool,
    pub(super) maintenance: Option<Mono>,
    pub(super) checks: u64,
}

impl Cast {
    pub(super) fn of(policies: &[Policy]) -> Self {
        let mut cast = Self { actors: Vec::new(), by_name: HashMap::new(), places: Vec::new() };
        cast.take_places(policies);
        cast
    }

    /// The maintenance windows that are open for these servers, and until when.
    pub(super) fn windows(&self, policies: &[Policy]) -> BTreeMap<String, Mono> {
        let of = |policy: &Policy| {
            let actor = &self.actors[*self.by_name.get(&policy.name)?];
            Some((policy.name.clone(), actor.maintenance?))
        };
        policies.iter().filter_map(of).collect()
    }

    /// All places anew: a fleet begins.
    pub(super) fn take_places(&mut self, policies: &[Policy]) {
        self.places.clear();
        self.actors.iter_mut().for_each(|actor| actor.place = None);
        for policy in policies {
            self.take_place(&policy.name);
        }
    }

    /// The next place.
    pub(super) fn take_place(&mut self, name: &str) {
        let next = self.actors.len();
        let index = *self.by_name.entry(name.to_owned()).or_insert(next);
        if index == next {
            self.actors.push(Actor::new());
        }
        self.actors[index].place = Some(ServerId(self.places.len()));
        self.places.push(index);
    }

    pub(super) fn place(&self, id: ServerId) -> usize {
        self.places[id.0]
    }

    pub(super) fn of_place(&self, id: ServerId) -> &Actor {
        &self.actors[self.places[id.0]]
    }

    pub(super) fn of_place_mut(&mut self, id: ServerId) -> &mut Actor {
        &mut self.actors[self.places[id.0]]
    }

    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(super) fn named(&mut self, name: &str) -> Option<&mut Actor> {
        self.by_name.get(name).map(|index| &mut self.actors[*index])
    }
}

impl Actor {
    fn new() -> Self {
        Self {
            place: None,
            answers: Becomes::Ok,
            restart: RestartResult::Fixes,
            restart_takes: Duration::from_secs(1),
            prepares: Duration::ZERO,
            preparing: None,
            asked: false,
            flaps: Duration::ZERO,
            boots: Duration::ZERO,
            ready: Mono::default(),
            lag: Duration::ZERO,
            asks: Duration::ZERO,
            late: Duration::ZERO,
            talks: false,
            stopped: false,
            dead: false,
            acting: false,
            maintenance: None,
            checks: 0,
        }
    }

    /// What a check finds; `None` when it finds nothing until its deadline.
    pub(super) fn verdict(&self, now: Mono, network_lost: bool) -> Option<Verdict> {
        let flapped = !self.flaps.is_zero() && (now.0.as_millis() / self.flaps.as_millis().max(1)) % 2 == 1;
        let refuses = network_lost || now < self.ready || flapped;
        let found = verdict(if refuses { Becomes::Refuse } else { self.answers })?;
        let asks = found.reason == Some(Reason::Overloaded) && !self.asks.is_zero();
        Some(Verdict { retry_after: asks.then_some(self.asks), ..found })
    }

    pub(super) fn starts(&mut self, now: Mono) {
        self.answers = Becomes::Ok;
        self.dead = false;
        self.stopped = false;
        self.ready = now.after(self.boots);
    }

    /// What its engine is going to tell is so.
    pub(super) fn suffers(&mut self, word: &Word, now: Mono) {
        match word {
            Word::Died(_) => self.dies(),
            Word::Stopped | Word::FoundStopped | Word::Paused => {
                self.dies();
                self.stopped = true;
            }
            Word::Started | Word::Restarted => self.starts(now),
            Word::Killed
            | Word::AskedToEnd(_)
            | Word::AskedNoMore
            | Word::NotRunning(_)
            | Word::Running
            | Word::RunsOtherwise
            | Word::Spared
            | Word::Cut(_)
            | Word::NotCut(_) => {}
        }
    }

    pub(super) fn dies(&mut self) {
        self.answers = Becomes::Refuse;
        self.dead = true;
    }

    pub(super) fn killed_by_us(&mut self, id: ServerId) -> Input {
        self.dies();
        Input::Reported(id, Word::Died(Death { exit_code: Some(143), ..Death::default() }))
    }

    /// How the action ends, read at its end.
    pub(super) fn restarted(&mut self, recovery: Recovery, now: Mono) -> Result<(), String> {
        let still_ours = matches!(recovery, Recovery::Acting { .. });
        match self.restart {
            RestartResult::Error => return Err(String::new()),
            RestartResult::Fixes if still_ours && !self.stopped => self.starts(now),
            RestartResult::Fixes | RestartResult::NoEffect => {}
        }
        Ok(())
    }
}

fn verdict(answers: Becomes) -> Option<Verdict> {
    let degraded = |reason| Verdict::new(Outcome::Degraded, Some(reason), None);
    let failed = |reason| Verdict::failed(reason, "scripted");
    Some(match answers {
        Becomes::Ok => Verdict::new(Outcome::Ok, None, None),
        Becomes::Degraded => degraded(Reason::Reported),
        Becomes::Overloaded => degraded(Reason::Overloaded),
        Becomes::NeedsAuth => degraded(Reason::NeedsAuth),
        Becomes::Down => failed(Reason::Reported),
        Becomes::Http500 => failed(Reason::HttpStatus),
        Becomes::Refuse => failed(Reason::ConnectRefused),
        Becomes::Stale => failed(Reason::Stale),
        Becomes::Invalid => failed(Reason::InvalidBody),
        Becomes::Hang => return None,
    })
}
