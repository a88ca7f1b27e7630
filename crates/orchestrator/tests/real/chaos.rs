//! Everything breaks at once: servers of every kind, killed, stopped, hung, paused, starved, cut off, and their engines too.
//!
//! Every kind of blow is dealt once; then what breaks, when and how comes out of one seed. At the end every server is healthy or rightly
//! given up, nothing was done twice, nothing that was well was touched, and each outage has one incident with evidence that fits.
//!
//! `cargo xtask soak --chaos MINUTES` runs it for longer.

mod account;
mod blow;
mod cast;
mod judge;
mod landing;
mod member;
mod unit;

use std::time::{Duration, Instant};

use health_spec::config::EngineKind;
use serde_json::Value;

use self::account::Account;
use self::blow::Blow;
use self::cast::Cast;
use self::landing::Landing;
use self::member::Member;
use crate::harness::{Orchestrator, log, until_within};

/// How long things are broken. `cargo xtask soak --chaos` asks for more.
const SECONDS: u64 = 30;

/// The pause between two blows, in milliseconds, lies below this.
const PAUSE_MS: u64 = 900;

/// How long it may take until all are well: Python starts slowly, and many that are ill at once are a storm, in which one is tried after
/// a minute, before the others.
const CALM: Duration = Duration::from_secs(240);

/// How much longer a kind of blow waits for somebody whom it can strike.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn whatever_breaks_comes_back_or_is_rightly_given_up() {
    let seconds = asked_for("MCP_HEALTH_TEST_CHAOS_SECONDS").unwrap_or(SECONDS);
    let seed = asked_for("MCP_HEALTH_TEST_SEED").unwrap_or(7);
    eprintln!("{seconds} s of chaos, MCP_HEALTH_TEST_SEED={seed}");
    let mut random = Random(seed);
    let ways = tempfile::tempdir().expect("a directory");
    let [docker, podman] = [EngineKind::Docker, EngineKind::Podman].map(|kind| Landing::at(kind, ways.path()));
    let landings = [docker, podman, Landing::of_our_own()];
    let cast = Cast::assemble(&landings);
    let mut orchestrator = Orchestrator::start_with(&cast.registry());
    orchestrator.hears_its_engines();
    let is_well = |view: &Value| fits(view);
    until_within(CALM, "all are well, and the hopeless one is given up", || all(&orchestrator, &cast, is_well).then_some(()));
    let account = Account::open(&cast, &orchestrator);
    let deck = random.shuffled(Blow::ALL);
    let mut play = Play { cast: &cast, orchestrator: &orchestrator, account, random, deck };

    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end || (!play.deck.is_empty() && Instant::now() < end + PATIENCE) {
        play.account.undo_what_is_due(&cast, &orchestrator);
        play.strike();
        // The experiment itself: what breaks while something else is being mended.
        std::thread::sleep(Duration::from_millis(play.random.below(PAUSE_MS)));
    }
    let mut account = play.account;
    until_within(CALM, "everything is undone", || account.undo_what_is_due(&cast, &orchestrator).then_some(()));

    let is_over = |view: &Value| fits(view) && account.is_noticed(view);
    until_within(CALM, "all are well again", || all(&orchestrator, &cast, is_over).then_some(()));
    account.check_bystanders(&cast, &orchestrator);
    let incidents = judge::incidents(&orchestrator, &log(&orchestrator));
    assert!(orchestrator.stop().success());
    judge::judge(&cast, &account, &log(&orchestrator), &incidents);
}

/// What is going on.
struct Play<'p, 'a> {
    cast: &'p Cast<'a>,
    orchestrator: &'p Orchestrator,
    account: Account,
    random: Random,
    /// The kinds of blow that have not been dealt yet.
    deck: Vec<Blow>,
}

/// Somebody who is well and can be struck, and how that is seen.
type Victim<'v> = (&'v Value, &'v Member<'v>);

