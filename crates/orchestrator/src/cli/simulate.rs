//! `orchestrator simulate`.

use orchestrator::shell::config::draft;
use orchestrator::sim::World;

use super::args::Simulate;
use super::{End, Outcome, variable};

pub(super) fn run(arguments: &Simulate) -> Outcome {
    let draft = draft(&arguments.files, &variable)?;
    let world = World::new(&draft.loaded.file);
    draft.judge(world.as_ref().err().cloned().unwrap_or_default())?;
    // What is broken elsewhere may have hidden why there is no world; then the file was refused above.
    let world = world.map_err(|_| "the file makes no world")?;
    let trace = world.run();
    print!("{}", if arguments.json { trace.json_lines() } else { trace.table() });
    Ok(End::Fine)
}
