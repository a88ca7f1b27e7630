//! Everything breaks at once: twenty servers of every kind, killed, stopped, hung, paused, starved, cut off, and their engine too.
//!
//! What breaks, when and how comes out of one seed. At the end every server is healthy or rightly given up, nothing was done twice,
//! nothing that was well was touched, and each outage has an incident with evidence.
//!
//! `cargo xtask soak --chaos MINUTES` runs it for longer.

mod account;
mod blow;
mod cast;

use std::time::{Duration, Instant};

use health_spec::config::EngineKind;
use serde_json::Value;

use self::account::Account;
use self::cast::{Cast, Landing};
use crate::harness::{Orchestrator, log, until, until_within};

/// How long things are broken. `cargo xtask soak --chaos` asks for more.
const SECONDS: u64 = 30;

/// The pause between two blows, in milliseconds, lies below this.
const PAUSE_MS: u64 = 900;

/// The engine is cut off for so long.
const CUT: Duration = Duration::from_secs(3);

/// How long it may take until all are well again.
const CALM: Duration = Duration::from_secs(240);

#[test]
fn whatever_breaks_comes_back_or_is_rightly_given_up() {
    let seconds = asked_for("MCP_HEALTH_TEST_CHAOS_SECONDS").unwrap_or(SECONDS);
    let seed = asked_for("MCP_HEALTH_TEST_SEED").unwrap_or(7);
    eprintln!("{seconds} s of chaos, MCP_HEALTH_TEST_SEED={seed}");
    let mut random = Random(seed);
    let ways = tempfile::tempdir().expect("a directory");
    let landings = [EngineKind::Docker, EngineKind::Podman].map(|kind| Landing::at(kind, ways.path()));
    let cast = Cast::assemble(&landings);
    let mut orchestrator = Orchestrator::start_with(&cast.registry());
    orchestrator.hears_its_engines();
    until("all are well, and the hopeless one is given up", || settled(&orchestrator, &cast).then_some(()));
    let mut account = Account::open(&cast, &orchestrator);

    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        strike(&cast, &orchestrator, &mut account, &mut random);
        // The experiment itself: what breaks while something else is being mended.
        std::thread::sleep(Duration::from_millis(random.below(PAUSE_MS)));
    }
    account.undo_all(&cast);

    // Many that are ill at once are a storm: then one is tried after a minute, before the others.
    until_within(CALM, "all are well again", || settled(&orchestrator, &cast).then_some(()));
    account.check_bystanders(&cast, &orchestrator);
    let incidents = account::incidents(&orchestrator, &log(&orchestrator));
    assert!(orchestrator.stop().success());
    account.close(&cast, &log(&orchestrator), &incidents);
}

/// One blow to one server that is well, or to an engine.
fn strike(cast: &Cast<'_>, orchestrator: &Orchestrator, account: &mut Account, random: &mut Random) {
    account.undo_what_is_due(cast, orchestrator);
    if random.below(12) == 0 {
        eprintln!("chaos: an engine is cut off");
        cast.cut_engine(usize::try_from(random.below(2)).expect("small"), CUT);
        return;
    }
    let views = orchestrator.get("/servers");
    let well: Vec<_> = views["servers"].as_array().into_iter().flatten().filter(|view| account.may_be_struck(view)).collect();
    let victims: Vec<_> = well.into_iter().filter_map(|view| Some((view, cast.victim(view["name"].as_str()?)?))).collect();
    let Some((view, victim)) = random.one_of(&victims) else { return };
    let blow = *random.one_of(victim.blows()).expect("something that breaks it");
    eprintln!("chaos: {} {blow:?}", victim.name());
    account.note(view, blow);
    victim.suffer(blow, orchestrator);
}

/// Whether every server is where it belongs when nothing is broken.
fn settled(orchestrator: &Orchestrator, cast: &Cast<'_>) -> bool {
    let views = orchestrator.get("/servers");
    let fits = |view: &Value| view["phase"] == if view["name"] == cast::HOPELESS { "failed" } else { "healthy" };
    views["servers"].as_array().is_some_and(|views| views.len() == cast.len() && views.iter().all(fits))
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

    fn one_of<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let many = u64::try_from(choices.len()).expect("few").max(1);
        choices.get(usize::try_from(self.below(many)).expect("small"))
    }
}
