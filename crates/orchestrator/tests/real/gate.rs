//! A way to an engine in which one call can be held up: what happens when the orchestrator is killed just then?

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::harness::until;

/// On which side of the engine a call is held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The engine never hears of it.
    Before,
    /// The engine has done it, and its answer is kept back.
    After,
    /// The engine hears of it late.
    Late,
    /// The engine never hears of it, however often it is asked, and the connection breaks.
    Cut,
}

/// Which call: method and a part of its path.
pub(crate) type Call = (&'static str, &'static str);

#[derive(Default)]
struct Trap {
    armed: Option<(Call, Side)>,
    caught: bool,
    let_go: bool,
}

/// Forwards from a socket of its own.
pub(crate) struct Gate {
    path: PathBuf,
    trap: Arc<Mutex<Trap>>,
}

impl Gate {
    /// A way from `path` to the engine at `address`.
    pub(crate) fn open(path: &Path, address: &str) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        let (trap, socket) = (Arc::<Mutex<Trap>>::default(), address.trim_start_matches("unix://").to_owned());
        let shared = Arc::clone(&trap);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let far = UnixStream::connect(&socket).expect("the engine");
                let trap = Arc::clone(&shared);
                std::thread::spawn(move || forward(near, far, &trap));
            }
        });
        Self { path: path.to_owned(), trap }
    }

    /// As `engines` in a registry.
    pub(crate) fn engine(&self, kind: &str) -> String {
        format!("engines: [{{name: gate, kind: {kind}, address: \"unix://{}\"}}]\n", self.path.display())
    }

    /// The next call of this kind is held up.
    pub(crate) fn arm(&self, call: Call, side: Side) {
        *self.trap.lock().expect("not poisoned") = Trap { armed: Some((call, side)), ..Trap::default() };
    }

    /// What is held up for a while goes on; nothing is cut any more.
    pub(crate) fn let_go(&self) {
        let mut trap = self.trap.lock().expect("not poisoned");
        (trap.armed, trap.let_go) = (None, true);
    }

    pub(crate) fn wait_until_caught(&self, what: &str) {
        until(what, || self.trap.lock().expect("not poisoned").caught.then_some(()));
    }
}

/// Requests are small and come in one piece. What is held up and not let go stays so: its caller is about to be killed.
fn forward(mut near: UnixStream, mut far: UnixStream, trap: &Arc<Mutex<Trap>>) {
    let held = Arc::new(Mutex::new(false));
    let back = {
        let (mut near, mut far) = (near.try_clone().expect("a socket"), far.try_clone().expect("a socket"));
        let (held, trap) = (Arc::clone(&held), Arc::clone(trap));
        std::thread::spawn(move || {
            let mut buffer = [0; 16_384];
            while let Ok(length @ 1..) = far.read(&mut buffer) {
                if *held.lock().expect("not poisoned") {
                    trap.lock().expect("not poisoned").caught = true;
                } else if near.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            let _ = near.shutdown(std::net::Shutdown::Write);
        })
    };
    let mut buffer = [0; 16_384];
    while let Ok(length @ 1..) = near.read(&mut buffer) {
        match caught(&buffer[..length], trap) {
            Some(Side::Before) => trap.lock().expect("not poisoned").caught = true,
            Some(Side::Cut) => {
                trap.lock().expect("not poisoned").caught = true;
                break;
            }
            side => {
                if side == Some(Side::Late) {
                    trap.lock().expect("not poisoned").caught = true;
                    until("it is let go", || trap.lock().expect("not poisoned").let_go.then_some(()));
                }
                *held.lock().expect("not poisoned") |= side == Some(Side::After);
                if far.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
        }
    }
    let _ = far.shutdown(std::net::Shutdown::Both);
    let _ = back.join();
}

fn caught(request: &[u8], trap: &Arc<Mutex<Trap>>) -> Option<Side> {
    let line = String::from_utf8_lossy(request).lines().next().unwrap_or_default().to_owned();
    let is_it = |((method, part), _): &mut (Call, Side)| {
        line.split(' ').next() == Some(method) && line.split(' ').nth(1).is_some_and(|path| path.contains(&**part))
    };
    let mut trap = trap.lock().expect("not poisoned");
    let again = trap.armed;
    let armed = &mut trap.armed;
    let side = armed.take_if(is_it).map(|(_, side)| side);
    if side == Some(Side::Cut) {
        *armed = again;
    }
    side
}
