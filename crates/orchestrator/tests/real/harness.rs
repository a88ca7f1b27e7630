//! Starts the built binaries and waits on what they say, never on time.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

mod built;

pub(crate) use built::{built, sample_server, target};

/// How long anything may take before a test gives up. Generous: it is only met by what never happens.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Settings that make everything quick: checks every 0.3 s, three failures, two good answers, attempts after 0.2 s.
pub(crate) const QUICK: &str = "
health_check: {interval_seconds: 0.3, timeout_seconds: 0.5, confirm_interval_seconds: 0.1, start_period_seconds: 10, success_threshold: 2}
recovery: {backoff: {schedule: [0.2, 0.4, 0.8]}, verify_timeout_seconds: 20}
";

/// Both daemons in one process, each where there is a port.
const TOGETHER: [&str; 2] = ["--listen=127.0.0.1:0", "--gateway=127.0.0.1:0"];

/// A running orchestrator.
pub(crate) struct Orchestrator {
    pub(crate) directory: TempDir,
    registry: String,
    places: Vec<String>,
    child: Child,
    pub(crate) api: String,
    /// Empty when it has none in its process.
    pub(crate) gateway: String,
}

impl Orchestrator {
    /// Starts one over `QUICK` and these servers, and waits until it serves.
    pub(crate) fn start(servers: &str) -> Self {
        Self::start_with(&format!("{QUICK}servers:\n{servers}"))
    }

    /// Starts one over a whole registry file.
    pub(crate) fn start_with(registry: &str) -> Self {
        Self::start_at(tempfile::tempdir().expect("a directory"), registry.to_owned())
    }

    /// Starts one over a whole registry file, with further arguments.
    pub(crate) fn start_with_arguments(registry: &str, arguments: &[&str]) -> Self {
        let places = TOGETHER.iter().chain(arguments).map(|it| (*it).to_owned()).collect();
        Self::start_in(tempfile::tempdir().expect("a directory"), registry.to_owned(), places)
    }

    /// Starts one without a gateway, that has the same address after a crash.
    pub(crate) fn start_alone(servers: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let place = format!("--listen=127.0.0.1:{}", free_port());
        Self::start_in(directory, format!("{QUICK}servers:\n{servers}"), vec![place])
    }

    /// Starts one over a whole registry file, in a directory that has been prepared.
    pub(crate) fn start_at(directory: TempDir, registry: String) -> Self {
        Self::start_in(directory, registry, TOGETHER.map(str::to_owned).to_vec())
    }

    /// The same, by another command that becomes it in the end: `sh -c "... exec \"$@\"" sh`.
    pub(crate) fn start_under(wrapper: &[&str], directory: TempDir, registry: String) -> Self {
        Self::start_by(wrapper, directory, registry, TOGETHER.map(str::to_owned).to_vec())
    }

    fn start_in(directory: TempDir, registry: String, places: Vec<String>) -> Self {
        Self::start_by(&[], directory, registry, places)
    }

    fn start_by(wrapper: &[&str], directory: TempDir, registry: String, places: Vec<String>) -> Self {
        std::fs::write(directory.path().join("registry.yaml"), &registry).expect("the registry is written");
        let mut command = orchestrator(wrapper, &directory);
        let child = command.args(&places).stderr(Stdio::piped()).spawn().expect("the orchestrator starts");
        let (child, serving) = serving(child, "orchestrator");
        let mut addresses = serving.split(' ').filter(|word| word.starts_with("http://")).rev();
        let mut address = || addresses.next().unwrap_or_default().trim_end_matches('/').to_owned();
        let (api, gateway) = (address(), address());
        Self { directory, registry, places, child, api, gateway }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        get(&format!("{}{path}", self.api))
    }

    /// The events from the first on, as they come.
    pub(crate) fn events(&self) -> Events {
        Events::follow(&format!("{}/events?since=0", self.api))
    }

    /// Waits until every engine is listened to: from then on it tells of each death.
    pub(crate) fn hears_its_engines(&self) {
        until("it listens to its engines", || (self.get("/health")["checks"]["engines"] == "ok").then_some(()));
    }

    /// The events from this moment on.
    pub(crate) fn events_from_now(&self) -> Events {
        Events::follow(&format!("{}/events?since={}", self.api, self.get("/servers")["seq"]))
    }

