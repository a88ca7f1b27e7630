//! Licences, bans and sources, checked by a pinned `cargo-deny` that is built once and kept.

use std::path::{Path, PathBuf};

use crate::command::{self, program};
use crate::outcome::Outcome;
use crate::workspace;

/// Another version may read `deny.toml` differently.
const VERSION: &str = "0.20.2";

/// Advisories are left out: they come over the network and change without us.
pub(super) fn check() -> Outcome {
    command::run(program(tool()?).args(["--workspace", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"]))
}

fn tool() -> Outcome<PathBuf> {
    let tools = workspace::own_folder()?.join("tools");
    let kept = tools.join("bin/cargo-deny");
    let candidates = workspace::which("cargo-deny").into_iter().chain([kept.clone()]);
    if let Some(found) = candidates.into_iter().find(|candidate| is_right_version(candidate)) {
        return Ok(found);
    }
    let package = format!("cargo-deny@{VERSION}");
    command::run_with_retries(|| {
        let mut cargo = command::cargo();
        cargo.args(["install", "--locked", &package, "--root"]).arg(&tools);
        cargo
    })?;
    Ok(kept)
}

fn is_right_version(candidate: &Path) -> bool {
    candidate.is_file()
        && command::capture(program(candidate).arg("--version")).is_ok_and(|text| text.trim() == format!("cargo-deny {VERSION}"))
}
