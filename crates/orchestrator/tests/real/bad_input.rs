//! What is wrong is said: what, where, and what to do. Nothing is changed.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Orchestrator, QUICK, free_port, run, run_with, sample, until};

fn in_directory(registry: &str, arguments: &[&str]) -> (i32, String, bool) {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("registry.yaml"), registry).expect("written");
    let all = [&["run", "registry.yaml", "--state-dir", "state", "--listen", "127.0.0.1:0"], arguments].concat();
    let (code, text) = run(directory.path(), &all);
    (code, text, started_something(directory.path()))
}

fn started_something(directory: &Path) -> bool {
    let log = std::fs::metadata(directory.join("state/health-events.jsonl"));
    directory.join("state/processes").exists() || log.is_ok_and(|log| log.len() > 0)
}

fn refused(registry: &str, code: i32, words: &[&str]) {
    let (found, text, started) = in_directory(registry, &[]);
    assert_eq!(found, code, "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is missing in:\n{text}");
    }
    assert!(!started, "something was started:\n{text}");
}

#[test]
fn a_registry_that_is_not_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let (code, text) = run(directory.path(), &["run", "nowhere.yaml"]);
    assert_eq!(code, 78, "{text}");
    assert!(text.contains("nowhere.yaml cannot be read: No such file or directory"), "{text}");
}

#[test]
fn a_registry_that_is_not_yaml() {
    refused("servers: [\n", 78, &["registry.yaml:", "error:"]);
}

#[test]
fn every_mistake_is_shown_with_its_place() {
    let registry = "servers:\n  - name: a\n    port: 1\n    health_check: {intervall_seconds: 3}\n  - name: a\n    health_url: ftp://x/\nrecovery: {strategy: restrat}\n";
    refused(
        registry,
        78,
        &["registry.yaml:4:20:", "intervall_seconds", "interval_seconds", "registry.yaml:7:", "restrat", "restart"],
    );
}

#[test]
fn mistakes_of_meaning_are_shown_with_their_places_too() {
    let registry = "servers:\n  - name: a\n    port: 1\n  - name: a\n    health_url: ftp://x/\n    depends_on: [b]\n";
    refused(registry, 78, &["registry.yaml:4:11:", "taken", "registry.yaml:5:17:", "registry.yaml:6:18:", "`b`"]);
}

#[test]
fn a_mistake_hides_neither_a_warning_nor_a_misspelt_variable_and_no_password_is_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let registry = "servers: [{ name: a, colour: red, health_url: 'http://me:hunter2@a/' }]\n";
    std::fs::write(directory.path().join("registry.yaml"), registry).expect("written");
    for arguments in
        [&["check-config", "registry.yaml"][..], &["run", "registry.yaml"], &["check-config", "registry.yaml", "--json"]]
    {
        let (code, text) = run_with(directory.path(), arguments, &[("RECOVERY_ENABLE", "false")]);
        assert_eq!(code, 78, "{text}");
        for words in
            ["unknown key `colour` of a server", "did you mean `RECOVERY_ENABLED`?", "it carries a user name or password"]
        {
            assert!(text.contains(words), "{words} is missing in:\n{text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// Nothing is held against the server, so that nothing else would show it.
#[test]
fn a_tokens_file_that_has_gone_is_seen_in_our_own_health() {
    let directory = tempfile::tempdir().expect("a directory");
    let token = directory.path().join("token");
    std::fs::write(&token, "a-token").expect("written");
    let probes = "    probes: [{kind: http, bearer_token_file: token}]\n";
    let orchestrator = Orchestrator::start_at(directory, format!("{QUICK}servers:\n{}{probes}", sample("a", free_port())));
    orchestrator.events().wait_for("a", "status_changed");
    // Cut short while somebody renews it: the server, which would refuse an empty token, is not to blame.
    std::fs::write(&token, "\n").expect("written");
    let empty = |health: &Value| health["checks"]["sight"] == "degraded" && health.to_string().contains("it is empty");
    until("it says so", || Some(orchestrator.get("/health")).filter(empty));
    assert_eq!(orchestrator.get("/servers/a")["status"], "ok");
    let text = || run(orchestrator.directory.path(), &["check-config", "registry.yaml"]).1;
    assert!(text().contains("it is empty"), "{}", text());
    std::fs::remove_file(&token).expect("removed");
    let seen = |health: &Value| health["checks"]["sight"] == "degraded" && health.to_string().contains("token cannot be used");
    until("it says so", || Some(orchestrator.get("/health")).filter(seen));
    assert_eq!(orchestrator.get("/servers/a")["status"], "ok");
    std::fs::write(&token, "a-token").expect("written");
    until("it sees again", || (orchestrator.get("/health")["status"] == "ok").then_some(()));
}

/// A pipe that nobody writes into is a disk that does not answer.
#[test]
fn a_file_that_does_not_answer_is_named_while_it_is_waited_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let token = directory.path().join("token");
    rustix::fs::mkfifoat(rustix::fs::CWD, &token, rustix::fs::Mode::RWXU).expect("a pipe");
    let registry = "servers: [{ name: a, port: 1, probes: [{ kind: http, bearer_token_file: token }] }]\n";
    std::fs::write(directory.path().join("registry.yaml"), registry).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrator"));
    command.current_dir(directory.path()).args(["check-config", "registry.yaml"]).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().expect("it runs");
    let mut said = String::new();
    BufReader::new(child.stderr.take().expect("piped")).read_line(&mut said).expect("a line");
    assert!(said.contains("waiting for ") && said.contains("token: it does not answer"), "{said}");
    std::fs::write(&token, "a-token").expect("written");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, text, started) =
        in_directory(&format!("servers:\n{}", sample("a", free_port())), &[&format!("--gateway={address}")]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains(&address) && text.contains("Address already in use") && text.contains("--gateway"), "{text}");
    assert!(!started, "{text}");
}

#[test]
fn a_bind_that_others_can_reach() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("registry.yaml"), "servers: []").expect("written");
    let (code, text) = run(directory.path(), &["run", "registry.yaml", "--state-dir", "state", "--listen", "0.0.0.0:0"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("--insecure"), "{text}");
}

