//! A thousand targets, a tenth of which hang, and more that do harm in ten other ways, to `http` probes and to `mcp` probes: each has its
//! own reason, memory stays flat, and nobody else waits for them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// How many there are of each other malice, for probes of each kind.
const EACH: usize = 6;

/// Between two checks of who means well, as [`SETTINGS`] have it.
const INTERVAL: Duration = Duration::from_secs(8);

/// For how long the ill-meaning are waited for: at any moment several dozen are.
const HANGS: Duration = Duration::from_secs(6);

/// What may come to the interval on a machine that is busy with other things. Who were to wait for one that hangs would wait for any time up
/// to [`HANGS`], so that half of some thousand checks would come later than this.
const BUSY: Duration = Duration::from_secs(3);

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

const WELL_ANSWER: &str = "{\"status\":\"pass\"}";

/// To every request of a server of the newer era.
const WELL_RESULT: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[]}}";

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n";

const ALL: [Malice; 11] = [
    Malice { name: "hang", reason: "timeout", hangs: true, ..NONE },
    Malice { name: "hang-in-the-body", reason: "timeout", first: HEAD, hangs: true, ..NONE },
    Malice { name: "drip", reason: "timeout", first: HEAD, then: b" ", pause: Duration::from_millis(50), ..NONE },
    Malice { name: "flood", reason: "body_too_large", first: HEAD, then: &[b' '; 16 * 1024], ..NONE },
    Malice {
        name: "stream",
        reason: "body_too_large",
        first: b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
        then: b"event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"data\":\"and more and more\"}}\n\n",
        ..NONE
    },
    Malice {
        name: "headers",
        reason: "invalid_body",
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
    // Whoever has never been well is forgiven some of it.
    let are_ill = Arc::<AtomicBool>::default();
    let orchestrator = Orchestrator::start_with(&registry(&are_ill));
    until("all are well that can be", || each_as_it_is(&orchestrator, |malice| malice.scheme == "https").then_some(()));
    are_ill.store(true, Ordering::Relaxed);
    until("each has its own reason, and the others are well", || each_as_it_is(&orchestrator, |_| true).then_some(()));
    let before = resident_kib(orchestrator.pid());
    let mut events = orchestrator.events_from_now();

    // Three more checks of whoever means well, though a tenth is always being waited for.
    let checks = |target: &Target| if target.malice.is_some() { 2 } else { 3 };
    let mut missing: HashMap<String, usize> = targets().map(|target| (target.name.clone(), checks(&target))).collect();
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

/// Whether everybody was found to be what it is, if only these do their harm.
fn each_as_it_is(orchestrator: &Orchestrator, does_harm: impl Fn(Malice) -> bool) -> bool {
    let views = orchestrator.get("/servers");
    let views: HashMap<_, _> =
        views["servers"].as_array().expect("views").iter().map(|view| (view["name"].as_str(), view)).collect();
    targets().all(|Target { name, malice, .. }| {
        let view = views[&Some(name.as_str())];
        let malice = malice.filter(|malice| does_harm(*malice));
        let reason = malice.map_or(Value::Null, |malice| Value::from(malice.reason));
        !view["last_check"].is_null() && view["last_check"]["reason"] == reason
    })
}

struct Target {
    name: String,
    /// `None`: it means well.
    malice: Option<Malice>,
    speaks_mcp: bool,
}

fn targets() -> impl Iterator<Item = Target> {
    let ill = |malice: Malice| {
        let of = move |kind: &'static str, count: usize| {
            let target = move |number| Target {
                name: format!("{}-{kind}-{number}", malice.name),
                malice: Some(malice),
                speaks_mcp: kind == "mcp",
            };
            (0..count).map(target)
        };
        of("http", malice.count()).chain(of("mcp", EACH))
    };
    let well = |number| Target { name: format!("well-{number}"), malice: None, speaks_mcp: number % 10 == 0 };
    (0..WELL).map(well).chain(ALL.into_iter().flat_map(ill))
}

fn registry(are_ill: &Arc<AtomicBool>) -> String {
    let well = serve(answers_well);
    let ill: HashMap<_, _> = ALL
        .map(|malice| {
            let is_ill = Arc::clone(are_ill);
            let answers = move |stream| {
                if is_ill.load(Ordering::Relaxed) || malice.scheme == "https" {
                    malice.does(stream);
                } else {
                    answers_well(stream);
                }
            };
            (malice.name, serve(answers))
        })
        .into();
    let mut registry = SETTINGS.to_owned();
    for Target { name, malice, speaks_mcp } in targets() {
        let (scheme, port) = malice.map_or(("http", well), |malice| (malice.scheme, ill[malice.name]));
        let probe = if speaks_mcp { "kind: mcp, depth: list" } else { "kind: http" };
        let patience =
            if malice.is_some() { format!(", health_check: {{timeout_seconds: {}}}", HANGS.as_secs()) } else { String::new() };
        let probe = format!("probes: [{{{probe}, url: \"{scheme}://127.0.0.1:{port}/\"}}]{patience}");
        writeln!(registry, "  - {{name: {name}, {probe}}}").expect("text");
    }
    registry
}

/// In the words of the probe's kind.
pub(crate) fn answers_well(stream: impl Read + Write) {
    let mut reader = BufReader::new(stream);
    let Some(request) = whole_request(&mut reader) else { return };
    let (kind, body) =
        if request.starts_with("POST") { ("application/json", WELL_RESULT) } else { ("application/health+json", WELL_ANSWER) };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    // Whoever asked may be gone.
    let _ = reader.get_mut().write_all((head + body).as_bytes());
}

/// Its head, once all of it has come.
fn whole_request(reader: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).ok().filter(|length| *length > 0)?;
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or_default();
    reader.read_exact(&mut vec![0; length]).ok()?;
    Some(head)
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
        // Of what is no handshake there is no whole request.
        let _ = stream.read(&mut [0; 4096]);
        let mut sent = stream.write_all(self.first);
        while sent.is_ok() && !self.then.is_empty() {
            sent = stream.write_all(self.then);
            std::thread::sleep(self.pause);
        }
        if self.hangs {
            // Until whoever asked has enough of it.
            while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {}
        }
    }
}

/// A port, and a thread for each connection.
pub(crate) fn serve(with: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
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

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