    /// The pid of a child server, from the record that the orchestrator keeps.
    pub(crate) fn pid_of(&self, server: &str) -> i32 {
        // It may answer before that is written down.
        until(&format!("the pid of {server} is on disk"), || {
            let record = std::fs::read_to_string(self.state().join(format!("processes/{server}.json"))).ok()?;
            let record: Value = serde_json::from_str(&record).ok()?;
            find_key(&record, "pid").and_then(Value::as_i64).and_then(|pid| i32::try_from(pid).ok())
        })
    }

    /// Its own pid.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Killed with SIGKILL and started again in the same place.
    pub(crate) fn crash_and_start_again(mut self) -> Self {
        self.crash();
        self.start_again()
    }

    /// Killed with SIGKILL.
    pub(crate) fn crash(&mut self) {
        kill(&mut self.child);
    }

    /// After a crash, in the same place.
    pub(crate) fn start_again(mut self) -> Self {
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir().expect("a directory"));
        Self::start_in(directory, self.registry.clone(), self.places.clone())
    }

    /// Stopped as an operator stops it.
    pub(crate) fn stop(&mut self) -> std::process::ExitStatus {
        signal(i32::try_from(self.child.id()).expect("a pid"), "TERM");
        self.child.wait().expect("it has ended")
    }
}

impl Drop for Orchestrator {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}

/// A gateway in a process of its own.
pub(crate) struct Gateway {
    child: Child,
    orchestrator: String,
    pub(crate) url: String,
}

impl Gateway {
    /// Starts one that follows this orchestrator, and waits until it serves.
    pub(crate) fn start(orchestrator: &str) -> Self {
        Self::start_at(orchestrator, "127.0.0.1:0")
    }

    /// `orchestrator`: one address, or several with commas.
    fn start_at(orchestrator: &str, listen: &str) -> Self {
        static PATH: OnceLock<PathBuf> = OnceLock::new();
        let mut command = Command::new(PATH.get_or_init(|| built("gateway")));
        command.arg("run");
        orchestrator.split(',').for_each(|url| _ = command.args(["--orchestrator", url]));
        command.args(["--listen", listen]).stdin(Stdio::null()).stderr(Stdio::piped());
        let (child, serving) = serving(command.spawn().expect("the gateway starts"), "gateway");
        let url = serving.rsplit(' ').next().expect("an address").to_owned();
        Self { child, orchestrator: orchestrator.to_owned(), url }
    }

    /// Killed with SIGKILL.
    pub(crate) fn crash(&mut self) {
        kill(&mut self.child);
    }

