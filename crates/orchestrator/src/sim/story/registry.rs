//! A random fleet with its policies.

use health_spec::config::{Backoff, Budget, File, HealthCheck, Hook, Mode, OnExitZero, Recovery, Seconds, Strategies, Strategy};
use health_spec::registry::{Runtime, RuntimeKind, ServerEntry};
use serde_json::json;

use crate::machine::policy::{Purpose, compile};
use crate::sim::random::Random;

/// A valid configuration of so many servers.
pub(super) fn registry(random: &mut Random, servers: usize) -> File {
    let mut file = File { health_check: checks(random), recovery: recovery(random, false), ..File::default() };
    if !is_valid(&file, &ServerEntry { name: "s".to_owned(), ..ServerEntry::default() }) {
        file.recovery.budget = None;
    }
    for number in 0..servers {
        let server = entry(random, number, &file);
        file.servers.push(server);
    }
    file
}

/// One more server; it may depend on those before it.
pub(super) fn entry(random: &mut Random, number: usize, file: &File) -> ServerEntry {
    let mut entry = ServerEntry { name: format!("s{number}"), ..ServerEntry::default() };
    if random.chance(25) && !file.servers.is_empty() {
        entry.depends_on.push(file.servers[random.place(file.servers.len())].name.clone());
    }
    if random.chance(30) {
        entry.health_check = checks(random);
    }
    if random.chance(30) {
        // `max_attempts` of the file stands beside a schedule of the server, which is a mistake.
        entry.recovery = recovery(random, file.recovery.max_attempts.is_some());
    }
    // A budget that can never bite is a mistake.
    if !is_valid(file, &entry) {
        entry.recovery.budget = None;
    }
    if !is_valid(file, &entry) {
        entry.recovery = Recovery::default();
    }
    if random.chance(50) {
        entry.health_url = Some(format!("http://host{}:80/health", random.between(0, 2)));
    }
    if random.chance(40) {
        entry.runtime = docker(&entry.name);
    }
    entry
}

fn is_valid(file: &File, entry: &ServerEntry) -> bool {
    let alone = ServerEntry { depends_on: Vec::new(), ..entry.clone() };
    compile(&File { servers: vec![alone], ..file.clone() }, Purpose::Simulate).is_ok()
}

fn docker(name: &str) -> Option<Runtime> {
    let runtime = json!({ "kind": RuntimeKind::Docker, "container": name });
    serde_json::from_value(runtime).ok()
}

fn seconds(random: &mut Random, low: u64, high: u64) -> Seconds {
    Seconds(random.seconds(low, high))
}

fn checks(random: &mut Random) -> HealthCheck {
    let interval = random.between(3, 60);
    let start = random.one_of(&[0, 0, 5, 30, 45]);
    HealthCheck {
        interval_seconds: Some(Seconds::new(interval)),
        timeout_seconds: Some(seconds(random, 1, 8)),
        failure_threshold: Some(u32::try_from(random.between(1, 4)).unwrap_or(1)),
        success_threshold: Some(u32::try_from(random.between(1, 4)).unwrap_or(1)),
        confirm_interval_seconds: Some(seconds(random, 1, 3.min(interval))),
        start_period_seconds: Some(Seconds::new(start)),
        max_backoff_seconds: Some(seconds(random, 60, 150)),
    }
}

fn recovery(random: &mut Random, exponential: bool) -> Recovery {
    let (backoff, max_attempts, attempts) = backoff(random, exponential);
    // Some windows pass within the story. A budget that can never be reached is a mistake, so those are of one attempt.
    let budget = if random.chance(50) {
        Budget { attempts: 1, window_seconds: seconds(random, 60, 600) }
    } else {
        let attempts = u32::try_from(random.between(1, u64::from(attempts))).unwrap_or(1);
        Budget { attempts, window_seconds: seconds(random, 3_600, 7_200) }
    };
    let strategy = strategies(random);
    Recovery {
        enabled: Some(random.chance(93)),
        mode: Some(if random.chance(7) { Mode::Observe } else { Mode::Act }),
        // The hook of a server that never runs it is a mistake.
        repair: strategy.contains(Strategy::Repair).then(|| Hook { command: Some(vec!["repair".to_owned()]), ..Hook::default() }),
        strategy: Some(strategy),
        backoff: Some(backoff),
        max_attempts,
        // At least the longest start period that `checks` has.
        verify_timeout_seconds: Some(seconds(random, 45, 70)),
        reset_after_seconds: Some(seconds(random, 30, 600)),
        budget: random.chance(50).then_some(budget),
        on_exit_zero: Some(if random.chance(30) { OnExitZero::Stop } else { OnExitZero::Restart }),
        start_stopped: Some(random.chance(50)),
        ..Recovery::default()
    }
}

fn strategies(random: &mut Random) -> Strategies {
    match random.between(0, 99) {
        0..=4 => return Strategy::Manual.into(),
        5..=59 => return Strategy::Restart.into(),
        _ => {}
    }
    let rungs =
        (0..random.between(1, 3)).map(|_| random.one_of(&[Strategy::Repair, Strategy::Restart, Strategy::Recreate])).collect();
    Strategies::of(rungs).unwrap_or(Strategy::Restart.into())
}

/// With its number of attempts.
fn backoff(random: &mut Random, exponential: bool) -> (Backoff, Option<u32>, u32) {
    let attempts = u32::try_from(random.between(1, 5)).unwrap_or(1);
    if !exponential && random.chance(60) {
        let schedule = (0..attempts).map(|_| seconds(random, 0, 30)).collect();
        return (Backoff { schedule: Some(schedule), ..Backoff::default() }, None, attempts);
    }
    let exponential = Backoff {
        initial_delay: Some(seconds(random, 1, 5)),
        multiplier: Some(random.one_of(&[1.0, 1.5, 2.0, 3.0])),
        max_delay: Some(seconds(random, 20, 60)),
        ..Backoff::default()
    };
    (exponential, Some(attempts), attempts)
}
