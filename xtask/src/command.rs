//! Other programs: run them and say which one failed.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::outcome::{Context, Failure, Outcome};
use crate::workspace;

/// The cargo that started us, in the repository. What it has told us about our own package is not passed on: build scripts would take that
/// for a change, and whatever needs them would be built again.
pub(crate) fn cargo() -> Command {
    let mut cargo = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let told = std::env::vars_os().map(|(name, _)| name).filter(|name| is_of_a_package(name));
    told.for_each(|name| _ = cargo.env_remove(name));
    cargo
}

fn is_of_a_package(name: &OsStr) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"]
        .iter()
        .any(|prefix| name.to_string_lossy().starts_with(prefix))
}

/// A program, started in the repository, without stdin.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(workspace::root()).stdin(Stdio::null());
    command
}

/// Runs it with its output going through; anything but success is a failure that names the command.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let line = line(command);
    eprintln!("$ {line}");
    let status = command.status().context(format_args!("run `{line}`"))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{line}` failed ({status})"))) }
}

/// Runs it a few times if need be: for whatever crosses a network.
pub(crate) fn run_with_retries(mut command: impl FnMut() -> Command) -> Outcome {
    const TRIES: u32 = 3;
    for again in (1..TRIES).rev() {
        match run(&mut command()) {
            Ok(()) => return Ok(()),
            Err(failure) => eprintln!("xtask: {}; trying again ({again} left)", failure.message()),
        }
        std::thread::sleep(std::time::Duration::from_secs(5));
    }
    run(&mut command())
}

/// Its stdout; stderr goes through.
pub(crate) fn capture(command: &mut Command) -> Outcome<String> {
    let line = line(command);
    let output = command.stderr(Stdio::inherit()).output().context(format_args!("run `{line}`"))?;
    if !output.status.success() {
        return Err(Failure::new(format!("`{line}` failed ({})", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether it runs and succeeds; nothing is shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// As one would type it.
fn line(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(key, value)| Some(format!("{}=\"{}\"", key.display(), value?.display())));
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args()).map(|word| word.to_string_lossy().into_owned());
    set.chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cargo_within_a_cargo_is_told_nothing_of_our_package() {
        let unset: Vec<_> = cargo().get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name.to_owned()).collect();
        assert!(unset.iter().any(|name| name == "CARGO_PKG_NAME") && unset.iter().all(|name| is_of_a_package(name)), "{unset:?}");
    }

    #[test]
    fn a_failure_names_the_command_as_one_would_type_it() {
        let failure = run(program("/bin/false").args(["--now", "x"]).env("A", "b")).expect_err("false fails");
        assert!(failure.message().starts_with("`A=\"b\" false --now x` failed"), "{}", failure.message());
    }
}
