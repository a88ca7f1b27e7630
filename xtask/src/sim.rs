//! `cargo xtask sim`: random worlds under the laws, as many as one likes. A world that breaks one is kept, and tested for ever.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use orchestrator::sim::proof::{Played, prove};
use orchestrator::sim::story::Story;
use serde_json::Value;

use crate::command;
use crate::outcome::{Context, Failure, Outcome};
use crate::workspace;

/// How often progress is said.
const PROGRESS: Duration = Duration::from_secs(5);

/// After so many it stops.
const MOST_FAILURES: usize = 10;

/// Which worlds.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many
    #[arg(long, default_value_t = 10_000)]
    pub(crate) seeds: u64,
    /// The first one
    #[arg(long, default_value_t = 0)]
    pub(crate) from: u64,
    /// Play one, and show what happens in it
    #[arg(long, value_name = "SEED")]
    pub(crate) replay: Option<u64>,
    /// Play here, as this program was built
    #[arg(long, hide = true)]
    pub(crate) here: bool,
}

/// The command.
pub(crate) fn run(options: &Options) -> Outcome {
    if options.here {
        return match options.replay {
            Some(seed) => replay(seed),
            None => sweep(options.from, options.seeds),
        };
    }
    let mut cargo = command::cargo();
    cargo.args(["run", "--quiet", "--profile", "sim", "-p", "xtask", "--", "sim", "--here"]);
    cargo.args(["--seeds", &options.seeds.to_string(), "--from", &options.from.to_string()]);
    if let Some(seed) = options.replay {
        cargo.args(["--replay", &seed.to_string()]);
    }
    command::run(&mut cargo)
}

fn sweep(from: u64, seeds: u64) -> Outcome {
    let began = Instant::now();
    let (next, stop) = (AtomicU64::new(from), AtomicBool::new(false));
    let (steps, failures) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + seeds {
                break;
            }
            match play(seed) {
                Ok(played) => _ = steps.fetch_add(played.steps, Ordering::Relaxed),
                Err(how) => {
                    eprintln!("{how}\n  again: cargo xtask sim --replay {seed}");
                    let mut failures = failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    failures.push(seed);
                    stop.store(failures.len() >= MOST_FAILURES, Ordering::Relaxed);
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // It ends when the last worker has dropped its sender.
    let (alive, ended) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        for alive in std::iter::repeat_n(alive, threads) {
            let work = &work;
            scope.spawn(move || {
                work();
                drop(alive);
            });
        }
        while ended.recv_timeout(PROGRESS) == Err(RecvTimeoutError::Timeout) {
            eprintln!(
                "xtask sim: {} of {seeds} worlds, {} steps",
                next.load(Ordering::Relaxed) - from,
                steps.load(Ordering::Relaxed)
            );
        }
    });
    let mut failures = failures.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    failures.sort_unstable();
    let Some(seed) = failures.first() else {
        println!(
            "xtask sim: {seeds} worlds from seed {from}, {} steps, {} s: every law holds",
            steps.into_inner(),
            began.elapsed().as_secs()
        );
        return Ok(());
    };
    let kept = keep(*seed)?;
    Err(Failure::new(format!("seed {seed} breaks a law; it is kept as {}", kept.display())))
}

/// A panic of the machine is a broken law too.
fn play(seed: u64) -> Result<Played, String> {
    let story = Story::of(seed);
    match catch_unwind(AssertUnwindSafe(|| prove(&story))) {
        Ok(Ok(played)) => Ok(played),
        Ok(Err(broken)) => Err(format!("seed {seed}: {broken}")),
        Err(_) => Err(format!("seed {seed}: the machine has panicked")),
    }
}

/// The tests play everything in this folder.
fn keep(seed: u64) -> Outcome<PathBuf> {
    let path = workspace::root().join(format!("crates/orchestrator/tests/vectors/worlds/{seed}.json"));
    let mut story = serde_json::to_value(Story::of(seed)).context("write the world down")?;
    leave_out_nulls(&mut story);
    std::fs::write(&path, format!("{story}\n")).context(format_args!("write {}", path.display()))?;
    Ok(path)
}

/// A setting that is not given reads as null.
fn leave_out_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(leave_out_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_nulls),
        _ => {}
    }
}

fn replay(seed: u64) -> Outcome {
    let story = Story::of(seed);
    println!("seed {seed}: {} servers, {} turns, {} s", story.file.servers.len(), story.turns.len(), story.end.0.as_secs());
    for turn in &story.turns {
        let twist = format!("{:?}", turn.twist);
        println!("{:>10.3}  {}", turn.at.0.as_secs_f64(), twist.chars().take(160).collect::<String>());
    }
    if let Some(world) = story.world() {
        print!("{}", world.traced().run().table());
    }
    play(seed).map(|played| println!("{} steps, every law holds", played.steps)).map_err(Failure::new)
}
