//! `orchestrator completions`.

use clap::CommandFactory as _;

use super::args::{Arguments, Completions};
use super::{End, Outcome, print};

pub(super) fn run(arguments: &Completions) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "orchestrator", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(End::Fine)
}
