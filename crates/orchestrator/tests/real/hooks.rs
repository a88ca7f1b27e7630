//! Hooks around attempts, and as attempts: commands and requests that work, fail, hang, and are cut off.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rcgen::CertifiedKey;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::harness::{Events, Orchestrator, PATIENCE, QUICK, free_port, sample, signal, until};

/// A server that runs somewhere else: well as long as the file `well` is there, and `POST` makes it so.
struct Remote {
    port: u16,
    /// The same over TLS; `trusted.pem` vouches for it.
    secure_port: u16,
    asked: Receiver<String>,
}

impl Remote {
    fn beside(directory: &Path) -> Self {
        let (outbox, asked) = channel();
        let well = directory.join("well");
        std::fs::write(&well, "").expect("it is well");
        let (also_well, also_outbox, config) = (well.clone(), outbox.clone(), secured(directory));
        let port = listen(move |stream| answer(stream, &well, &outbox));
        let secure_port = listen(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            answer(StreamOwned::new(connection, stream), &also_well, &also_outbox);
        });
        Self { port, secure_port, asked }
    }
}

/// A thread for each connection: one that hangs keeps nobody waiting.
fn listen(answer: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || answer(stream));
        }
    });
    port
}

/// Two certificates that vouch for themselves, and the use of one of them.
fn secured(directory: &Path) -> Arc<ServerConfig> {
    let [trusted, _] = ["trusted", "foreign"].map(|name| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(directory.join(format!("{name}.pem")), made.cert.pem()).expect("written");
        made
    });
    let CertifiedKey { cert, signing_key } = trusted;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    Arc::new(builder.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).expect("a configuration"))
}

fn answer(stream: impl Read + Write, well: &Path, asked: &Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if reader.read_line(&mut request).unwrap_or_default() == 0 {
            return;
        }
    }
    if let Some(rest) = request.strip_prefix("POST ") {
        let length = rest.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or_default();
        let mut body = vec![0; length];
        let _ = reader.read_exact(&mut body);
        let _ = asked.send(format!("{}{}", request.to_lowercase(), String::from_utf8_lossy(&body)));
        if request.starts_with("POST /hang") {
            // Until whoever asked has enough of it.
            let _ = asked.send(format!("{:?} more", reader.read(&mut [0; 1]).unwrap_or_default()));
            return;
        }
        let _ = std::fs::write(well, "");
    }
    let status = if request.starts_with("POST /refuse") {
        "409 Conflict"
    } else if well.exists() {
        "200 OK"
    } else {
        "503 Service Unavailable"
    };
    // Whoever asked may be gone.
    let head = "content-type: text/plain\r\ncontent-length: 7\r\nconnection: close";
    let _ = write!(reader.get_mut(), "HTTP/1.1 {status}\r\n{head}\r\n\r\nnot now");
}

/// An orchestrator over one remote server with this `recovery`, once that is well.
fn watch(recovery: impl FnOnce(&Remote) -> String) -> (Orchestrator, Events, Remote) {
    let directory = tempfile::tempdir().expect("a directory");
    let remote = Remote::beside(directory.path());
    let (port, recovery) = (remote.port, recovery(&remote));
    let registry = format!("{QUICK}servers:\n  - {{name: remote, port: {port}, recovery: {{strategy: repair, {recovery}}}}}\n");
    let orchestrator = Orchestrator::start_at(directory, registry);
    let mut events = orchestrator.events();
    assert_eq!(events.wait_for("remote", "status_changed")["status"], "ok");
    (orchestrator, events, remote)
}

fn break_it(orchestrator: &Orchestrator) {
    std::fs::remove_file(place(orchestrator, "well")).expect("it was well");
}

fn place(orchestrator: &Orchestrator, file: &str) -> PathBuf {
    orchestrator.directory.path().join(file)
}

fn read(orchestrator: &Orchestrator, file: &str) -> String {
    std::fs::read_to_string(place(orchestrator, file)).unwrap_or_default()
}

/// The processes that have this word in their command line.
fn processes(word: &str) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let has_it = |entry: &std::fs::DirEntry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|it| it == word.as_bytes())
    };
    entries.filter(has_it).filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn gone(word: &str) {
    until("nothing of the hook is left", || processes(word).is_empty().then_some(()));
}

fn error_of(event: &Value) -> &str {
    event["error"].as_str().expect("an error")
}

#[test]
fn a_server_that_is_only_watched_is_repaired_by_a_command() {
    let command = "repair: {command: [sh, -c, \"env | grep ^MCP_HEALTH_ > told; touch well\"]}";
    let (orchestrator, mut events, _remote) = watch(|_| command.to_owned());
    break_it(&orchestrator);
    let started = events.wait_for("remote", "recovery_started");
    assert_eq!((started["strategy"].as_str(), started["attempt"].as_u64()), (Some("repair"), Some(1)));
    events.wait_for("remote", "recovery_successful");
    let told = read(&orchestrator, "told");
    let incident = started["incident_id"].as_str().expect("an incident");
    for line in [
        "MCP_HEALTH_SERVER=remote",
        "MCP_HEALTH_ATTEMPT=1",
        "MCP_HEALTH_REASON=3_consecutive_failures",
        "MCP_HEALTH_STRATEGY=repair",
        &format!("MCP_HEALTH_INCIDENT={incident}"),
    ] {
        assert!(told.lines().any(|it| it == line), "{line} is not in {told}");
    }
    assert_eq!(orchestrator.get("/servers/remote")["restarts"]["ours"], 0, "a repair is no restart");
}

