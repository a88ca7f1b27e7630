//! `cargo xtask`: everything that a developer or a build machine runs. One command, one file.
//!
//! Nothing here ships. The commands start the real programs and watch them from outside, over HTTP and `/proc`.
#![expect(clippy::disallowed_methods, reason = "a tool that measures and reads the environment; the rule is for the daemons")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod api;
mod bench;
mod ci;
mod command;
mod demo;
mod engine;
mod event;
mod interrupt;
mod mutate;
mod orchestrator;
mod outcome;
mod proc;
mod registry;
mod schemas;
mod sim;
mod soak;
mod test;
mod workspace;

use outcome::Outcome;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Five real servers, one orchestrator, a dashboard; failures and recoveries as they happen
    Demo(demo::Options),
    /// Install what is missing, then run every test
    Test(test::Options),
    /// Everything that must pass before a change lands
    Ci(ci::Options),
    /// Write the published schemas, or check that they are up to date
    Schemas(schemas::Options),
    /// Random worlds under the laws of the machine
    Sim(sim::Options),
    /// Break the machine in plausible ways, and see which test notices
    Mutate(mutate::Options),
    /// Break the demo's servers at random for a while, or kill the orchestrator at random instants
    Soak(soak::Options),
    /// Measure detection, recovery, idle cost, start-up, size, reading and serving on real parts
    Bench(bench::Options),
    /// The bare client that `bench` compares with
    #[command(hide = true)]
    Pace(bench::pace::Options),
    /// The bare client that watching is compared with
    #[command(hide = true)]
    Bare(bench::bare::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: Command) -> Outcome {
    match command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Ci(options) => ci::run(&options),
        Command::Schemas(options) => schemas::run(&options),
        Command::Sim(options) => sim::run(&options),
        Command::Mutate(options) => mutate::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Pace(options) => bench::pace::run(&options),
        Command::Bare(options) => bench::bare::run(&options),
    }
}