impl Play<'_, '_> {
    /// One blow: of a kind that has not been dealt yet, if somebody is well whom it can strike, or else any.
    fn strike(&mut self) {
        let (cast, views) = (self.cast, self.orchestrator.get("/servers"));
        let well = views["servers"].as_array().into_iter().flatten().filter(|view| self.account.may_be_struck(view));
        let known = well.filter_map(|view| Some((view, cast.victim(view["name"].as_str()?)?)));
        let victims: Vec<_> = known.filter(|(_, member)| member.is_reachable()).collect();
        let deck = std::mem::take(&mut self.deck);
        let dealt = deck.iter().position(|blow| self.deal(*blow, &victims));
        self.deck = deck;
        if let Some(index) = dealt {
            self.deck.remove(index);
        } else if self.random.below(12) == 0 {
            if let Some(blow) = self.random.one_of(cast.landings()).and_then(Landing::blow) {
                self.deal(blow, &victims);
            }
        } else if let Some(victim) = self.random.one_of(&victims).copied() {
            let blow = *self.random.one_of(victim.1.blows).expect("something that breaks it");
            self.deal(blow, &[victim]);
        }
    }

    /// A blow of this kind to one of those whom it can strike. Whether there was one.
    fn deal(&mut self, blow: Blow, victims: &[Victim<'_>]) -> bool {
        if blow.is_an_engines() {
            return self.deal_to_an_engine(blow, victims);
        }
        let fitting: Vec<_> = victims.iter().filter(|(_, member)| member.blows.contains(&blow)).collect();
        let Some((view, member)) = self.random.one_of(&fitting) else { return false };
        self.account.note(view, member, blow);
        member.suffer(blow, self.orchestrator);
        true
    }

    /// One that ends takes its servers with it: all of them have to be well.
    fn deal_to_an_engine(&mut self, blow: Blow, victims: &[Victim<'_>]) -> bool {
        let cast = self.cast;
        let struck = |engine: &Landing| -> Vec<&Value> {
            let is_struck = |name: &str| engine.is_our_own() && cast.members_in(engine).any(|member| member.name == name);
            victims.iter().filter(|(_, member)| is_struck(&member.name)).map(|(view, _)| *view).collect()
        };
        let health = self.orchestrator.get("/health");
        let missed = health["error"].as_str().unwrap_or_default();
        let is_ready = |engine: &&Landing| {
            // One that is not listened to again yet is not missed anew.
            if missed.contains(&format!("{}: ", engine.engine.name)) {
                return false;
            }
            let all = if engine.is_our_own() { cast.members_in(engine).count() } else { 0 };
            engine.blow() == Some(blow) && struck(engine).len() == all
        };
        let engines: Vec<_> = cast.landings().iter().filter(is_ready).collect();
        let Some(engine) = self.random.one_of(&engines) else { return false };
        self.account.note_of_an_engine(engine, blow, struck(engine).into_iter());
        engine.suffer();
        true
    }
}

/// Whether every server is there and like this.
fn all(orchestrator: &Orchestrator, cast: &Cast<'_>, is_so: impl Fn(&Value) -> bool) -> bool {
    let views = orchestrator.get("/servers");
    views["servers"].as_array().is_some_and(|views| views.len() == cast.len() && views.iter().all(is_so))
}

/// Whether it is where it belongs when nothing is broken.
fn fits(view: &Value) -> bool {
    view["phase"] == if view["name"] == cast::HOPELESS { "failed" } else { "healthy" }
}

fn asked_for(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The generator of `java.util.SplittableRandom`.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn index(&mut self, many: usize) -> usize {
        usize::try_from(self.below(u64::try_from(many).expect("few").max(1))).expect("small")
    }

    fn one_of<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let index = self.index(choices.len());
        choices.get(index)
    }

    /// In another order.
    fn shuffled<T, const N: usize>(&mut self, all: [T; N]) -> Vec<T> {
        let mut rest = Vec::from(all);
        std::iter::from_fn(|| (!rest.is_empty()).then(|| rest.swap_remove(self.index(rest.len())))).collect()
    }
}
