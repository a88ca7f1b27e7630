//! What the orchestrator asks of an engine: only what docs/operations/socket.md lists, also through a proxy that lets nothing else pass.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use health_spec::config::EngineKind;

use crate::harness::{Orchestrator, QUICK, until};
use crate::pier::{Container, Habits, Pier};
use crate::quay::{PLACE, engine};
use crate::recorder::Recorder;

/// Discovery through this address.
fn registry(pier: &Pier, address: &str) -> String {
    let (place, kind) = (&pier.0.prefix, pier.0.kind.as_str());
    format!(
        "{QUICK}engines: [{{name: local, kind: {kind}, address: \"{address}\"}}]\n\
         discovery: {{enabled: true, labels: {{{PLACE}: {place}}}, grace_seconds: 1}}\nservers: []\n"
    )
}

/// Where the engine of this kind listens.
fn socket(kind: EngineKind) -> PathBuf {
    engine(kind).address.trim_start_matches("unix://").into()
}

/// One that is to be watched, with these labels too.
fn asking<'a>(pier: &'a Pier, more: &[(&str, &str)]) -> Container<'a> {
    let labels = [("mcp.health.enable", "true"), ("mcp.health.name", "calculator")];
    pier.run_labelled("calculator", Habits { bridged: true, ..Habits::default() }, &[&labels[..], more].concat())
}

/// Everything that a container's life has: it appears, hangs and is restarted, is killed, stopped, started and removed.
fn live(pier: &Pier, orchestrator: &Orchestrator) {
    let mut events = orchestrator.events();
    let calculator = asking(pier, &[]);
    events.wait_for("calculator", "status_changed");
    calculator.break_by("hang");
    events.wait_for("calculator", "recovery_successful");
    calculator.kill();
    events.wait_for("calculator", "recovery_successful");
    calculator.stop(10);
    events.wait_for("calculator", "server_stopped");
    calculator.start();
    events.wait_for("calculator", "server_started");
    calculator.remove();
    events.wait_for("calculator", "server_deregistered");
}

/// The calls that the page lists, between its markers.
pub(crate) fn listed(section: &str) -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations/socket.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let (_, from) = page.split_once(&format!("<!-- calls: {section} -->")).expect("the list begins");
    let (list, _) = from.split_once("<!-- end -->").expect("the list ends");
    let rows = list.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(call, _)| call.to_owned()).collect()
}

#[test]
fn every_call_of_docker_is_in_the_docs_and_bystanders_are_only_listed() {
    every_call_is_in_the_docs(EngineKind::Docker);
}

#[test]
fn every_call_of_podman_is_in_the_docs_and_bystanders_are_only_listed() {
    every_call_is_in_the_docs(EngineKind::Podman);
}

fn every_call_is_in_the_docs(kind: EngineKind) {
    let pier = Pier::with(kind);
    let bystander = pier.run("bystander");
    let life = bystander.life();
    let directory = tempfile::tempdir().expect("a directory");
    let recorder = Recorder::open(&directory.path().join("engine.sock"), &socket(kind));
    let orchestrator = Orchestrator::start_with(&registry(&pier, &recorder.address()));

    live(&pier, &orchestrator);

    let (called, always, recovery) = (recorder.kinds(), listed("always"), listed("recovery"));
    let unlisted: Vec<_> = called.iter().filter(|call| !always.contains(*call) && !recovery.contains(*call)).collect();
    assert!(unlisted.is_empty(), "docs/operations/socket.md does not list {unlisted:?}");
    let unused: Vec<_> = always.difference(&called).collect();
    assert!(unused.is_empty(), "docs/operations/socket.md lists what is never called: {unused:?}");
    assert_eq!(called.contains("POST /containers/{id}/unpause"), kind == EngineKind::Podman, "{called:?}");
    let calls = recorder.calls();
    let id = bystander.id();
    let about = |call: &&String| call.contains(&bystander.full_name()) || call.contains(&id);
    assert_eq!(calls.iter().find(about), None);
    assert_eq!(bystander.life(), life);
}

/// HAProxy with the example's configuration; ended with its test.
struct Proxy(Child);

impl Proxy {
    /// As it is in the example.
    fn start(kind: EngineKind, at: &Path) -> Self {
        Self::start_with(&example(), kind, at)
    }

