//! The programs of this workspace that tests run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Cargo's target directory.
pub(crate) fn target() -> &'static Path {
    profile().parent().expect("a target directory")
}

fn profile() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_orchestrator")).parent().expect("a folder")
}

/// A binary of this workspace beside the orchestrator's, built when it is missing or old. Where the whole workspace has just
/// been built (`cargo xtask test`), it is there.
pub(crate) fn built(package: &str) -> PathBuf {
    let program = profile().join(package);
    if std::env::var_os("MCP_HEALTH_TEST_BUILT").is_some() && program.exists() {
        return program;
    }
    let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    cargo.args(["build", "--quiet", "--package", package, "--target-dir"]).arg(target());
    if profile().ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs");
    assert!(status.success(), "{package} does not build");
    program
}

/// The real MCP server of the examples, built once.
pub(crate) fn sample_server() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("sample-server"))
}
