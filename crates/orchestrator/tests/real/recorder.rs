//! A way to the engine that writes down every call that is made through it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Forwards, and listens in.
pub(crate) struct Recorder {
    path: PathBuf,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    /// At `path`, in front of the socket `engine`.
    pub(crate) fn open(path: &Path, engine: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (keep, engine) = (Arc::clone(&calls), engine.to_owned());
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = UnixStream::connect(&engine).expect("the engine's socket");
                let (back, home) = (far.try_clone().expect("a socket"), near.try_clone().expect("a socket"));
                let keep = Arc::clone(&keep);
                std::thread::spawn(move || copy(back, home));
                std::thread::spawn(move || forward(near, far, &keep));
            }
        });
        Self { path: path.to_owned(), calls }
    }

    /// Its address, as a configuration has it.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// Every call, `METHOD /path`, without version and query.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("not poisoned").clone()
    }

    /// The same, with `{id}` for whatever container it is about.
    pub(crate) fn kinds(&self) -> BTreeSet<String> {
        self.calls().iter().map(|call| kind(call)).collect()
    }
}

/// As soon as there is something: events are waited for.
fn copy(mut from: UnixStream, mut to: UnixStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// Request after request, with what stands in them.
fn forward(near: UnixStream, mut far: UnixStream, calls: &Mutex<Vec<String>>) {
    let mut near = BufReader::new(near);
    while let Some(head) = head(&mut near) {
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            assert!(!name.eq_ignore_ascii_case("transfer-encoding"), "a body of unknown length: {head}");
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().expect("a length"))
        });
        let mut body = vec![0; length.unwrap_or(0)];
        near.read_exact(&mut body).expect("a body");
        calls.lock().expect("not poisoned").push(call(&head));
        if far.write_all(head.as_bytes()).and_then(|()| far.write_all(&body)).is_err() {
            break;
        }
    }
    let _ = far.shutdown(std::net::Shutdown::Both);
}

fn head(near: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if near.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

fn call(head: &str) -> String {
    let mut words = head.split(' ');
    let (method, target) = (words.next().expect("a method"), words.next().expect("a target"));
    let path = target.split('?').next().unwrap_or(target);
    let version = |part: &str| part.starts_with('v') && part[1..].starts_with(|c: char| c.is_ascii_digit());
    let path: Vec<_> = path.split('/').skip(1).filter(|part| !version(part)).collect();
    format!("{method} /{}", path.join("/"))
}

fn kind(call: &str) -> String {
    let parts: Vec<_> = call.split('/').collect();
    match parts[..] {
        [method, "images", .., "json"] => format!("{method}/images/{{name}}/json"),
        [method, "containers", id, ref rest @ ..] if !["json", "create"].contains(&id) => {
            [&[method, "containers", "{id}"], rest].concat().join("/")
        }
        _ => call.to_owned(),
    }
}
