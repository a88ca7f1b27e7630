//! A thousand targets, a tenth of which hang, and ninety more that do harm in nine other ways: each has its own reason, memory stays
//! flat, and nobody else waits for them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::harness::{Orchestrator, until};

const SETTINGS: &str = "
health_check: {interval_seconds: 8, timeout_seconds: 2, confirm_interval_seconds: 4, start_period_seconds: 0, max_backoff_seconds: 8}
recovery: {enabled: false}
servers:
";

/// Those who mean well.
const WELL: usize = 900;

/// Those that take the request and never answer.
const HANGING: usize = 100;

/// How many there are of each other malice.
const EACH: usize = 10;

/// Between two checks of who means well, as [`SETTINGS`] have it.
const INTERVAL: Duration = Duration::from_secs(8);

/// What may come to that on a machine that is busy with other things. Whoever were to wait for those that hang would wait longer.
const BUSY: Duration = INTERVAL;

/// What the orchestrator may take more, while the ill-meaning are checked again and again.
const NOISE_KIB: u64 = 48 * 1024;

/// What a target does with a connection, and the reason that its checks must give.
#[derive(Clone, Copy)]
struct Malice {
    name: &'static str,
    scheme: &'static str,
    reason: &'static str,
    /// Sent at once, once the request is there.
    first: &'static [u8],
    /// Sent again and again after it, so far apart.
    then: &'static [u8],
    pause: Duration,
    /// How it goes on when all is sent: it hangs, or the connection breaks.
    hangs: bool,
}

const NONE: Malice = Malice { name: "", scheme: "http", reason: "", first: b"", then: b"", pause: Duration::ZERO, hangs: false };

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n";

const ALL: [Malice; 10] = [
    Malice { name: "hang", reason: "timeout", hangs: true, ..NONE },
    Malice { name: "hang-in-the-body", reason: "timeout", first: HEAD, hangs: true, ..NONE },
    Malice { name: "drip", reason: "timeout", first: HEAD, then: b" ", pause: Duration::from_millis(50), ..NONE },
    Malice { name: "flood", reason: "body_too_large", first: HEAD, then: &[b' '; 16 * 1024], ..NONE },
    Malice {
        name: "headers",
        reason: "not_conformant",
        first: b"HTTP/1.1 200 OK\r\n",
        then: b"x-more: and more and more\r\n",
        ..NONE
    },
    Malice { name: "reset-at-once", reason: "connection_reset", ..NONE },
    Malice { name: "reset-in-the-head", reason: "connection_reset", first: b"HTTP/1.1 200 OK\r\ncontent-", ..NONE },
    Malice { name: "reset-in-the-body", reason: "connection_reset", first: HEAD, ..NONE },
    Malice {
        name: "redirects",
        reason: "http_status",
        first: b"HTTP/1.1 302 Found\r\nlocation: /health\r\ncontent-length: 0\r\n\r\n",
        ..NONE
    },
    Malice { name: "no-tls", scheme: "https", reason: "tls", first: b"this is no handshake, and never was one\r\n", ..NONE },
];

#[test]
fn a_tenth_of_a_thousand_targets_hangs_and_everybody_else_is_checked_on_time() {
    let orchestrator = Orchestrator::start_with(&registry());
    until("each has its own reason, and the others are well", || each_as_it_is(&orchestrator).then_some(()));
    let before = resident_kib(orchestrator.pid());
    let mut events = orchestrator.events_from_now();

    // Three more checks of everybody, though a tenth is always being waited for.
    let mut missing: HashMap<String, usize> = names().map(|(name, _)| (name, 3)).collect();
    let mut last: HashMap<String, Timestamp> = HashMap::new();
    while !missing.is_empty() {
        let check = events.wait_until("a check", |event| event["event_type"] == "health_check_completed");
        let name = check["server_name"].as_str().unwrap_or_default();
        if name.starts_with("well") {
            let at: Timestamp = check["timestamp"].as_str().and_then(|at| at.parse().ok()).expect("a timestamp");
            let gap = last.insert(name.to_owned(), at).map(|before| at.duration_since(before));
            let most = (INTERVAL + BUSY).try_into().expect("a duration");
            assert!(gap.is_none_or(|gap| gap <= most), "{gap:?} between two checks of {name}");
        }
        if missing.get_mut(name).is_some_and(|left| {
            *left -= 1;
            *left == 0
        }) {
            missing.remove(name);
        }
    }

    let after = resident_kib(orchestrator.pid());
    assert!(after < before + NOISE_KIB, "{before} KiB, then {after} KiB");
    assert_eq!(orchestrator.get("/health")["status"], "ok");
}

fn each_as_it_is(orchestrator: &Orchestrator) -> bool {
    let views = orchestrator.get("/servers");
    let views: HashMap<_, _> =
        views["servers"].as_array().expect("views").iter().map(|view| (view["name"].as_str(), view)).collect();
    names().all(|(name, malice)| {
        let view = views[&Some(name.as_str())];
        let reason = malice.map_or(Value::Null, |malice| Value::from(malice.reason));
        !view["last_check"].is_null() && view["last_check"]["reason"] == reason
    })
}

fn names() -> impl Iterator<Item = (String, Option<Malice>)> {
    let ill = |malice: Malice| (0..malice.count()).map(move |number| (format!("{}-{number}", malice.name), Some(malice)));
    (0..WELL).map(|number| (format!("well-{number}"), None)).chain(ALL.into_iter().flat_map(ill))
}

fn registry() -> String {
    let well = serve(|mut stream| {
        if read_request(&mut stream) {
            let body = "{\"status\":\"pass\"}";
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: application/health+json\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all((head + body).as_bytes());
        }
    });
    let ill: HashMap<_, _> = ALL.map(|malice| (malice.name, serve(move |stream| malice.does(stream)))).into();
    let mut registry = SETTINGS.to_owned();
    for (name, malice) in names() {
        let (scheme, port) = malice.map_or(("http", well), |malice| (malice.scheme, ill[malice.name]));
        writeln!(registry, "  - {{name: {name}, health_url: \"{scheme}://127.0.0.1:{port}/health\"}}").expect("text");
    }
    registry
}

impl Malice {
    fn count(self) -> usize {
        if self.name == "hang" { HANGING } else { EACH }
    }

    fn does(self, mut stream: TcpStream) {
        if self.name.starts_with("reset") {
            // What is not read when it ends makes the end a reset.
            let _ = (self.first.is_empty() || stream.peek(&mut [0; 1]).is_ok(), stream.write_all(self.first));
            return;
        }
        read_request(&mut stream);
        let mut sent = stream.write_all(self.first);
        while sent.is_ok() && !self.then.is_empty() {
            sent = stream.write_all(self.then);
            std::thread::sleep(self.pause);
        }
        if self.hangs {
            // Until whoever asked has enough of it.
            let _ = stream.read(&mut [0; 64]);
        }
    }
}

/// A port, and a thread for each connection.
fn serve(with: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let with = with.clone();
            std::thread::spawn(move || with(stream));
        }
    });
    port
}

/// Whether one came, or the beginning of one.
fn read_request(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0; 4096]), Ok(1..))
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
