//! The Python environment with real MCP servers in it, at `target/xtask/venv`, pinned by `xtask/requirements.txt`.

use std::fs;
use std::path::{Path, PathBuf};

use super::need;
use crate::command::{self, program};
use crate::outcome::{Context, Failure, Outcome};
use crate::workspace;

/// Makes it, unless it is there with the same pins. Its interpreter.
pub(super) fn provide() -> Outcome<PathBuf> {
    let folder = workspace::own_folder()?.join("venv");
    let requirements = workspace::root().join("xtask/requirements.txt");
    let wanted = fs::read_to_string(&requirements).context(format_args!("read {}", requirements.display()))?;
    let python = folder.join("bin/python");
    let seal = folder.join("requirements.installed");
    if fs::read_to_string(&seal).is_ok_and(|installed| installed == wanted) && works(&python) {
        return Ok(python);
    }
    make(&folder)?;
    let arguments = ["-m", "pip", "install", "--disable-pip-version-check", "-r"];
    command::run_with_retries(|| {
        let mut pip = program(&python);
        pip.args(arguments).arg(&requirements);
        pip
    })?;
    fs::write(&seal, wanted).context(format_args!("write {}", seal.display()))?;
    Ok(python)
}

fn make(folder: &Path) -> Outcome {
    let base = need::python().ok_or_else(|| Failure::new("no Python that can make virtual environments"))?;
    command::run(program(base).args(["-m", "venv", "--clear"]).arg(folder))
}

fn works(python: &Path) -> bool {
    command::succeeds(program(python).args(["-c", "import fastmcp"]))
}
