//! What happens in a story: trouble of every kind.

use std::time::Duration;

use health_spec::config::{Becomes, File, RestartEffect, RestartResult, Seconds, Strategy};

use super::{LONGEST_ACTION, LONGEST_PREPARATION, registry};
use crate::machine::memory::Cut;
use crate::machine::{Command, Death, Mono, Word};
use crate::sim::random::Random;
use crate::sim::twist::{Change, Twist};

/// Something that happens at `at`; `present` is the configuration in force, which a reload changes.
pub(super) fn twist(random: &mut Random, present: &mut File, at: Mono, trouble: Duration) -> Twist {
    match random.between(0, 99) {
        0..=4 => reload(random, present),
        5..=9 => maintenance(random, present, at, trouble),
        10..=12 => Twist::NetworkLost(later(random, at, trouble, 300)),
        13..=18 => Twist::Crash { until: later(random, at, trouble, 60), done: random.chance(50) },
        19 => Twist::Blind(later(random, at, trouble, 60)),
        20..=22 => Twist::Engine(0, random.chance(50)),
        23..=24 => Twist::Disk(random.chance(60)),
        25 => cut(random, present),
        _ => Twist::Server(name(random, present), change(random, at, trouble)),
    }
}

fn later(random: &mut Random, at: Mono, trouble: Duration, most: u64) -> Mono {
    Mono(at.after(random.seconds(0, most)).0.min(trouble))
}

fn name(random: &mut Random, file: &File) -> String {
    file.servers[random.place(file.servers.len())].name.clone()
}

fn maintenance(random: &mut Random, file: &File, at: Mono, trouble: Duration) -> Twist {
    let until = random.chance(60).then(|| later(random, at, trouble, 600));
    Twist::Maintenance(name(random, file), until)
}

fn change(random: &mut Random, at: Mono, trouble: Duration) -> Change {
    match random.between(0, 99) {
        0..=23 => Change::Becomes(becomes(random)),
        24..=29 => Change::Prepares(Seconds(random.seconds(0, LONGEST_PREPARATION.as_secs()))),
        30..=42 => Change::Says(died(random)),
        43 => Change::Says(Word::AskedToEnd(None)),
        44 => Change::Says(Word::AskedToEnd(Some(random.seconds(0, 300)))),
        45 => Change::Says(Word::Killed),
        46..=54 => Change::Restart(restart(random)),
        55..=58 => Change::Flaps(Seconds(random.seconds(0, 40))),
        59..=62 => Change::Boots(Seconds(random.seconds(0, 50))),
        63..=66 => Change::Lags(Seconds(Duration::from_millis(random.between(0, 9_000)))),
        67 => Change::Late(Seconds(Duration::from_millis(random.between(0, 9_000)))),
        68..=69 => Change::Asks(Seconds(random.seconds(0, 200))),
        70..=72 => Change::Talks(random.chance(70)),
        73..=76 => Change::Says(Word::Stopped),
        77..=82 => Change::Says(Word::Started),
        _ => Change::Wants(command(random, at, trouble)),
    }
}

fn becomes(random: &mut Random) -> Becomes {
    use Becomes::{Degraded, Down, Hang, Http500, Invalid, NeedsAuth, Ok, Overloaded, Refuse, Stale};
    random.one_of(&[Ok, Ok, Ok, Degraded, Overloaded, NeedsAuth, Down, Http500, Refuse, Stale, Invalid, Hang, Hang])
}

fn died(random: &mut Random) -> Word {
    let exit_code = Some(random.one_of(&[0, 0, 1, 137]));
    let (comes_back, oom_killed, retracts_stop) = (random.chance(20), random.chance(5), random.chance(10));
    Word::Died(Death { exit_code, oom_killed, comes_back, retracts_stop, ..Death::default() })
}

/// Another one's network was its own, and was taken away.
fn cut(random: &mut Random, file: &File) -> Twist {
    let (follower, leader) = (name(random, file), name(random, file));
    let strategy = random.one_of(&[Strategy::Restart, Strategy::Recreate]);
    let word = if follower == leader { Word::Started } else { Word::Cut(Cut { leader, strategy, before: None }) };
    Twist::Server(follower, Change::Says(word))
}

fn restart(random: &mut Random) -> RestartEffect {
    use RestartResult::{Error, Fixes, NoEffect};
    RestartEffect {
        result: Some(random.one_of(&[Fixes, Fixes, NoEffect, NoEffect, Error])),
        takes_seconds: Some(Seconds(
            random.seconds(0, LONGEST_ACTION.as_secs()).min(random.seconds(0, LONGEST_ACTION.as_secs())),
        )),
    }
}

fn command(random: &mut Random, at: Mono, trouble: Duration) -> Command {
    let by = "somebody".to_owned();
    match random.between(0, 9) {
        0..=3 => {
            let until = random.chance(70).then(|| later(random, at, trouble, 400));
            Command::Pause { until, by, reason: None }
        }
        4..=6 => Command::Resume { by },
        7 | 8 => Command::Restart { by },
        _ => Command::Check { by },
    }
}

/// One server is added, changed or removed.
fn reload(random: &mut Random, present: &mut File) -> Twist {
    let place = random.place(present.servers.len());
    match random.between(0, 2) {
        0 if present.servers.len() > 1 => {
            let gone = present.servers.remove(place).name;
            present.servers.iter_mut().for_each(|entry| entry.depends_on.retain(|name| *name != gone));
        }
        1 => {
            let other = registry::entry(random, place, &File { servers: vec![], ..present.clone() });
            let (name, depends_on) = (present.servers[place].name.clone(), present.servers[place].depends_on.clone());
            present.servers[place] =
                health_spec::registry::ServerEntry { name, depends_on, runtime: present.servers[place].runtime.clone(), ..other };
        }
        _ => {
            let number = present.servers.len() + random.place(40);
            let taken = present.servers.iter().any(|entry| entry.name == format!("s{number}"));
            if !taken {
                let entry = registry::entry(random, number, present);
                present.servers.push(entry);
            }
        }
    }
    Twist::Reload(Box::new(present.clone()))
}
