//! A way to a server that keeps what is said to it: in the words of which era, and how many sessions are opened.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Forwards, and listens in.
pub(crate) struct Tap {
    /// Where MCP is spoken, through the tap.
    pub(crate) endpoint: String,
    /// A connection each, as soon as it has ended.
    said: Arc<Mutex<Vec<String>>>,
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
        let said = Arc::<Mutex<Vec<String>>>::default();
        let (keep, host) = (Arc::clone(&said), host.to_owned());
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let (keep, far) = (Arc::clone(&keep), TcpStream::connect(&host).expect("the server"));
                std::thread::spawn(move || forward(near, far, &keep));
            }
        });
        Self { endpoint, said }
    }

    /// As the last request that was about tools was made.
    pub(crate) fn era(&self) -> Era {
        let said = self.said.lock().expect("not poisoned");
        let last = said.iter().rev().find(|text| text.contains("\"tools/list\"")).expect("it was asked").to_lowercase();
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
        let said = self.said.lock().expect("not poisoned");
        said.iter().map(|text| text.matches(&format!("\"method\":\"{method}\"")).count()).sum()
    }
}

/// Until both have enough. Either may hang up.
fn forward(mut near: TcpStream, mut far: TcpStream, keep: &Mutex<Vec<String>>) {
    let (mut home, mut back) = (near.try_clone().expect("a socket"), far.try_clone().expect("a socket"));
    let answers = std::thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut home);
        let _ = home.shutdown(Shutdown::Write);
    });
    let (mut said, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    while let Ok(length @ 1..) = near.read(&mut buffer) {
        said.extend_from_slice(&buffer[..length]);
        if far.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    keep.lock().expect("not poisoned").push(String::from_utf8_lossy(&said).into_owned());
    let _ = far.shutdown(Shutdown::Both);
    let _ = answers.join();
}
