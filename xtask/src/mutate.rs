//! `cargo xtask mutate`: breaks the machine in plausible ways, one after the other, in a copy, and says which test notices.
//!
//! A mutant that survives is a rule that nothing guards. The list in `docs/testing.md` is what this prints.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::command;
use crate::outcome::{Context, Failure, Outcome};
use crate::workspace;

mod mutants;

use mutants::{MUTANTS, Mutant};

/// Which mutants.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only those whose name contains this
    #[arg(long, value_name = "WORD", default_value = "")]
    only: String,
}

/// The command.
pub(crate) fn run(options: &Options) -> Outcome {
    let chosen: Vec<_> = MUTANTS.iter().filter(|mutant| mutant.name.contains(&options.only)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = MUTANTS.iter().map(|mutant| mutant.name).collect();
        return Err(Failure::new(format!("no name contains `{}`; there are: {}", options.only, names.join("; "))));
    }
    let folder = workspace::target().join("mutate");
    copy(&folder)?;
    let mut survivors = Vec::new();
    println!("| what is broken | caught by |\n| --- | --- |");
    for mutant in chosen {
        let caught = try_out(&folder, mutant)?;
        println!("| {} | {} |", mutant.name, shown(&caught));
        if caught.is_empty() {
            survivors.push(mutant.name);
        }
    }
    if survivors.is_empty() { Ok(()) } else { Err(Failure::new(format!("nothing notices: {}", survivors.join("; ")))) }
}

/// The laws first, and no more than fit a line.
fn shown(caught: &[String]) -> String {
    const FIRST: usize = 3;
    let (laws, tests): (Vec<_>, Vec<_>) = caught.iter().partition(|name| name.starts_with("law"));
    let mut all: Vec<&str> = laws.into_iter().chain(tests).map(String::as_str).collect();
    let more = match all.len().saturating_sub(FIRST) {
        0 => String::new(),
        1 => "1 more test".to_owned(),
        more => format!("{more} more tests"),
    };
    all.truncate(FIRST);
    all.extend((!more.is_empty()).then_some(&*more));
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

/// The tracked files as they are now, so that the working copy is never touched.
fn copy(folder: &Path) -> Outcome {
    fs::create_dir_all(folder).context(format_args!("create {}", folder.display()))?;
    let mut archive = command::program("sh");
    archive.args(["-c", "git ls-files -z | xargs -0 tar -cf - | tar -xf - -C \"$0\""]).arg(folder);
    command::run(&mut archive)
}

fn try_out(folder: &Path, mutant: &Mutant) -> Outcome<Vec<String>> {
    let path = folder.join("crates/orchestrator/src/machine").join(mutant.file);
    let sound = fs::read_to_string(&path).context(format_args!("read {}", path.display()))?;
    if sound.matches(mutant.from).count() != 1 {
        return Err(Failure::new(format!("{}: {} does not hold its text exactly once", mutant.name, mutant.file)));
    }
    let write = |text: &str| fs::write(&path, text).context(format_args!("write {}", path.display()));
    write(&sound.replace(mutant.from, mutant.to))?;
    let output = test(folder);
    write(&sound)?;
    noticed(&output?, mutant)
}

fn test(folder: &Path) -> Outcome<Output> {
    let mut cargo: Command = command::cargo();
    cargo.current_dir(folder).env("CARGO_TARGET_DIR", folder.join("target"));
    cargo.args([
        "test",
        "--no-fail-fast",
        "-p",
        "orchestrator",
        "--no-default-features",
        "--features",
        "sim",
        "--lib",
        "--test",
        "sim",
    ]);
    // A mutant may go round in circles.
    let words = std::iter::once("600".into()).chain(std::iter::once(cargo.get_program().to_owned()));
    let mut limited = command::program("timeout");
    limited.args(words).args(cargo.get_args()).current_dir(folder).env("CARGO_TARGET_DIR", folder.join("target"));
    limited.output().context("run the tests")
}

/// Tests that failed, and laws that were broken.
fn noticed(output: &Output, mutant: &Mutant) -> Outcome<Vec<String>> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if text.contains("could not compile") {
        return Err(Failure::new(format!("{}: the mutant does not compile\n{text}", mutant.name)));
    }
    let laws = text.lines().filter_map(|line| Some(format!("law `{}`", line.split_once("law `")?.1.split('`').next()?)));
    let tests =
        text.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED").map(|name| format!("`{name}`")));
    let slow = (output.status.code() == Some(124)).then(|| "it never ends".to_owned());
    let mut noticed: Vec<_> = laws.chain(tests).chain(slow).filter(|name| !name.contains("the_laws_hold")).collect();
    noticed.sort();
    noticed.dedup();
    Ok(noticed)
}
