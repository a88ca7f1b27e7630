//! `orchestrator simulate`.

use orchestrator::shell::config::{LoadError, load};
use orchestrator::shell::plan::located;
use orchestrator::sim::World;

use super::args::Simulate;
use super::{End, Outcome, environment};

pub(super) fn run(arguments: &Simulate) -> Outcome {
    let loaded = load(&arguments.file, &environment)?;
    let world = World::new(&loaded.file).map_err(|issues| LoadError::Invalid(located(&loaded, issues)))?;
    let trace = world.run();
    print!("{}", if arguments.json { trace.json_lines() } else { trace.table() });
    Ok(End::Fine)
}
