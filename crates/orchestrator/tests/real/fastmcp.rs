//! A real FastMCP server with a health route as its users write it.

use std::path::PathBuf;

use crate::harness::{Orchestrator, free_port, signal};

const SERVER: &str = r#"
import sys
from fastmcp import FastMCP
from starlette.responses import JSONResponse

mcp = FastMCP("python-server")

@mcp.tool
def add(a: int, b: int) -> int:
    return a + b

@mcp.custom_route("/health", methods=["GET"])
async def health(request):
    return JSONResponse({"status": "healthy", "service": "mcp-server"})

mcp.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
"#;

/// The interpreter that has FastMCP.
fn python() -> PathBuf {
    let named = std::env::var_os("MCP_HEALTH_TEST_PYTHON").map(PathBuf::from);
    let installed = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/xtask/venv/bin/python"));
    let python = named.unwrap_or(installed);
    assert!(python.exists(), "no Python with fastmcp at {}: run `cargo xtask test`, which installs it", python.display());
    python
}

#[test]
fn a_stopped_fastmcp_server_is_found_by_timeouts_killed_and_started_again() {
    let port = free_port();
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("server.py");
    std::fs::write(&script, SERVER).expect("written");
    let entry = format!(
        "  - name: python\n    port: {port}\n    health_check: {{start_period_seconds: 40}}\n    recovery: {{verify_timeout_seconds: 40}}\n    runtime: {{kind: process, command: {:?}, args: [{script:?}, \"{port}\"]}}\n",
        python()
    );
    let orchestrator = Orchestrator::start(&entry);
    let mut events = orchestrator.events();
    let up = events.wait_for("python", "status_changed");
    assert_eq!(up["status"], "ok");
    let view = orchestrator.get("/servers/python");
    assert_eq!(view["last_check"]["dialect"], "words");
    let first_pid = orchestrator.pid_of("python");

    signal(first_pid, "STOP");

    events.wait_until("a timeout", |event| event["failure"]["reason"] == "timeout");
    assert_eq!(events.wait_for("python", "server_down")["reason"], "3_consecutive_failures");
    events.wait_for("python", "recovery_successful");
    assert_ne!(orchestrator.pid_of("python"), first_pid);
    assert!(!PathBuf::from(format!("/proc/{first_pid}")).exists(), "the stopped process is still there");
}