#[test]
fn a_server_that_is_only_watched_is_repaired_by_a_request() {
    let hook = |remote: &Remote| {
        format!("repair: {{url: \"http://127.0.0.1:{}/fix?it=1\", headers: {{X-Key: secret}}, body: please}}", remote.port)
    };
    let (orchestrator, mut events, remote) = watch(hook);
    break_it(&orchestrator);
    events.wait_for("remote", "recovery_successful");
    let asked = remote.asked.recv_timeout(PATIENCE).expect("it was asked");
    for part in
        ["post /fix?it=1 http/1.1", "x-key: secret", "mcp-health-server: remote", "mcp-health-attempt: 1", "\r\n\r\nplease"]
    {
        assert!(asked.contains(part), "{part} is not in {asked}");
    }
    let shown = orchestrator.get("/servers/remote")["registry"].to_string();
    assert!(shown.contains("X-Key") && !shown.contains("secret"), "{shown}");
}

#[test]
fn a_request_can_be_secured() {
    let hook = |remote: &Remote| {
        format!("repair: {{url: \"https://localhost:{}/fix\", tls: {{ca_file: trusted.pem}}, body: please}}", remote.secure_port)
    };
    let (orchestrator, mut events, remote) = watch(hook);
    break_it(&orchestrator);
    events.wait_for("remote", "recovery_successful");
    let asked = remote.asked.recv_timeout(PATIENCE).expect("it was asked");
    assert!(asked.starts_with("post /fix http/1.1") && asked.ends_with("please"), "{asked}");
}

#[test]
fn whoever_cannot_be_trusted_is_told_nothing() {
    let hook = |remote: &Remote| {
        format!("repair: {{url: \"https://localhost:{}/fix\", tls: {{ca_file: foreign.pem}}}}", remote.secure_port)
    };
    let (orchestrator, mut events, remote) = watch(hook);
    break_it(&orchestrator);
    let failed = events.wait_for("remote", "recovery_failed");
    let url = format!("https://localhost:{}/fix", remote.secure_port);
    let beginning = format!("action: hook `repair`: {url} does not answer: no secure connection: invalid peer certificate");
    assert!(error_of(&failed).starts_with(&beginning), "{failed}");
    assert!(remote.asked.try_recv().is_err(), "it was asked");
}

#[test]
fn what_a_hook_says_when_it_fails_stands_in_the_error() {
    let (orchestrator, mut events, _remote) = watch(|_| "repair: {command: [sh, -c, \"echo no luck >&2; exit 3\"]}".to_owned());
    break_it(&orchestrator);
    let failed = events.wait_for("remote", "recovery_failed");
    assert_eq!(error_of(&failed), "action: hook `repair`: it ended with exit code 3: no luck");
}

#[test]
fn an_answer_that_is_no_success_is_a_failure() {
    let (orchestrator, mut events, remote) =
        watch(|remote| format!("repair: {{url: \"http://127.0.0.1:{}/refuse?key=1\"}}", remote.port));
    break_it(&orchestrator);
    let failed = events.wait_for("remote", "recovery_failed");
    let expected = format!("action: hook `repair`: http://127.0.0.1:{}/refuse answered 409: not now", remote.port);
    assert_eq!(error_of(&failed), expected);
}

#[test]
fn a_hook_that_hangs_is_ended_with_everything_that_it_has_started() {
    let word = format!("1000.{}", free_port());
    let command = format!("repair: {{command: [sh, -c, \"sleep {word} & echo begun; sleep {word}\"], timeout_seconds: 0.5}}");
    let (orchestrator, mut events, _remote) = watch(|_| command);
    break_it(&orchestrator);
    let failed = events.wait_for("remote", "recovery_failed");
    assert_eq!(error_of(&failed), "action: hook `repair`: it was ended after 0.5 s, its `timeout_seconds`: begun");
    events.wait_for("remote", "recovery_exhausted");
    gone(&word);
}

#[test]
fn a_request_that_is_not_answered_is_given_up_and_its_connection_closed() {
    let hook =
        |remote: &Remote| format!("repair: {{url: \"http://127.0.0.1:{}/hang?key=1\", timeout_seconds: 0.5}}", remote.port);
    let (orchestrator, mut events, remote) = watch(hook);
    break_it(&orchestrator);
    let failed = events.wait_for("remote", "recovery_failed");
    let url = format!("http://127.0.0.1:{}/hang", remote.port);
    assert_eq!(error_of(&failed), format!("action: hook `repair`: it was ended after 0.5 s, its `timeout_seconds`: {url} has not answered"));
    assert!(remote.asked.recv_timeout(PATIENCE).expect("it was asked").starts_with("post /hang?key=1 "));
    assert_eq!(remote.asked.recv_timeout(PATIENCE).expect("it hears the end"), "0 more");
}