    fn start_with(configuration: &str, kind: EngineKind, socket: &Path) -> Self {
        // As the page says, at a place of the test's own.
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations/socket.md");
        let page = std::fs::read_to_string(page).expect("the page");
        let (_, bind) = page.split_once("PROXY_BIND='").expect("the command");
        let (bind, _) = bind.split_once('\'').expect("its end");
        let group = Command::new("id").arg("-gn").output().expect("id runs").stdout;
        let own = format!("group {}", String::from_utf8(group).expect("a name").trim());
        let place = socket.to_str().expect("text");
        let here = bind.replace("/run/mcp-health/engine.sock", place).replace("group mcp-health", &own);
        assert!(here.contains(place) && here.contains(&own), "{bind}");
        let file = socket.with_extension("cfg");
        std::fs::write(&file, configuration).expect("written");
        let mut haproxy = Command::new(program());
        haproxy.args(["-db", "-f"]).arg(file).stdin(Stdio::null());
        haproxy.env("PROXY_BIND", here).env("ENGINE_SOCKET", self::socket(kind));
        let proxy = Self(haproxy.spawn().expect("haproxy starts: `apt-get install haproxy`, or `cargo xtask test`"));
        until("the proxy listens", || std::os::unix::net::UnixStream::connect(socket).ok());
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The configuration.
fn example() -> String {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/socket-proxy/haproxy.cfg");
    std::fs::read_to_string(at).expect("the example")
}

/// The same, with the lines that let a recreate pass.
fn with_recreate() -> String {
    let example = example();
    let (before, from) = example.split_once("# Only for `strategy: recreate`").expect("the lines");
    let (lines, after) = from.split_once("\n\n").expect("their end");
    format!("{before}# {}\n\n{after}", lines.replace("\n    # ", "\n    "))
}

/// Debian has it where only root looks.
fn program() -> PathBuf {
    let at = Path::new("/usr/sbin/haproxy");
    if at.exists() { at.to_owned() } else { "haproxy".into() }
}

/// The status of a call through the socket.
fn ask(socket: &Path, method: &str, path: &str) -> u16 {
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(socket).expect("the proxy's socket");
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer");
    std::str::from_utf8(&answer[9..]).expect("text").parse().expect("a status")
}

#[test]
fn everything_works_through_a_proxy_that_refuses_the_rest() {
    works_through_a_proxy(EngineKind::Docker);
}

#[test]
fn everything_works_with_podman_through_a_proxy_that_refuses_the_rest() {
    works_through_a_proxy(EngineKind::Podman);
}

fn works_through_a_proxy(kind: EngineKind) {
    let pier = Pier::with(kind);
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("proxy.sock");
    let _proxy = Proxy::start(kind, &socket);
    let bystander = pier.run("bystander");
    let orchestrator = Orchestrator::start_with(&registry(&pier, &format!("unix://{}", socket.display())));

    live(&pier, &orchestrator);

    let name = bystander.full_name();
    let allowed = [("GET", "/_ping".to_owned()), ("GET", "/v1.41/containers/json?all=true".to_owned())];
    for (method, path) in allowed {
        assert_eq!(ask(&socket, method, &path), 200, "{method} {path}");
    }
    let refused = [
        ("POST", "/containers/create".to_owned()),
        ("POST", format!("/v1.41/containers/{name}/exec")),
        ("POST", format!("/containers/{name}/kill")),
        ("POST", format!("/containers/{name}/../{name}/kill")),
        ("POST", format!("/containers/{name}/restart/../kill")),
        ("POST", format!("/containers/{name}%2Fkill")),
        ("PUT", format!("/containers/{name}/archive?path=/")),
        ("GET", format!("/containers/{name}/export")),
        ("GET", "/images/json".to_owned()),
        ("GET", "/images/a/../../secrets/json".to_owned()),
        ("GET", "/secrets".to_owned()),
        ("DELETE", format!("/containers/{name}?force=1")),
    ];
    for (method, path) in refused {
        assert_eq!(ask(&socket, method, &path), 403, "{method} {path}");
    }
    assert_eq!(bystander.state().running, Some(true));
}

fn recreates_through_a_proxy(kind: EngineKind) {
    let pier = Pier::with(kind);
    let directory = tempfile::tempdir().expect("a directory");
    let (strict, open) = (directory.path().join("strict.sock"), directory.path().join("open.sock"));
    let _proxies = (Proxy::start(kind, &strict), Proxy::start_with(&with_recreate(), kind, &open));
    let calculator = asking(&pier, &[("mcp.health.recovery", "recreate")]);
    let watched_through = |socket: &Path| {
        let orchestrator = Orchestrator::start_with(&registry(&pier, &format!("unix://{}", socket.display())));
        let mut events = orchestrator.events();
        assert_eq!(events.wait_until("a good answer", |event| event["event_type"] == "status_changed")["status"], "ok");
        orchestrator.hears_its_engines();
        (orchestrator, events)
    };
    let id = calculator.id();

    let (orchestrator, mut events) = watched_through(&strict);
    calculator.break_by("hang");
    let failed = events.wait_for("calculator", "recovery_failed");
    let error = failed["error"].as_str().expect("an error");
    let container = format!("container \"{}\" of engine \"local\"", calculator.full_name());
    assert!(error.contains(&container) && error.ends_with("docs/operations/socket.md lists what has to pass"), "{error}");
    assert!(!error.contains('<') && calculator.id() == id, "{error}");
    drop(orchestrator);
    calculator.restart();
    until("it answers", || calculator.answers().then_some(()));

    let (_orchestrator, mut events) = watched_through(&open);
    calculator.break_by("hang");
    events.wait_for("calculator", "recovery_successful");
    assert_ne!(calculator.id(), id);
    until("what was replaced is gone", || calculator.kept().is_empty().then_some(()));
}

#[test]
fn a_recreate_in_docker_needs_the_lines_of_the_proxy_that_are_for_it() {
    recreates_through_a_proxy(EngineKind::Docker);
}

#[test]
fn a_recreate_in_podman_needs_the_lines_of_the_proxy_that_are_for_it() {
    recreates_through_a_proxy(EngineKind::Podman);
}
