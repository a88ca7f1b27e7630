//! Real MCP servers as their users start them, each on a free port, ended with the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use orchestrator::shell::runtime::process::procfs::{self, Identity};
use tempfile::TempDir;

use crate::harness::{answers, free_port, sample_server, signal, until};

/// FastMCP 4: both eras. `/fill` takes every worker thread for good.
const FASTMCP: &str = r#"
import asyncio, sys, time
import anyio
from fastmcp import FastMCP
from starlette.responses import JSONResponse, PlainTextResponse

mcp = FastMCP("fastmcp")

@mcp.tool
def add(a: int, b: int) -> int:
    return a + b

held = []

@mcp.custom_route("/fill", methods=["GET"])
async def fill(request):
    limiter = anyio.to_thread.current_default_thread_limiter()
    for _ in range(60):
        held.append(asyncio.create_task(anyio.to_thread.run_sync(time.sleep, 600)))
    while limiter.available_tokens > 0:
        await asyncio.sleep(0.01)
    return PlainTextResponse("full")

@mcp.custom_route("/health", methods=["GET"])
async def health(request):
    return JSONResponse({"status": "healthy"})

mcp.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
"#;

/// mcp 1.x: sessions only. `/sessions` says how many are open.
const LEGACY: &str = r#"
import sys
from mcp.server.fastmcp import FastMCP
from starlette.responses import JSONResponse, PlainTextResponse

mcp = FastMCP("legacy", host="127.0.0.1", port=int(sys.argv[1]), log_level="WARNING")

@mcp.tool()
def add(a: int, b: int) -> int:
    return a + b

@mcp.custom_route("/sessions", methods=["GET"])
async def sessions(request):
    return PlainTextResponse(str(len(mcp.session_manager._server_instances)))

@mcp.custom_route("/health", methods=["GET"])
async def health(request):
    return JSONResponse({"status": "healthy"})

mcp.run(transport="streamable-http")
"#;

/// FastMCP 4 that wants a token, and has a tool `health_check`, which says what was last put with `/say`.
const GUARDED: &str = r#"
import sys
from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier
from starlette.responses import PlainTextResponse

tokens = {"right": {"client_id": "monitor", "scopes": []}}
mcp = FastMCP("guarded", auth=StaticTokenVerifier(tokens=tokens))
said = {"status": "ok"}

@mcp.tool
def health_check() -> dict:
    if said["status"] == "raise":
        raise RuntimeError("the store is gone")
    return said

@mcp.custom_route("/say/{status}", methods=["GET"])
async def say(request):
    said["status"] = request.path_params["status"]
    return PlainTextResponse("said")

mcp.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
"#;

/// Writes what is alive in the heap of a Node.js to a file at SIGUSR2: its collector waits for as long as there is memory.
const HEAP: &str = r#"
const fs = require("node:fs");
process.on("SIGUSR2", () => {
  global.gc();
  fs.writeFileSync("heap.new", String(process.memoryUsage().heapUsed));
  fs.renameSync("heap.new", "heap");
});
"#;

/// FastMCP 4 on its pipes.
const PIPED: &str = r#"
from fastmcp import FastMCP

mcp = FastMCP("piped")

@mcp.tool
def add(a: int, b: int) -> int:
    return a + b

mcp.run(show_banner=False)
"#;

/// Runtimes of children that speak on their pipes: mcp-server-time (mcp 1.x), and FastMCP 4.
pub(crate) fn piped(directory: &Path) -> [String; 2] {
    let (old, new) = (interpreter("MCP_HEALTH_TEST_LEGACY_PYTHON", "venv-legacy"), interpreter("MCP_HEALTH_TEST_PYTHON", "venv"));
    let script = directory.join("piped.py");
    std::fs::write(&script, PIPED).expect("written");
    let (old, new, script) = (old.display(), new.display(), script.display());
    [
        format!("{{kind: process, command: \"{old}\", args: [-m, mcp_server_time], stdio: mcp}}"),
        format!("{{kind: process, command: \"{new}\", args: [\"{script}\"], stdio: mcp}}"),
    ]
}

/// The same children, as a shell has them.
pub(crate) fn piped_lines(directory: &Path) -> [String; 2] {
    let (old, new) = (interpreter("MCP_HEALTH_TEST_LEGACY_PYTHON", "venv-legacy"), interpreter("MCP_HEALTH_TEST_PYTHON", "venv"));
    let script = directory.join("piped.py");
    std::fs::write(&script, PIPED).expect("written");
    [format!("{} -m mcp_server_time", old.display()), format!("{} {}", new.display(), script.display())]
}

/// FastMCP 4 over HTTP with a health route, as a shell has it.
pub(crate) fn fastmcp_line(directory: &Path, port: u16) -> String {
    let (python, script) = (interpreter("MCP_HEALTH_TEST_PYTHON", "venv"), directory.join("over_http.py"));
    std::fs::write(&script, FASTMCP).expect("written");
    format!("{} {} {port}", python.display(), script.display())
}

/// A bridge (mcp-proxy) with a server on its pipes (mcp-server-time), as a shell has it.
pub(crate) fn bridge_line(port: u16) -> String {
    let python = interpreter("MCP_HEALTH_TEST_LEGACY_PYTHON", "venv-legacy");
    format!("{0} -m mcp_proxy --port {port} -- {0} -m mcp_server_time", python.display())
}

/// One that runs.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) endpoint: String,
    port: u16,
    command: Command,
    child: Child,
    /// Holds its script.
    directory: TempDir,
}

impl Peer {
    pub(crate) fn fastmcp() -> Self {
        Self::python("fastmcp", "MCP_HEALTH_TEST_PYTHON", "venv", FASTMCP)
    }

