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
    need::provide()?;
    let venv_python = venv::provide()?;
    let legacy_python = venv::provide_legacy()?;
    let node = node::provide(&venv_python)?;
    let engine = dockerd::provide()?;
    let podman = podman::provide()?;
    let environment =
        Environment { venv_python, legacy_python, node, static_server: build_static_server()?, podman: podman.address.clone() };
    let tested =
        if options.args.is_empty() { everything(&environment) } else { environment.run(&mut workspace_tests(&options.args)) };
    podman.stop();
    engine.stop();
    tested?;
    println!("xtask test: everything passed in {} s", began.elapsed().as_secs());
    Ok(())
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
    environment.run(&mut workspace_tests(&[]))?;
    if has_nextest() {
        environment.run(command::cargo().args(["test", "--doc", "--workspace", "--all-features"]))?;
    }
    purity_gate()
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
