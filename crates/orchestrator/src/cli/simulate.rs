//! `orchestrator simulate`.

use std::io::IsTerminal;
use std::time::Duration;

use health_spec::config::File;
use health_spec::registry::ServerEntry;
use jiff::Timestamp;
use orchestrator::machine::Mono;
use orchestrator::machine::fleet::Limits;
use orchestrator::machine::policy::max_concurrent;
use orchestrator::shell::config::draft;
use orchestrator::shell::maintenance::Maintenance;
use orchestrator::sim::chart::chart;
use orchestrator::sim::{Setting, Window, World};

use super::args::Simulate;
use super::{End, Outcome, environment, print, variable};

/// Where virtual time begins when `simulate.start` does not say: a Monday.
const START: Timestamp = Timestamp::constant(4 * 86_400, 0);

/// Where there is no terminal to ask.
const WIDTH: usize = 100;

pub(super) fn run(arguments: &Simulate) -> Outcome {
    let draft = draft(&arguments.files, &variable)?;
    let setting = setting(&draft.loaded.file);
    let world = World::scripted(&draft.loaded.file, setting, &windows(&draft.loaded.file));
    draft.judge(world.as_ref().err().cloned().unwrap_or_default())?;
    // What is broken elsewhere may have hidden why there is no world; then the file was refused above.
    let world = world.map_err(|_| "the file makes no world")?;
    let trace = world.run();
    if arguments.json {
        print(&trace.json_lines())?;
    } else {
        let colour = std::io::stdout().is_terminal() && environment("NO_COLOR").is_none();
        print(&format!("{}\n{}", trace.table(), chart(&trace, width(), colour)))?;
    }
    Ok(End::Fine)
}

fn setting(file: &File) -> Setting {
    let recoveries = usize::try_from(max_concurrent(file)).unwrap_or(usize::MAX);
    Setting { limits: Limits { recoveries, ..Limits::default() }, ..Setting::default() }
}

/// The maintenance windows of the time that is simulated. What is wrong with them is not said here: nothing checks a simulation's calendar.
fn windows(file: &File) -> Vec<Window> {
    let Some(simulate) = &file.simulate else { return Vec::new() };
    let start = simulate.start.unwrap_or(START);
    let maintenance = Maintenance::compile(file, &mut Vec::new());
    let moment = |at: Timestamp| Mono(Duration::try_from(at.duration_since(start)).unwrap_or_default());
    let end = start.checked_add(simulate.duration_seconds.0).unwrap_or(Timestamp::MAX);
    let of = |entry: &ServerEntry| {
        let windows = maintenance.within(&entry.name, start, end).into_iter();
        windows
            .map(|(from, until)| Window { server: entry.name.clone(), from: moment(from), until: moment(until) })
            .collect::<Vec<_>>()
    };
    file.servers.iter().flat_map(of).collect()
}

fn width() -> usize {
    let columns = || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
    columns().filter(|columns| *columns > 0).unwrap_or(WIDTH)
}