    /// After a crash, on the same port.
    pub(crate) fn start_again(self) -> Self {
        Self::start_at(&self.orchestrator, self.url.trim_start_matches("http://"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

fn kill(child: &mut Child) {
    child.kill().expect("it is killed");
    child.wait().expect("it has ended");
}

/// Waits for the line that says where it serves.
fn serving(mut child: Child, name: &'static str) -> (Child, String) {
    let mut lines = lines_of(child.stderr.take().expect("piped"));
    let is_serving = |line: &str| line.starts_with("serving: ") || line.starts_with("gateway: serving on ");
    let mut said = Vec::new();
    let Some(first) = lines.by_ref().find(|line| {
        is_serving(line) || {
            said.push(line.clone());
            false
        }
    }) else {
        panic!("{name} does not serve: {}", said.join("\n"));
    };
    // Whatever else it says is shown when a test fails.
    std::thread::spawn(move || lines.for_each(|line| eprintln!("{name}: {line}")));
    (child, first)
}

pub(crate) fn find_key<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object.get(key).or_else(|| object.values().find_map(|inner| find_key(inner, key)))
}

fn orchestrator(wrapper: &[&str], directory: &TempDir) -> Command {
    let mut words = wrapper.iter().copied().chain([env!("CARGO_BIN_EXE_orchestrator")]);
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words);
    command.current_dir(directory).args(["run", "registry.yaml", "--state-dir", "state", "--name", "here"]);
    command.stdin(Stdio::null());
    command
}

/// Runs the orchestrator's command line to its end: its exit code, and what it printed.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> (i32, String) {
    run_with(directory, arguments, &[])
}

/// The same, with more environment variables.
pub(crate) fn run_with(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrator"));
    command
        .current_dir(directory)
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let (stdout, stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let (outbox, inbox) = channel();
    std::thread::spawn(move || outbox.send(lines_of(stdout).chain(lines_of(stderr)).collect::<Vec<_>>().join("\n")));
    let Ok(text) = inbox.recv_timeout(PATIENCE) else {
        child.kill().expect("it is killed");
        panic!("it does not end: {arguments:?}");
    };
    (child.wait().expect("it has ended").code().expect("an exit code"), text)
}

/// A stream of events; each wait goes on where the last one ended.
pub(crate) struct Events {
    inbox: Receiver<Value>,
    pub(crate) seen: Vec<Value>,
}

impl Events {
    fn follow(url: &str) -> Self {
        let response = ureq::get(url).header("accept", "text/event-stream").call().expect("a stream");
        let reader = response.into_body().into_reader();
        let (outbox, inbox) = channel();
        std::thread::spawn(move || {
            let data = lines_of(reader).filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok());
            for event in data {
                if outbox.send(event).is_err() {
                    return;
                }
            }
        });
        Self { inbox, seen: Vec::new() }
    }

    /// What a WebSocket of a gateway says from now on.
    pub(crate) fn stream(gateway: &str, query: &str) -> Self {
        let url = format!("{}/health/stream?{query}", gateway.replacen("http", "ws", 1));
        let (mut socket, _) = tokio_tungstenite::tungstenite::connect(url).expect("a WebSocket");
        let (outbox, inbox) = channel();
        std::thread::spawn(move || {
            while let Ok(message) = socket.read() {
                let Ok(text) = message.into_text() else { return };
                // What is no JSON is a ping.
                if serde_json::from_str(&text).is_ok_and(|event| outbox.send(event).is_err()) {
                    return;
                }
            }
        });
        Self { inbox, seen: Vec::new() }
    }

    /// The next event of this type about this server.
    pub(crate) fn wait_for(&mut self, server: &str, event_type: &str) -> Value {
        self.wait_until(&format!("{event_type} of {server}"), |event| {
            event["server_name"] == server && event["event_type"] == event_type
        })
    }

    /// The next event that fits.
    pub(crate) fn wait_until(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(event) = self.inbox.recv_timeout(left) else {
                panic!(
                    "no {what}; seen: {:#?}",
                    self.seen.iter().filter(|event| event["event_type"] != "health_check_completed").collect::<Vec<_>>()
                );
            };
            self.seen.push(event.clone());
            if fits(&event) {
                return event;
            }
        }
    }

    /// What has been seen of one server, without the checks.
    pub(crate) fn types(&self, server: &str) -> Vec<&str> {
        let of_server = self.seen.iter().filter(|event| event["server_name"] == server);
        of_server.filter_map(|event| event["event_type"].as_str()).filter(|it| *it != "health_check_completed").collect()
    }
}

/// Asks again and again until the answer fits.
pub(crate) fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, ask)
}

/// The same, for what takes its time.
pub(crate) fn until_within<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    panic!("never: {what}");
}

pub(crate) fn get(url: &str) -> Value {
    ureq::get(url).call().unwrap_or_else(|error| panic!("GET {url}: {error}")).body_mut().read_json().expect("JSON")
}

pub(crate) fn signal(pid: i32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().expect("kill runs");
    assert!(status.success(), "kill -{name} {pid}");
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

pub(crate) fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// A registry entry that runs the sample server on this port.
pub(crate) fn sample(name: &str, port: u16) -> String {
    format!(
        "  - name: {name}\n    port: {port}\n    runtime: {{kind: process, command: {}, args: [--listen, \"127.0.0.1:{port}\", --name, {name}]}}\n",
        sample_server().display()
    )
}

/// Every event that an orchestrator has written; whole lines only.
pub(crate) fn log(orchestrator: &Orchestrator) -> Vec<Value> {
    let text = std::fs::read_to_string(orchestrator.state().join("health-events.jsonl")).expect("a log");
    assert!(text.ends_with('\n'), "the last line is torn");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("torn: {line}: {error}"))).collect()
}

fn lines_of(reader: impl Read + Send + 'static) -> impl Iterator<Item = String> + Send {
    BufReader::new(reader).lines().map_while(Result::ok)
}
