//! `cargo xtask demo`: five real MCP servers, one orchestrator, a dashboard, and what happens to them.
//!
//! It decides nothing about health: everything it says was read from the orchestrator's API.

use std::net::SocketAddr;
use std::time::Duration;

use crate::command;
use crate::interrupt::Interrupt;
use crate::outcome::{Failure, Outcome};

pub(crate) mod breakage;
mod cast;
mod line;
mod show;
mod stage;
mod verdict;

use breakage::Break;
pub(crate) use cast::NAMES;
use show::Show;
use stage::Stage;

/// How to play it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// End by itself after this long, with a verdict as exit code
    #[arg(long = "for", value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// Break a server once all are up: crash, hang or down
    #[arg(long = "break", value_name = "NAME=HOW")]
    breaks: Vec<Break>,
    /// Where the dashboard listens [default: 127.0.0.1:8080, or a free port when that is taken]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

/// What a demo does, decided before anything is built.
pub(crate) struct Plan {
    /// When it ends by itself.
    pub(crate) duration: Option<Duration>,
    /// What is broken, and when.
    pub(crate) breaks: Vec<Break>,
    /// Where the dashboard must listen, if that was asked for.
    pub(crate) listen: Option<SocketAddr>,
}

/// The command.
pub(crate) fn run(options: &Options) -> Outcome {
    let breaks = breakage::in_turn(&options.breaks);
    play(&Plan { duration: options.seconds.map(Duration::from_secs), breaks, listen: options.listen })
}

/// Builds, plays, sums up, stops everything.
pub(crate) fn play(plan: &Plan) -> Outcome {
    command::run(command::cargo().args(["build", "-p", "orchestrator", "-p", "sample-server"]))?;
    let interrupt = Interrupt::install()?;
    let stage = Stage::set(plan.listen)?;
    let mut orchestrator = stage.start()?;
    let ready = orchestrator.wait_until_ready(&[stage.dashboard_url(), format!("{}/health", stage.api_url())], &interrupt);
    let played = ready.and_then(|()| {
        stage.announce(orchestrator.log());
        let mut show = Show::new(&stage, plan);
        show.run(&mut orchestrator, &interrupt)?;
        show.sum_up()
    });
    if played.is_err() && orchestrator.check_alive().is_err() {
        stage.remove_leftovers();
        return played;
    }
    let stopped = orchestrator.stop();
    let left = stage.remove_leftovers();
    let clean = if left == 0 { Ok(()) } else { Err(Failure::new(format!("{left} sample servers were left running"))) };
    played.and(stopped).and(clean)
}
