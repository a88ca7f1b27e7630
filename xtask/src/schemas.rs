//! `cargo xtask schemas`: the published schemas, generated from the types.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::command;
use crate::outcome::{Context, Failure, Outcome};
use crate::workspace;

/// Write or compare.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write nothing; fail when the committed files differ
    #[arg(long)]
    check: bool,
}

/// The command.
pub(crate) fn run(options: &Options) -> Outcome {
    if options.check { check() } else { generate(&published()) }
}

/// Whether the committed files are what the types say.
pub(crate) fn check() -> Outcome {
    let fresh = workspace::own_folder()?.join("schemas");
    let _was_not_there = fs::remove_dir_all(&fresh);
    generate(&fresh)?;
    let drift = drift(&files(&published())?, &files(&fresh)?);
    if drift.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("schemas differ from the types:\n  {}\nrun `cargo xtask schemas` and commit", drift.join("\n  "))))
}

fn published() -> std::path::PathBuf {
    workspace::root().join("schemas")
}

fn generate(folder: &Path) -> Outcome {
    fs::create_dir_all(folder).context(format_args!("create {}", folder.display()))?;
    let mut cargo = command::cargo();
    cargo.args(["run", "--quiet", "-p", "health-spec", "--features", "schema", "--example", "schemas", "--"]).arg(folder);
    command::run(&mut cargo)
}

fn files(folder: &Path) -> Outcome<BTreeMap<String, String>> {
    let doing = || format!("read {}", folder.display());
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).context(doing())? {
        let path = entry.context(doing())?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(name, fs::read_to_string(&path).context(format_args!("read {}", path.display()))?);
        }
    }
    Ok(files)
}

/// A line per file that is not the same on both sides.
fn drift(committed: &BTreeMap<String, String>, fresh: &BTreeMap<String, String>) -> Vec<String> {
    let changed = fresh.iter().filter_map(|(name, text)| match committed.get(name) {
        Some(old) if old == text => None,
        Some(_) => Some(format!("schemas/{name}: changed")),
        None => Some(format!("schemas/{name}: missing")),
    });
    let gone = committed
        .keys()
        .filter(|name| !fresh.contains_key(*name))
        .map(|name| format!("schemas/{name}: no longer generated; remove it"));
    changed.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_names_changed_missing_and_left_over_files() {
        let of = |files: &[(&str, &str)]| files.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
        let found = drift(&of(&[("same", "1"), ("old", "1"), ("gone", "1")]), &of(&[("same", "1"), ("old", "2"), ("new", "1")]));
        assert_eq!(found, ["schemas/new: missing", "schemas/old: changed", "schemas/gone: no longer generated; remove it"]);
    }
}
