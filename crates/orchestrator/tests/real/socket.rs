//! What the orchestrator asks of an engine: only what docs/operations/socket.md lists, also through a proxy that lets nothing else pass.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::harness::{Orchestrator, QUICK, until};
use crate::pier::{Habits, Pier};
use crate::quay::{PLACE, SOCKET};
use crate::recorder::Recorder;

/// Discovery through this address.
fn registry(pier: &Pier, address: &str) -> String {
    let place = &pier.0.prefix;
    format!(
        "{QUICK}engines: [{{name: local, kind: docker, address: \"{address}\"}}]\n\
         discovery: {{enabled: true, labels: {{{PLACE}: {place}}}, grace_seconds: 1}}\nservers: []\n"
    )
}

/// Everything that a container's life has: it appears, hangs and is restarted, is killed, stopped, started and removed.
fn live(pier: &Pier, orchestrator: &Orchestrator) {
    let mut events = orchestrator.events();
    let labels = [("mcp.health.enable", "true"), ("mcp.health.name", "calculator")];
    let calculator = pier.run_labelled("calculator", Habits::default(), &labels);
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
fn every_call_is_in_the_docs_and_bystanders_are_only_listed() {
    let pier = Pier::new();
    let bystander = pier.run("bystander");
    let life = bystander.life();
    let directory = tempfile::tempdir().expect("a directory");
    let recorder = Recorder::open(&directory.path().join("engine.sock"), Path::new(SOCKET));
    let orchestrator = Orchestrator::start_with(&registry(&pier, &recorder.address()));

    live(&pier, &orchestrator);

    let (called, always, recovery) = (recorder.kinds(), listed("always"), listed("recovery"));
    let unlisted: Vec<_> = called.iter().filter(|call| !always.contains(*call) && !recovery.contains(*call)).collect();
    assert!(unlisted.is_empty(), "docs/operations/socket.md does not list {unlisted:?}");
    let unused: Vec<_> = always.difference(&called).collect();
    assert!(unused.is_empty(), "docs/operations/socket.md lists what is never called: {unused:?}");
    let calls = recorder.calls();
    let id = bystander.id();
    let about = |call: &&String| call.contains(&bystander.full_name()) || call.contains(&id);
    assert_eq!(calls.iter().find(about), None);
    assert_eq!(bystander.life(), life);
}

/// HAProxy with the example's configuration; ended with its test.
struct Proxy(Child);

impl Proxy {
    fn start(socket: &Path) -> Self {
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
        let configuration = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/socket-proxy/haproxy.cfg");
        let mut haproxy = Command::new(program());
        haproxy.args(["-db", "-f"]).arg(configuration).stdin(Stdio::null());
        haproxy.env("PROXY_BIND", here).env("ENGINE_SOCKET", SOCKET);
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
    let pier = Pier::new();
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("proxy.sock");
    let _proxy = Proxy::start(&socket);
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
