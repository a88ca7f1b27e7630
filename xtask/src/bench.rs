//! `cargo xtask bench`: detection, recovery, idle cost, start-up, size, reading and serving, measured on real parts in release.
//!
//! Nothing is judged here. Every figure says what it was compared with and under which settings.

use clap::ValueEnum;

use crate::command;
use crate::engine;
use crate::interrupt::Interrupt;
use crate::outcome::Outcome;

mod answer;
pub(crate) mod bare;
mod container;
mod idle;
mod kill;
mod library;
pub(crate) mod pace;
mod report;
mod rig;
mod size;
mod startup;
mod watch;

use report::{Measurement, Report};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Measure only these
    #[arg(long, value_delimiter = ',', value_name = "PARTS")]
    only: Vec<Part>,
    /// How often a server is killed
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    kills: u32,
    /// For how long idle cost is measured
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(10..))]
    idle: u64,
}

/// A part that can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// `kill -9` of a process
    Kill,
    /// `docker kill` of a container
    Docker,
    /// A container that crashes
    Crash,
    /// A process that hangs
    Hang,
    /// CPU and memory while nothing happens
    Idle,
    /// 1,000 servers every second, 10,000 every 30 s
    Watch,
    /// A start with 1,000 servers
    Startup,
    /// The programs
    Size,
    /// Reading an answer (health-spec)
    Read,
    /// Serving an answer (health-endpoint)
    Endpoint,
    /// Deciding (the orchestrator's machine)
    Machine,
}

/// The command.
pub(crate) fn run(options: &Options) -> Outcome {
    if options.parts().any(|part| !part.is_of_a_library()) {
        command::run(command::cargo().args([
            "build",
            "--release",
            "-p",
            "orchestrator",
            "-p",
            "gateway",
            "-p",
            "sample-server",
        ]))?;
    }
    let interrupt = Interrupt::install()?;
    let mut report = Report::of_this_machine();
    for part in options.parts() {
        eprintln!("xtask: measuring {part:?} ...");
        match part.measure(options, &interrupt)? {
            Some(measurement) => report.add(measurement),
            None => report.leave_out(&format!("{part:?}: no container engine answers at {}", engine::SOCKET)),
        }
    }
    println!("{}", if options.json { report.json() } else { report.text() });
    Ok(())
}

impl Options {
    fn parts(&self) -> impl Iterator<Item = Part> {
        Part::value_variants().iter().copied().filter(|part| self.only.is_empty() || self.only.contains(part))
    }
}

impl Part {
    /// It needs none of the programs.
    fn is_of_a_library(self) -> bool {
        matches!(self, Self::Read | Self::Endpoint | Self::Machine)
    }

    /// `None`: this machine lacks what it takes.
    fn measure(self, options: &Options, interrupt: &Interrupt) -> Outcome<Option<Measurement>> {
        match self {
            Self::Kill => kill::of_a_process(options.kills, interrupt).map(Some),
            Self::Docker if engine::answers() => kill::of_a_container(options.kills, interrupt).map(Some),
            Self::Crash if engine::answers() => kill::of_a_crashing_container(options.kills, interrupt).map(Some),
            Self::Docker | Self::Crash => Ok(None),
            Self::Hang => kill::of_a_hanging_process(options.kills, interrupt).map(Some),
            Self::Idle => idle::measure(std::time::Duration::from_secs(options.idle), interrupt).map(Some),
            Self::Watch => watch::measure(std::time::Duration::from_secs(options.idle), interrupt).map(Some),
            Self::Startup => startup::measure(interrupt).map(Some),
            Self::Size => size::measure().map(Some),
            Self::Read => library::reading().map(Some),
            Self::Endpoint => library::serving().map(Some),
            Self::Machine => library::deciding().map(Some),
        }
    }
}
