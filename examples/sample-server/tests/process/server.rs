//! A sample-server process on a port of its own, and the little HTTP that the tests speak to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};

/// The process; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// A request that was sent.
pub(crate) struct Connection(TcpStream);

impl Server {
    /// Waits until it says that it serves.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = Self::command(&["--listen", "127.0.0.1:0"]).args(args).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stderr.take().expect("stderr is piped")).read_line(&mut line).expect("stderr is text");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let address = address.unwrap_or_else(|| panic!("it says where it serves: {line}")).to_owned();
        Self { child, address }
    }

    pub(crate) fn command(args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sample-server"));
        command.args(args);
        command
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "").answer()
    }

    pub(crate) fn post(&self, path: &str) -> Answer {
        self.send("POST", path, "", "").answer()
    }

    /// `tools/call` in the form of 2026-07-28, which needs no session.
    pub(crate) fn call(&self, tool: &str, arguments: &str) -> Answer {
        let meta = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
        let params = format!(r#"{{"name":"{tool}","arguments":{arguments},"_meta":{meta}}}"#);
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        let headers = format!(
            "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n"
        );
        self.send("POST", "/mcp", &headers, &body).answer()
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Connection {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let (host, length) = (&self.address, body.len());
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n");
        stream.write_all(format!("{head}{body}").as_bytes()).expect("it reads");
        Connection(stream)
    }

    pub(crate) fn terminate(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("it runs");
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it is our child")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Connection {
    fn answer(mut self) -> Answer {
        let text = self.read_to_end_or_reset();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("an answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        Answer { status, body: body.to_owned() }
    }

    /// Everything until the peer is gone, however it went.
    pub(crate) fn read_to_end_or_reset(&mut self) -> String {
        let mut text = Vec::new();
        let _ = self.0.read_to_end(&mut text);
        String::from_utf8(text).expect("text")
    }
}
