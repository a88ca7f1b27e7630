//! A small real MCP server with `/health` on the same port, that can be told to fail.
//!
//! Read `health` and `serve` to see how a server embeds health; `faults` is what makes it a test subject.

mod args;
mod faults;
mod health;
mod serve;
mod tools;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match serve::run(args::Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sample-server: {}", with_sources(&error));
            ExitCode::FAILURE
        }
    }
}

/// `outer: inner: innermost`, in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
