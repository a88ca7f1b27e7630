//! What was done to whom, and what of it is still to be undone.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::blow::Blow;
use super::cast::Cast;
use super::landing::Landing;
use super::member::Member;
use crate::harness::Orchestrator;

/// How long a pause lasts.
const PAUSED: Duration = Duration::from_secs(2);

/// One blow to one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Struck {
    pub(crate) blow: Blow,
    /// In whole milliseconds, as events have them.
    pub(crate) at: Timestamp,
}

/// The test's own account.
pub(crate) struct Account {
    /// By server: each blow, in order.
    blows: HashMap<String, Vec<Struck>>,
    /// By server: since when it was in its state when it was struck last.
    struck_at: HashMap<String, Value>,
    /// What has to be undone, and since when.
    open: HashMap<String, (Blow, Instant)>,
    /// How often each kind of blow was dealt.
    dealt: HashMap<Blow, usize>,
    /// The lives of those that nobody touches.
    lives: HashMap<String, String>,
}

impl Account {
    pub(crate) fn open(cast: &Cast<'_>, orchestrator: &Orchestrator) -> Self {
        let lives = cast.bystanders().map(|one| (one.name.clone(), one.life(orchestrator))).collect();
        let (blows, struck_at, open, dealt) = <_>::default();
        Self { blows, struck_at, open, dealt, lives }
    }

    /// Whether it is well and has come through all that was done to it.
    pub(crate) fn may_be_struck(&self, view: &Value) -> bool {
        let name = view["name"].as_str().unwrap_or_default();
        view["phase"] == "healthy" && !self.open.contains_key(name) && self.struck_at.get(name) != Some(&view["since"])
    }

    /// Whether what was done to it has been noticed, if it had to be.
    pub(crate) fn is_noticed(&self, view: &Value) -> bool {
        let name = view["name"].as_str().unwrap_or_default();
        let is_to_be = self.of(name).last().is_some_and(|last| !last.blow.is_wanted());
        !is_to_be || self.struck_at.get(name) != Some(&view["since"])
    }

    /// A blow to a server.
    pub(crate) fn note(&mut self, view: &Value, member: &Member<'_>, blow: Blow) {
        eprintln!("chaos: {} {blow:?}", member.name);
        *self.dealt.entry(blow).or_default() += 1;
        self.strike(view, &member.name, blow);
        if member.wants_undoing(blow) {
            self.open.insert(member.name.clone(), (blow, Instant::now()));
        }
    }

    /// A blow to an engine, of which these servers notice something.
    pub(crate) fn note_of_an_engine<'a>(&mut self, engine: &Landing, blow: Blow, views: impl Iterator<Item = &'a Value>) {
        eprintln!("chaos: the engine {} {blow:?}", engine.engine.name);
        *self.dealt.entry(blow).or_default() += 1;
        views.for_each(|view| self.strike(view, view["name"].as_str().unwrap_or_default(), blow));
    }

    fn strike(&mut self, view: &Value, name: &str, blow: Blow) {
        let at = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).expect("a time");
        self.struck_at.insert(name.to_owned(), view["since"].clone());
        self.blows.entry(name.to_owned()).or_default().push(Struck { blow, at });
    }

    /// Each blow to a server, in order.
    pub(crate) fn of(&self, name: &str) -> &[Struck] {
        self.blows.get(name).map_or(&[], Vec::as_slice)
    }

    /// How often this was dealt.
    pub(crate) fn dealt(&self, blow: Blow) -> usize {
        self.dealt.get(&blow).copied().unwrap_or_default()
    }

    /// A stop is undone once it is known, a pause after a while; engines come back, and what nobody else may put right is put right once that
    /// is known. Whether nothing is left.
    pub(crate) fn undo_what_is_due(&mut self, cast: &Cast<'_>, orchestrator: &Orchestrator) -> bool {
        let are_back = cast.landings().iter().map(Landing::comes_back_when_due).filter(|is_back| *is_back).count();
        let views = orchestrator.get("/servers");
        self.open.retain(|name, (blow, since)| {
            let member = cast.victim(name).expect("a victim");
            let view = views["servers"].as_array().into_iter().flatten().find(|view| view["name"] == **name);
            let due = match blow {
                _ if member.is_foreign() => view.is_some_and(|view| view["held"]["reason"] == "manual"),
                Blow::Stop => view.is_some_and(|view| view["phase"] == "stopped"),
                _ => since.elapsed() > PAUSED,
            };
            if due {
                eprintln!("chaos: {name}: {blow:?} is undone");
                member.undo(*blow);
            }
            !due
        });
        self.open.is_empty() && are_back == cast.landings().len()
    }

    /// Nobody has touched those who were well.
    pub(crate) fn check_bystanders(&self, cast: &Cast<'_>, orchestrator: &Orchestrator) {
        for one in cast.bystanders() {
            assert_eq!(one.life(orchestrator), self.lives[&one.name], "{} was well and was touched", one.name);
        }
    }
}