#[test]
fn a_state_directory_in_use() {
    let orchestrator = crate::harness::Orchestrator::start_with("servers: []");
    let state = orchestrator.state();
    let directory = orchestrator.directory.path();
    let arguments = ["run", "registry.yaml", "--state-dir", &state.to_string_lossy(), "--listen", "127.0.0.1:0"];
    let (code, text) = run(directory, &arguments);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("in use by another orchestrator"), "{text}");
}

#[test]
fn no_docker_socket() {
    let registry = "engines: [{name: local, kind: docker, address: \"unix:///nowhere/docker.sock\"}]\nservers:\n  - name: a\n    port: 1\n    runtime: {kind: docker, container: a}\n";
    refused(registry, 1, &["/nowhere/docker.sock", "registry.yaml:"]);
}

#[test]
fn a_container_that_does_not_exist() {
    let registry =
        "servers:\n  - name: a\n    port: 1\n    runtime: {kind: docker, container: mcp-health-test-no-such-container}\n";
    refused(registry, 1, &["registry.yaml:4:", "mcp-health-test-no-such-container"]);
}

#[test]
fn a_daemon_that_does_not_run() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let (code, text) = run(Path::new("."), &["status", "--url", &url]);
    assert_eq!(code, 69, "{text}");
    assert!(text.contains("is it running?"), "{text}");
}

/// Nothing is started, and what stands in the way is named.
#[test]
fn a_state_directory_that_cannot_be_used() {
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil, &str); 5] = [
        ("state", |state| std::fs::write(state, "").expect("written"), "--state-dir names another place"),
        ("state.db", |file| std::fs::write(file, "no database ".repeat(1_000)).expect("written"), "state.db is damaged"),
        ("lock", |file| std::fs::create_dir(file).expect("made"), "lock: Is a directory"),
        ("operator-token", |file| std::fs::write(file, "short").expect("written"), "shorter than 16 characters"),
        ("health-events.jsonl", |file| std::fs::create_dir(file).expect("made"), "cannot write the event log"),
    ];
    for (name, spoil, words) in cases {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("registry.yaml"), format!("servers:\n{}", sample("a", free_port())))
            .expect("written");
        let state = directory.path().join("state");
        if name == "state" {
            spoil(&state);
        } else {
            std::fs::create_dir(&state).expect("made");
            spoil(&state.join(name));
        }
        let (code, text) = run(directory.path(), &["run", "registry.yaml", "--state-dir", "state", "--listen", "127.0.0.1:0"]);
        assert_eq!(code, 1, "{name}: {text}");
        assert!(text.contains(words), "{name}: {text}");
        assert!(!state.join("processes").exists(), "something was started: {text}");
    }
}

/// Whoever reads the log may go: that ends nothing.
#[test]
fn a_stderr_that_nobody_reads() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("registry.yaml"), format!("servers:\n{}", sample("a", free_port()))).expect("written");
    let port = free_port();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device without room");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_orchestrator"))
        .current_dir(&directory)
        .args(["run", "registry.yaml", "--state-dir", "state", "--listen", &format!("127.0.0.1:{port}")])
        .stderr(full)
        .spawn()
        .expect("it starts");
    let url = format!("http://127.0.0.1:{port}/servers");
    let is_well =
        || ureq::get(&url).call().ok()?.body_mut().read_to_string().ok().filter(|text| text.contains("\"ok\"")).map(drop);
    crate::harness::until("its server is well", is_well);
    crate::harness::signal(i32::try_from(child.id()).expect("a pid"), "TERM");
    assert!(child.wait().expect("it has ended").success());
}
