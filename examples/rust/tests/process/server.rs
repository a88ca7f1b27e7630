//! A notes-server process with a folder of its own, and the little HTTP that the tests speak to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const ACCEPT: &str = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";

/// The process; killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) notes: TempDir,
    address: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Server {
    /// Waits until it says that it serves.
    pub(crate) fn start(args: &[&str]) -> Self {
        let notes = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_notes-server"));
        command.args(["--listen", "127.0.0.1:0", "--notes"]).arg(notes.path()).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stderr.take().expect("it is piped")).read_line(&mut line).expect("text");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let address = address.unwrap_or_else(|| panic!("it says where it serves: {line}")).to_owned();
        Self { child, notes, address }
    }

    /// The head of a request whose body has that length.
    pub(crate) fn begin(&self, method: &str, path: &str, headers: &str, length: usize) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let host = &self.address;
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).expect("it reads");
        stream
    }

    pub(crate) fn get(&self, path: &str, headers: &str) -> Answer {
        answer(self.begin("GET", path, headers, 0))
    }

    /// `/health`, which must be valid.
    pub(crate) fn health(&self) -> (u16, Value) {
        let Answer { status, body, .. } = self.get("/health", "");
        let body = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body:?}"));
        assert_eq!(health_spec::validate::validate(&body), [], "{body}");
        (status, body)
    }

    pub(crate) fn call(&self, tool: &str, arguments: &Value) -> Answer {
        let (headers, body) = call(tool, arguments);
        self.post(&headers, &body)
    }

    /// A request in the form of before 2026-07-28.
    pub(crate) fn speak(&self, method: &str, params: &Value, headers: &str) -> Answer {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        self.post(&format!("{ACCEPT}{headers}"), &body)
    }

    fn post(&self, headers: &str, body: &str) -> Answer {
        let mut stream = self.begin("POST", "/mcp", headers, body.len());
        stream.write_all(body.as_bytes()).expect("it reads");
        answer(stream)
    }

    pub(crate) fn terminate(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("it runs");
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it is our child")
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.into_iter().find_map(|(field, value)| field.eq_ignore_ascii_case(name).then_some(value))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `tools/call` in the form of 2026-07-28, which needs no session: headers and body.
pub(crate) fn call(tool: &str, arguments: &Value) -> (String, String) {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let headers = format!("{ACCEPT}MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n");
    (headers, body.to_string())
}

/// Everything until the server closes the connection.
pub(crate) fn answer(mut stream: TcpStream) -> Answer {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("an answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
