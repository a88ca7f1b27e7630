//! `health-spec schema [NAME]`.

use std::process::ExitCode;

use health_spec::schema;

use super::{Failure, USAGE};

/// Prints a JSON Schema (draft-07), as published in `schemas/`; without NAME the names of all.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  health-spec schema
  health-spec schema health-check-v1.0 > health-check.json")]
pub(super) struct Options {
    /// Which; with or without .json
    name: Option<String>,
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let all = schema::all();
    let bare = |name: &'static str| name.trim_end_matches(".json");
    let Some(name) = &options.name else {
        let names: Vec<_> = all.iter().map(|(name, _)| bare(name)).collect();
        super::print(&(names.join("\n") + "\n"))?;
        return Ok(ExitCode::SUCCESS);
    };
    let wanted = name.trim_end_matches(".json");
    let Some((_, schema)) = all.iter().find(|(name, _)| bare(name) == wanted) else {
        let names: Vec<_> = all.iter().map(|(name, _)| bare(name)).collect();
        return Err(Failure::new(USAGE, format!("there is no schema {name:?}; there are {}", names.join(", "))));
    };
    super::print(&super::pretty(schema)?)?;
    Ok(ExitCode::SUCCESS)
}
