//! `orchestrator simulate`.

use std::io::IsTerminal;

use orchestrator::shell::config::{LoadError, load};
use orchestrator::shell::plan::located;
use orchestrator::sim::chart::chart;
use orchestrator::sim::{Setting, World};

use super::args::Simulate;
use super::{End, Outcome, environment};

/// Where there is no terminal to ask.
const WIDTH: usize = 100;

pub(super) fn run(arguments: &Simulate) -> Outcome {
    let loaded = load(&arguments.file, &environment)?;
    // Maintenance windows go here, once the calendar says when they are open.
    let world = World::scripted(&loaded.file, Setting::default(), &[]);
    let world = world.map_err(|issues| LoadError::Invalid(located(&loaded, issues)))?;
    let trace = world.run();
    if arguments.json {
        print!("{}", trace.json_lines());
    } else {
        let colour = std::io::stdout().is_terminal() && environment("NO_COLOR").is_none();
        print!("{}\n{}", trace.table(), chart(&trace, width(), colour));
    }
    Ok(End::Fine)
}

fn width() -> usize {
    let columns = || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
    columns().filter(|columns| *columns > 0).unwrap_or(WIDTH)
}
