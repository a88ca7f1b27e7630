//! An MCP server with health, to copy: `health.rs` says what it is to be well, `serve.rs` puts it beside the protocol,
//! `tools.rs` and `notes.rs` are the server itself.

mod health;
mod notes;
mod serve;
mod tools;

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::notes::Notes;
use crate::tools::Tools;

/// Keeps notes as text files: MCP at /mcp, health at /health.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Where to listen; with --stdio, for health alone.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8082")]
    listen: SocketAddr,
    /// Speak MCP on stdin and stdout.
    #[arg(long)]
    stdio: bool,
    /// Where the notes are; made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "notes")]
    notes: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("notes-server: {}", with_sources(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let notes = Notes::open(args.notes).await?;
    let health = health::of(&notes);
    let tools = Tools::new(notes, &health);
    if args.stdio { serve::stdio(args.listen, tools, &health).await } else { serve::http(args.listen, tools, &health).await }
}

/// `outer: inner: innermost`, in one line.
fn with_sources(error: &dyn Error) -> String {
    let chain = std::iter::successors(Some(error), |error| (*error).source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
