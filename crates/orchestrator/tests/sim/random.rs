//! Random worlds from seeds, and those that once broke a law. `cargo xtask sim` plays as many as one likes.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use orchestrator::sim::proof::{fingerprint, prove};
use orchestrator::sim::story::Story;

/// How many in every test run.
const SEEDS: u64 = 500;

#[test]
fn the_laws_hold_in_every_world() {
    let next = AtomicU64::new(0);
    let work = || {
        let seeds = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed)).take_while(|seed| *seed < SEEDS);
        for seed in seeds {
            if let Err(broken) = prove(&Story::of(seed)) {
                panic!("seed {seed}: {broken}\nagain: cargo xtask sim --replay {seed}");
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| _ = scope.spawn(work));
    });
}

#[test]
fn worlds_that_once_broke_a_law_keep_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/worlds");
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let story: Story = serde_json::from_str(&std::fs::read_to_string(&path).expect("readable")).expect("a story");
        if let Err(broken) = prove(&story) {
            panic!("{}: {broken}", path.display());
        }
    }
}

/// Invariant: same arguments, same answer.
#[test]
fn the_same_seed_has_the_same_trace() {
    for seed in 0..20 {
        assert_eq!(fingerprint(&Story::of(seed)), fingerprint(&Story::of(seed)), "seed {seed}");
    }
    assert_ne!(fingerprint(&Story::of(1)), fingerprint(&Story::of(2)));
}
