//! `cargo xtask soak`: the demo for a long time, its servers broken at random moments in random ways.
//!
//! With `--worlds` it is random worlds under the laws, as `sim` plays them, from a seed that nobody has seen.
//! With `--chaos` it is the test that breaks real servers of every kind, and their engines, at once.
//! With `--checks` it is the tests that measure what checks leave behind in real MCP servers.
//! With `--crashes` it is the orchestrator itself that is killed, by the test that does so twenty times in every run.

use std::time::{Duration, SystemTime};

use crate::command;
use crate::demo::breakage::{Break, How};
use crate::demo::{self, NAMES, Plan};
use crate::outcome::Outcome;
use crate::{sim, test};

/// Seconds between two breaks.
const PAUSES: std::ops::Range<u64> = 4..25;
/// What kills the orchestrator.
const CRASH_TEST: &str = "siege::killed_at_random_instants_it_loses_nothing_and_does_nothing_twice";
/// What breaks everything at once.
const CHAOS_TEST: &str = "chaos::whatever_breaks_comes_back_or_is_rightly_given_up";
/// What measures servers of every kind, over HTTP and on pipes.
const FOOTPRINT_TESTS: [&str; 2] = [
    "mcp::footprint::each_is_spoken_to_in_the_words_of_its_era_and_left_as_it_was",
    "mcp::footprint::children_that_are_spoken_to_over_their_pipes_do_not_grow",
];
/// No break so late that its recovery could not be seen.
const QUIET_END: Duration = Duration::from_secs(60);

/// For how long, and how to repeat it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// For how long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..))]
    minutes: u64,
    /// Instead: kill the orchestrator under load, so many times, and check that nothing is lost or done twice
    #[arg(long, value_name = "N", conflicts_with = "minutes", value_parser = clap::value_parser!(u64).range(1..))]
    crashes: Option<u64>,
    /// Instead: play so many random worlds under the laws of the machine
    #[arg(long, value_name = "N", conflicts_with_all = ["minutes", "crashes"], value_parser = clap::value_parser!(u64).range(1..))]
    worlds: Option<u64>,
    /// Instead: break servers of every kind and their engines, for so many minutes
    ///
    /// Runs the test `chaos` of the orchestrator's tests on real parts and nothing else, by nextest (profile `soak`) or, where that is not
    /// installed, by `cargo test`; installs and starts what it needs as `cargo xtask test` does. Never retried.
    #[arg(long, value_name = "MINUTES", conflicts_with_all = ["minutes", "crashes", "worlds"], value_parser = clap::value_parser!(u64).range(1..))]
    chaos: Option<u64>,
    /// Instead: check real MCP servers of every kind so many times, and measure that they keep no session and do not grow
    #[arg(long, value_name = "N", conflicts_with_all = ["minutes", "crashes", "worlds", "chaos", "seed"], value_parser = clap::value_parser!(u64).range(1..))]
    checks: Option<u64>,
    /// Repeat the breaks, crashes or worlds of an earlier run
    #[arg(long)]
    seed: Option<u64>,
}

/// The command.
pub(crate) fn run(options: &Options) -> Outcome {
    if let Some(checks) = options.checks {
        return test::run_alone(&FOOTPRINT_TESTS, &[("MCP_HEALTH_TEST_CHECKS", checks.to_string())]);
    }
    let seed = options.seed.unwrap_or_else(seed_of_this_moment);
    if let Some(crashes) = options.crashes {
        println!("soak: seed {seed}, {crashes} crashes; again: cargo xtask soak --crashes {crashes} --seed {seed}");
        return crash(crashes, seed);
    }
    if let Some(worlds) = options.worlds {
        println!("soak: {worlds} worlds from seed {seed}; again: cargo xtask soak --worlds {worlds} --seed {seed}");
        return sim::run(&sim::Options { seeds: worlds, from: seed, replay: None, here: false });
    }
    if let Some(minutes) = options.chaos {
        println!("soak: seed {seed}, {minutes} minutes of chaos; again: cargo xtask soak --chaos {minutes} --seed {seed}");
        return chaos(minutes, seed);
    }
    let duration = Duration::from_secs(options.minutes * 60);
    let breaks = breaks(seed, duration.saturating_sub(QUIET_END));
    println!(
        "soak: seed {seed}, {} breaks in {} minutes; again: cargo xtask soak --minutes {} --seed {seed}",
        breaks.len(),
        options.minutes,
        options.minutes
    );
    demo::play(&Plan { duration: Some(duration), breaks, listen: None })
}

/// The test, for longer.
fn crash(crashes: u64, seed: u64) -> Outcome {
    let mut cargo = command::cargo();
    cargo.args(["test", "-p", "orchestrator", "--all-features", "--test", "real", "--", "--exact", "--nocapture", CRASH_TEST]);
    cargo.env("MCP_HEALTH_TEST_CRASHES", crashes.to_string()).env("MCP_HEALTH_TEST_SEED", seed.to_string());
    command::run(&mut cargo)
}

/// The test, for longer, with the engines and packages that it needs.
fn chaos(minutes: u64, seed: u64) -> Outcome {
    let variables = [("MCP_HEALTH_TEST_CHAOS_SECONDS", (minutes * 60).to_string()), ("MCP_HEALTH_TEST_SEED", seed.to_string())];
    test::run_alone(&[CHAOS_TEST], &variables)
}

/// The same seed, the same breaks.
fn breaks(seed: u64, until: Duration) -> Vec<Break> {
    let mut random = SplitMix(seed);
    let mut after = Duration::ZERO;
    let next = std::iter::from_fn(|| {
        after += Duration::from_secs(PAUSES.start + random.below(PAUSES.end - PAUSES.start));
        let server = *random.one_of(&NAMES);
        let how = *random.one_of(&How::ALL);
        Some(Break { server, how, after })
    });
    next.take_while(|one| one.after < until).collect()
}

/// The generator of `java.util.SplittableRandom`: small, seeded, good enough for a choice of moments.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let index = self.below(choices.len() as u64);
        &choices[usize::try_from(index).unwrap_or_default()]
    }
}

fn seed_of_this_moment() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_breaks_in_order_and_in_time() {
        let until = Duration::from_secs(600);
        let first = breaks(7, until);
        assert_eq!(first, breaks(7, until));
        assert_ne!(first, breaks(8, until));
        assert!(first.len() > 20 && first.is_sorted_by_key(|one| one.after));
        assert!(first.iter().all(|one| one.after < until));
    }
}
