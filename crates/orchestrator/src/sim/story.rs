//! A random world from one seed: a fleet with its policies, what happens to it, and a quiet end.
//!
//! A story is plain data. One that broke a law is kept as a file, so that it is told again for ever, whatever seeds come to mean.

use std::time::Duration;

use health_spec::config::File;
use serde::{Deserialize, Serialize};

use super::random::Random;
use super::twist::{Turn, Twist};
use super::{Setting, World};
use crate::machine::Mono;
use crate::machine::fleet::Limits;
use crate::machine::policy::{Policy, Purpose, compile};

mod change;
mod registry;

/// The longest action that a story has. It may be running when the quiet begins.
const LONGEST_ACTION: Duration = Duration::from_secs(90);

/// The longest time before one touches its server.
const LONGEST_PREPARATION: Duration = Duration::from_secs(60);

/// Everything that a world needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// Where it comes from.
    pub seed: u64,
    /// The configuration.
    pub file: File,
    /// How many recoveries at once.
    pub recoveries: usize,
    /// How many checks at once.
    pub checks: usize,
    /// Whether checks are spread.
    pub spread: bool,
    /// What happens, in the order of time; the last is [`Twist::Quiet`].
    pub turns: Vec<Turn>,
    /// The end.
    pub end: Mono,
}

impl Story {
    /// The story of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let servers = size(&mut random);
        let file = registry::registry(&mut random, servers);
        let trouble = if servers > 40 { 400 } else { random.between(300, 3_000) };
        let (turns, last) = turns(&mut random, &file, Duration::from_secs(trouble));
        let policies = compile(&last, Purpose::Simulate).unwrap_or_default();
        let bound = settles_within(policies.iter().chain(&compile(&file, Purpose::Simulate).unwrap_or_default()));
        Self {
            seed,
            file,
            recoveries: random.one_of(&[1, 2, 4, 4, 4]),
            checks: random.one_of(&[1, 4, 500, 500, 500, 500]),
            spread: random.chance(60),
            turns,
            end: Mono(Duration::from_secs(trouble)).after(bound),
        }
    }

    /// The world that it tells of. `None` when its configuration is no longer valid.
    pub fn world(&self) -> Option<World> {
        let policies = compile(&self.file, Purpose::Simulate).ok()?;
        let limits = Limits { recoveries: self.recoveries, checks: self.checks };
        let setting = Setting { limits, spread: self.spread, durable: true };
        Some(World::of(policies, self.turns.clone(), self.end, setting))
    }
}

/// How long a world may take to be well once it is quiet: the longest action is prepared and ends; a check comes, after `max_backoff` or an interval and its spread,
/// and may last `timeout`; good answers are confirmed; ten quiet intervals end flapping. With few places for checks they queue for each other.
pub fn settles_within<'a>(policies: impl Iterator<Item = &'a Policy>) -> Duration {
    let one = |policy: &Policy| {
        let look = policy.max_backoff.max(policy.interval.mul_f64(1.5)).saturating_add(policy.timeout);
        let confirm = policy.confirm_interval.max(policy.timeout).saturating_mul(policy.success_threshold + 2);
        look.saturating_add(confirm).saturating_add(policy.interval.saturating_mul(12))
    };
    let action = LONGEST_PREPARATION + LONGEST_ACTION + Duration::from_secs(5);
    policies.map(one).max().unwrap_or_default().saturating_add(action)
}

/// Mostly a few, now and then very many.
fn size(random: &mut Random) -> usize {
    let (low, high) = match random.between(0, 99) {
        0..=59 => (1, 5),
        60..=89 => (6, 14),
        90..=97 => (15, 30),
        _ => (60, 200),
    };
    usize::try_from(random.between(low, high)).unwrap_or(1)
}

/// What happens within `trouble`, and the configuration that is in force at its end.
fn turns(random: &mut Random, file: &File, trouble: Duration) -> (Vec<Turn>, File) {
    let count = 4 + file.servers.len() * usize::try_from(trouble.as_secs() / 200).unwrap_or(1) / 2;
    let mut moments: Vec<_> = (0..count.min(150)).map(|_| moment(random, trouble)).collect();
    moments.sort_unstable();
    let mut present = file.clone();
    let mut turns: Vec<_> =
        moments.into_iter().map(|at| Turn { at, twist: change::twist(random, &mut present, at, trouble) }).collect();
    turns.push(Turn { at: Mono(trouble), twist: Twist::Quiet });
    (turns, present)
}

/// Half of them on whole seconds, where timers meet.
fn moment(random: &mut Random, trouble: Duration) -> Mono {
    let milliseconds = random.between(0, u64::try_from(trouble.as_millis()).unwrap_or(u64::MAX) - 1);
    Mono(Duration::from_millis(if random.chance(50) { milliseconds / 1_000 * 1_000 } else { milliseconds }))
}
