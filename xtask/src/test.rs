//! `cargo xtask test`: installs what is missing, then runs every test, with real parts and none skipped.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use crate::command;
use crate::outcome::{Failure, Outcome};
use crate::workspace;

mod dockerd;
mod need;
mod node;
mod packages;
mod podman;
mod venv;

/// What loads the machine, or must not be disturbed: beside other tests each would measure the other. nextest knows from its configuration.
const ALONE: [&str; 5] = ["chaos::", "crash::", "engines::restart::", "hostile::", "siege::"];

/// What is passed on.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Passed on to the test runner; then only that runs, without the doc tests and the purity gate
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Options {
    /// Every test.
    pub(crate) fn everything() -> Self {
        Self { args: Vec::new() }
    }
}

/// The command.
pub(crate) fn run(options: &Options) -> Outcome {
    let began = Instant::now();
    with_everything(|environment| {
        if options.args.is_empty() { everything(environment) } else { environment.run(&mut workspace_tests(&options.args)) }
    })?;
    println!("xtask test: everything passed in {} s", began.elapsed().as_secs());
    Ok(())
}

/// Some of the tests on real parts, each alone and for as long as it likes, with these environment variables beside the usual ones.
pub(crate) fn run_alone(names: &[&str], variables: &[(&str, String)]) -> Outcome {
    with_everything(|environment| {
        names.iter().try_for_each(|name| {
            let mut cargo = one_test(name, has_nextest());
            environment.run(cargo.envs(variables.iter().map(|(name, value)| (name, value))))
        })
    })
}

fn with_everything(run: impl FnOnce(&Environment) -> Outcome) -> Outcome {
    need::provide()?;
    let venv_python = venv::provide()?;
    let legacy_python = venv::provide_legacy()?;
    let node = node::provide(&venv_python)?;
    let engine = dockerd::provide()?;
    let podman = podman::provide()?;
    let environment =
        Environment { venv_python, legacy_python, node, static_server: build_static_server()?, podman: podman.address.clone() };
    let tested = run(&environment);
    podman.stop();
    engine.stop();
    tested
}

/// The pure core, built and tested without anything that waits or fails.
pub(crate) fn purity_gate() -> Outcome {
    command::run(command::cargo().args(["test", "-p", "orchestrator", "--no-default-features", "--features", "sim"]))
}

/// The sample server that runs in an empty container.
pub(crate) fn build_static_server() -> Outcome<PathBuf> {
    let triple = host_triple()?;
    let folder = workspace::target().join("static");
    let mut cargo = command::cargo();
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    cargo.args(["build", "-p", "sample-server", "--target", &triple, "--target-dir"]).arg(&folder);
    command::run(&mut cargo)?;
    Ok(folder.join(triple).join("debug/sample-server"))
}

fn everything(environment: &Environment) -> Outcome {
    if has_nextest() {
        environment.run(&mut workspace_tests(&[]))?;
        environment.run(command::cargo().args(["test", "--doc", "--workspace", "--all-features"]))?;
    } else {
        environment.run(&mut workspace_tests(&beside_others()))?;
        environment.run(&mut workspace_tests(&by_themselves()))?;
    }
    purity_gate()
}

/// Without nextest: everything but what has to run alone.
fn beside_others() -> Vec<OsString> {
    ["--"].into_iter().chain(ALONE.into_iter().flat_map(|name| ["--skip", name])).map(OsString::from).collect()
}

/// And then that, one after the other.
fn by_themselves() -> Vec<OsString> {
    ["--", "--test-threads=1"].into_iter().chain(ALONE).map(OsString::from).collect()
}

/// The flags of nextest are its own.
fn one_test(name: &str, has_nextest: bool) -> Command {
    let mut cargo = command::cargo();
    if has_nextest {
        cargo.args(["nextest", "run", "--workspace", "--all-features", "--test", "real"]);
        cargo.args(["--profile", "soak", "--retries", "0", "--no-capture", "--filterset", &format!("test(={name})")]);
    } else {
        cargo.args(["test", "--workspace", "--all-features", "--test", "real", "--", "--exact", "--nocapture", name]);
    }
    cargo
}

fn workspace_tests(args: &[OsString]) -> Command {
    let mut cargo = command::cargo();
    if has_nextest() {
        cargo.args(["nextest", "run"]);
    } else {
        cargo.arg("test");
    }
    cargo.args(["--workspace", "--all-features"]).args(args);
    cargo
}

fn has_nextest() -> bool {
    command::succeeds(command::cargo().args(["nextest", "--version"]))
}

/// What the tests find through environment variables.
struct Environment {
    venv_python: PathBuf,
    legacy_python: PathBuf,
    node: PathBuf,
    static_server: PathBuf,
    podman: String,
}

impl Environment {
    fn run(&self, command: &mut Command) -> Outcome {
        command.env("MCP_HEALTH_TEST_PYTHON", &self.venv_python);
        command.env("MCP_HEALTH_TEST_LEGACY_PYTHON", &self.legacy_python);
        command.env("MCP_HEALTH_TEST_NODE", &self.node);
        command.env("MCP_HEALTH_TEST_STATIC_SERVER", &self.static_server);
        command.env(podman::VARIABLE, &self.podman);
        // All programs of the workspace are built with its tests: the tests need not build them again.
        command.env("MCP_HEALTH_TEST_BUILT", "1");
        command.env("MCP_HEALTH_TEST_CHROMIUM", need::chromium().unwrap_or_default());
        command.env("MCP_HEALTH_TEST_CHROMEDRIVER", need::chromedriver().unwrap_or_default());
        command::run(command)
    }
}

fn host_triple() -> Outcome<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = command::capture(command::program(rustc).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("`rustc -vV` names no host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> Vec<String> {
        command.get_args().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn one_test_is_run_by_either_runner_in_its_own_words() {
        let (with, without) = (words(&one_test("a::b", true)), words(&one_test("a::b", false)));
        assert_eq!(with[..2], ["nextest", "run"]);
        assert_eq!(with.last().map(String::as_str), Some("test(=a::b)"));
        assert_eq!(without, ["test", "--workspace", "--all-features", "--test", "real", "--", "--exact", "--nocapture", "a::b"]);
    }

    #[test]
    fn without_nextest_what_runs_alone_is_exactly_what_the_others_leave_out() {
        let left_out: Vec<_> = beside_others().into_iter().skip(1).filter(|word| word != "--skip").collect();
        assert_eq!(left_out, by_themselves()[2..]);
        assert!(left_out.iter().any(|name| name == "chaos::"), "{left_out:?}");
    }

    /// A double action that is seen once must fail the run.
    #[test]
    fn nextest_tries_nothing_again_that_looks_for_what_is_done_twice() {
        let text = std::fs::read_to_string(workspace::root().join(".config/nextest.toml")).expect("it is there");
        let (never, once) = (text.find("retries = 0").expect("never"), text.find("retries = 1").expect("once"));
        assert!(never < once, "the first override that fits counts");
        let filter = text[..never].lines().rev().find(|line| line.starts_with("filter")).expect("a filter");
        for name in ["crash", "chaos", "siege", "restart"] {
            assert!(filter.contains(name), "{name} is not in {filter}");
        }
    }
}