    pub(crate) fn legacy() -> Self {
        Self::python("legacy", "MCP_HEALTH_TEST_LEGACY_PYTHON", "venv-legacy", LEGACY)
    }

    /// mcp 1.x that opens no sessions.
    pub(crate) fn stateless() -> Self {
        let script = LEGACY.replace("log_level=", "stateless_http=True, log_level=");
        Self::python("stateless", "MCP_HEALTH_TEST_LEGACY_PYTHON", "venv-legacy", &script)
    }

    /// With a token: `right`.
    pub(crate) fn guarded() -> Self {
        Self::python("guarded", "MCP_HEALTH_TEST_PYTHON", "venv", GUARDED)
    }

    pub(crate) fn rmcp() -> Self {
        let (directory, port) = (tempfile::tempdir().expect("a directory"), free_port());
        let mut command = Command::new(sample_server());
        command.args(["--listen", &format!("127.0.0.1:{port}"), "--name", "rmcp"]);
        Self::start("rmcp", "/mcp", port, command, directory)
    }

    /// TypeScript SDK 1.x.
    pub(crate) fn everything() -> Self {
        Self::typescript("everything", "/mcp", "streamableHttp")
    }

    /// The same over the oldest transport, HTTP+SSE.
    pub(crate) fn sse() -> Self {
        Self::typescript("sse", "/sse", "sse")
    }

    fn typescript(name: &'static str, path: &str, transport: &str) -> Self {
        let (directory, port) = (tempfile::tempdir().expect("a directory"), free_port());
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../xtask/node/node_modules/@modelcontextprotocol/server-everything/dist/index.js");
        assert!(script.exists(), "no server at {}: run `cargo xtask test`, which installs it", script.display());
        let node = std::env::var_os("MCP_HEALTH_TEST_NODE").expect("MCP_HEALTH_TEST_NODE: run `cargo xtask test`");
        std::fs::write(directory.path().join("heap.cjs"), HEAP).expect("written");
        let mut command = Command::new(node);
        command.args(["--expose-gc", "--require", "./heap.cjs"]).arg(script).arg(transport).env("PORT", port.to_string());
        Self::start(name, path, port, command, directory)
    }

    /// A bridge (mcp-proxy) with a server on its pipes (mcp-server-time).
    pub(crate) fn bridge() -> Self {
        let (directory, port) = (tempfile::tempdir().expect("a directory"), free_port());
        let python = interpreter("MCP_HEALTH_TEST_LEGACY_PYTHON", "venv-legacy");
        let mut command = Command::new(&python);
        command.args(["-m", "mcp_proxy", "--port", &port.to_string(), "--"]).arg(&python).args(["-m", "mcp_server_time"]);
        Self::start("bridge", "/mcp", port, command, directory)
    }

    fn python(name: &'static str, variable: &str, environment: &str, script: &str) -> Self {
        let (directory, port) = (tempfile::tempdir().expect("a directory"), free_port());
        let path = directory.path().join("server.py");
        std::fs::write(&path, script).expect("written");
        let mut command = Command::new(interpreter(variable, environment));
        command.arg(path).arg(port.to_string());
        Self::start(name, "/mcp", port, command, directory)
    }

    fn start(name: &'static str, path: &str, port: u16, mut command: Command, directory: TempDir) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).current_dir(directory.path());
        let child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let endpoint = format!("http://127.0.0.1:{port}{path}");
        let peer = Self { name, endpoint, port, command, child, directory };
        peer.serves();
        peer
    }

    fn serves(&self) {
        until(&format!("{} serves", self.name), || answers(self.port).then_some(()));
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    /// The pid of the server on its pipes.
    pub(crate) fn child_of(&self) -> i32 {
        let pid = self.pid();
        until("it has a child", || {
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
            children.split_whitespace().next()?.parse().ok()
        })
    }

    /// What one of its routes says.
    pub(crate) fn ask(&self, path: &str) -> String {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        ureq::get(&url).call().expect("an answer").body_mut().read_to_string().expect("text")
    }

    /// Bytes: what is resident, of a Node.js what is alive.
    pub(crate) fn memory(&self) -> u64 {
        if !self.directory.path().join("heap.cjs").exists() {
            return memory_of(self.pid());
        }
        let heap = self.directory.path().join("heap");
        let _ = std::fs::remove_file(&heap);
        signal(self.pid(), "USR2");
        until("its heap is known", || std::fs::read_to_string(&heap).ok()?.parse().ok())
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it has ended");
    }

    /// After a kill, on the same port.
    pub(crate) fn start_again(&mut self) {
        self.child = self.command.spawn().expect("it starts");
        self.serves();
    }
}

impl Drop for Peer {
    /// With everybody that it has started: a bridge's server has a session of its own, and would hold the test's output for a while.
    fn drop(&mut self) {
        let family = family(self.pid());
        // It may have been killed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in family.iter().filter_map(|it| it.pid().ok()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        until("its family has ended", || family.iter().all(|it| !it.is_alive()).then_some(()));
    }
}

/// Resident bytes.
pub(crate) fn memory_of(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Who descends from it.
fn family(pid: i32) -> Vec<Identity> {
    let everyone = procfs::everyone().unwrap_or_default();
    let mut family: Vec<Identity> = Vec::new();
    let mut of = vec![pid];
    while let Some(parent) = of.pop() {
        let children = everyone.iter().filter(|stat| stat.parent == parent).map(|stat| stat.identity);
        of.extend(children.clone().map(|child| child.pid));
        family.extend(children);
    }
    family
}

fn interpreter(variable: &str, environment: &str) -> PathBuf {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/xtask/{environment}/bin/python"));
    let python = named.unwrap_or(installed);
    assert!(python.exists(), "no Python at {}: run `cargo xtask test`, which installs it", python.display());
    python
}