/// What writes `beats` writes some more.
fn goes_on(orchestrator: &Orchestrator) {
    let beats = || read(orchestrator, "beats").lines().count();
    let before = beats();
    until("it goes on", || (beats() > before + 5).then_some(()));
}

#[test]
fn what_a_hook_leaves_running_is_left_running() {
    let word = format!("1000.{}", free_port());
    // It writes, and so it would notice that nobody reads.
    let beats = "while :; do echo beat; echo beat >> beats; sleep 0.02; done";
    let command = format!("repair: {{command: [sh, -c, 'sh -c \"{beats}\" {word} & touch well']}}");
    let (mut orchestrator, mut events, _remote) = watch(|_| command);
    break_it(&orchestrator);
    events.wait_for("remote", "recovery_successful");
    goes_on(&orchestrator);
    assert!(orchestrator.stop().success());
    goes_on(&orchestrator);
    let left = processes(&word);
    assert_eq!(left.len(), 1, "it was ended");
    signal(left[0], "KILL");
}

/// The attempt is verified, not repeated; what it was in the middle of is ended.
#[test]
fn a_hook_that_a_crash_has_left_behind_is_ended_and_not_run_again() {
    let word = format!("1000.{}", free_port());
    let command = format!("repair: {{command: [sh, -c, \"echo run >> runs; sleep {word}\"], timeout_seconds: 600}}");
    let (orchestrator, _events, _remote) = watch(|_| command);
    break_it(&orchestrator);
    until("the hook runs", || (processes(&word).len() == 1).then_some(()));
    let orchestrator = orchestrator.crash_and_start_again();
    gone(&word);
    std::fs::write(place(&orchestrator, "well"), "").expect("it is well again");
    let mut events = orchestrator.events();
    assert_eq!(events.wait_for("remote", "recovery_successful")["attempts"], 1);
    assert_eq!(read(&orchestrator, "runs"), "run\n");
}

#[test]
fn a_hook_that_runs_ends_with_the_orchestrator() {
    let word = format!("1000.{}", free_port());
    let command = format!("repair: {{command: [sh, -c, \"sleep {word}\"], timeout_seconds: 600}}");
    let (mut orchestrator, _events, _remote) = watch(|_| command);
    break_it(&orchestrator);
    until("the hook runs", || (processes(&word).len() == 1).then_some(()));
    assert!(orchestrator.stop().success());
    gone(&word);
}

/// A child server with this `recovery`, once it is well.
fn child(recovery: &str) -> (Orchestrator, Events) {
    let entry = sample("calculator", free_port());
    let orchestrator = Orchestrator::start(&format!("{entry}    recovery: {{{recovery}}}\n"));
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    (orchestrator, events)
}

#[test]
fn one_hook_runs_before_the_restart_and_one_after_it() {
    let hook = |word: &str| format!("{word}: {{command: [sh, -c, \"echo {word} $MCP_HEALTH_STRATEGY >> order\"]}}");
    let (orchestrator, mut events) = child(&format!("{}, {}", hook("before"), hook("after")));
    signal(orchestrator.pid_of("calculator"), "KILL");
    events.wait_for("calculator", "recovery_successful");
    assert_eq!(read(&orchestrator, "order"), "before restart\nafter restart\n");
}

#[test]
fn nothing_is_done_when_the_hook_before_fails() {
    let (orchestrator, mut events) = child("before: {command: [\"false\"]}, after: {command: [touch, after]}");
    signal(orchestrator.pid_of("calculator"), "KILL");
    assert_eq!(error_of(&events.wait_for("calculator", "recovery_failed")), "action: hook `before`: it ended with exit code 1");
    events.wait_for("calculator", "recovery_exhausted");
    let log = std::fs::read_to_string(orchestrator.state().join("logs/calculator.log")).expect("a log");
    assert_eq!(log.lines().filter(|line| line.contains("serving")).count(), 1, "it was started");
    assert!(!place(&orchestrator, "after").exists());
}

#[test]
fn a_ladder_is_climbed_until_the_server_is_well() {
    let port = free_port();
    let registry = format!(
        "
health_check: {{interval_seconds: 0.3, timeout_seconds: 0.5, confirm_interval_seconds: 0.1, start_period_seconds: 3, success_threshold: 2}}
recovery: {{backoff: {{schedule: [0.1, 0.1, 0.1, 0.1, 0.1]}}, verify_timeout_seconds: 3, strategy: [repair, restart], repair: {{command: [\"true\"]}}}}
servers:
{}",
        sample("calculator", port)
    );
    let orchestrator = Orchestrator::start_with(&registry);
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    ureq::post(&format!("http://127.0.0.1:{port}/break/hang")).send_empty().expect("it is told to hang");
    let started = |events: &mut Events| events.wait_for("calculator", "recovery_started")["strategy"].clone();
    assert_eq!(started(&mut events), "repair");
    assert_eq!(events.wait_for("calculator", "recovery_failed")["error"], "verify_timeout");
    assert_eq!(started(&mut events), "restart");
    events.wait_for("calculator", "recovery_successful");
}
