//! A way to a server that keeps what is said to it: in the words of which era, and how many sessions are opened.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Forwards, and listens in.
pub(crate) struct Tap {
    /// Where MCP is spoken, through the tap.
    pub(crate) endpoint: String,
    heard: Arc<Mutex<Heard>>,
}

/// Of each connection, as soon as it has ended.
#[derive(Default)]
struct Heard {
    /// Every request of it.
    said: Vec<String>,
    /// The sessions that the server has named.
    sessions: HashSet<String>,
}

/// How a server is spoken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// Without sessions, with the version in every request.
    Modern,
    /// As before, without a session.
    Stateless,
    /// In a session.
    Sessions,
}

impl Tap {
    pub(crate) fn to(endpoint: &str) -> Self {
        let (host, path) = endpoint.trim_start_matches("http://").split_once('/').expect("a path");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}/{path}", listener.local_addr().expect("an address"));
        let heard = Arc::<Mutex<Heard>>::default();
        let (keep, host) = (Arc::clone(&heard), host.to_owned());
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let (keep, far) = (Arc::clone(&keep), TcpStream::connect(&host).expect("the server"));
                std::thread::spawn(move || forward(near, far, &keep));
            }
        });
        Self { endpoint, heard }
    }

    /// As the last request that was about tools was made.
    pub(crate) fn era(&self) -> Era {
        let heard = self.heard.lock().expect("not poisoned");
        let last = heard.said.iter().rev().find(|text| text.contains("\"tools/list\"")).expect("it was asked").to_lowercase();
        if last.contains("mcp-session-id: ") {
            Era::Sessions
        } else if last.contains("mcp-protocol-version: 2026-") {
            Era::Modern
        } else {
            Era::Stateless
        }
    }

    /// How often this was asked.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.matches(&format!("\"method\":\"{method}\""))
    }

    /// How many sessions the server has opened, whatever it was asked.
    pub(crate) fn opened(&self) -> usize {
        self.heard.lock().expect("not poisoned").sessions.len()
    }

    /// How many it was asked to end.
    pub(crate) fn ended(&self) -> usize {
        self.matches("DELETE /")
    }

    fn matches(&self, text: &str) -> usize {
        self.heard.lock().expect("not poisoned").said.iter().map(|said| said.matches(text).count()).sum()
    }
}

/// Until both have enough. Either may hang up.
fn forward(mut near: TcpStream, mut far: TcpStream, keep: &Mutex<Heard>) {
    let (mut home, mut back) = (near.try_clone().expect("a socket"), far.try_clone().expect("a socket"));
    let answers = std::thread::spawn(move || {
        let (mut answers, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        while let Ok(length @ 1..) = back.read(&mut buffer) {
            answers.extend_from_slice(&buffer[..length]);
            if home.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = home.shutdown(Shutdown::Write);
        sessions(&String::from_utf8_lossy(&answers))
    });
    let (mut said, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    while let Ok(length @ 1..) = near.read(&mut buffer) {
        said.extend_from_slice(&buffer[..length]);
        if far.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = far.shutdown(Shutdown::Both);
    let sessions = answers.join().expect("it ends");
    let mut heard = keep.lock().expect("not poisoned");
    heard.said.push(String::from_utf8_lossy(&said).into_owned());
    heard.sessions.extend(sessions);
}

/// Named in the heads of these answers.
fn sessions(answers: &str) -> Vec<String> {
    let named = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("mcp-session-id").then(|| value.to_owned())
    };
    answers.lines().filter_map(named).collect()
}
