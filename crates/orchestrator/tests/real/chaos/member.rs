//! One server of the cast: what it is, how it is broken and put right, and how its registry entry reads.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::blow::Blow;
use super::landing::Landing;
use super::unit::Unit;
use crate::dock::as_root;
use crate::harness::{Orchestrator, answers, sample_server, signal, until};
use crate::pier::Container;

/// One server.
pub(crate) struct Member<'a> {
    pub(crate) name: String,
    pub(crate) kind: Kind<'a>,
    /// None: nobody breaks it.
    pub(crate) blows: &'static [Blow],
    /// Further keys of its entry.
    pub(crate) keys: &'static str,
}

/// What it is.
pub(crate) enum Kind<'a> {
    Container {
        container: Box<Container<'a>>,
        landing: &'a Landing,
        /// By its labels: the registry does not name it.
        is_found: bool,
        /// Its engine starts it again by itself.
        is_kept: bool,
    },
    /// A child of the orchestrator that listens on a port; how a shell starts it.
    Process { port: u16, line: String },
    /// A child that speaks MCP on its pipes; how a shell starts it.
    Piped { line: String },
    /// A unit of systemd.
    Unit(Unit),
    /// Watched only: another one of the cast, which is well.
    Watched { port: u16 },
    /// Watched only, and broken: its owner is the test.
    Foreign(Foreign),
}

/// A child of the test.
pub(crate) struct Foreign {
    port: u16,
    child: RefCell<Child>,
}

impl Member<'_> {
    /// What tells one life of it from another.
    pub(crate) fn life(&self, orchestrator: &Orchestrator) -> String {
        match &self.kind {
            Kind::Container { container, .. } => format!("{:?}", container.life()),
            Kind::Process { .. } | Kind::Piped { .. } => orchestrator.pid_of(&self.name).to_string(),
            Kind::Unit(unit) => unit.asked().to_string(),
            Kind::Watched { .. } | Kind::Foreign(_) => String::new(),
        }
    }

    /// Whether the test can get at it.
    pub(crate) fn is_reachable(&self) -> bool {
        !matches!(&self.kind, Kind::Container { landing, .. } if !landing.is_reachable())
    }

    /// Whether nobody but the test may put it right.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self.kind, Kind::Foreign(_))
    }

    /// Whether somebody has to undo this: then no restart of ours mends it.
    pub(crate) fn wants_undoing(&self, blow: Blow) -> bool {
        blow.is_wanted() || self.is_foreign()
    }

    pub(crate) fn suffer(&self, blow: Blow, orchestrator: &Orchestrator) {
        match (blow, &self.kind) {
            (Blow::Crash | Blow::Hang | Blow::Down | Blow::Memory, _) => self.break_by(blow),
            (Blow::Kill, Kind::Container { container, .. }) => container.kill(),
            (Blow::Stop, Kind::Container { container, .. }) => container.stop(5),
            (Blow::Pause, Kind::Container { container, .. }) => container.pause(),
            (Blow::Cut, Kind::Container { container, .. }) => cut(container),
            (Blow::Kill, Kind::Process { .. } | Kind::Piped { .. }) => signal(orchestrator.pid_of(&self.name), "KILL"),
            (Blow::Freeze, Kind::Process { .. } | Kind::Piped { .. }) => signal(orchestrator.pid_of(&self.name), "STOP"),
            (Blow::Kill, Kind::Unit(unit)) => unit.dies(),
            (Blow::Stop, Kind::Unit(unit)) => unit.stops(),
            (Blow::Kill, Kind::Foreign(foreign)) => foreign.ends(),
            (Blow::Freeze, Kind::Foreign(foreign)) => signal(foreign.pid(), "STOP"),
            (blow, _) => panic!("{blow:?} does not fit {}", self.name),
        }
    }

    pub(crate) fn undo(&self, blow: Blow) {
        match (blow, &self.kind) {
            (Blow::Stop, Kind::Container { container, .. }) => container.start(),
            (Blow::Pause, Kind::Container { container, .. }) => container.unpause(),
            (Blow::Stop, Kind::Unit(unit)) => unit.starts(),
            (_, Kind::Foreign(foreign)) => foreign.starts_again(),
            (blow, _) => panic!("{blow:?} of {} needs no undoing", self.name),
        }
    }

    /// One that crashes may be gone before it answers, and so may one that is out of memory.
    fn break_by(&self, blow: Blow) {
        let url = format!("http://127.0.0.1:{}/break/{}", self.port(), blow.word());
        let request = ureq::post(&url).config().timeout_global(Some(Duration::from_secs(10))).build();
        let answer = request.send_empty();
        assert!(answer.is_ok() || blow.is_a_death(), "{} was not broken by {blow:?}: {answer:?}", self.name);
    }

    pub(crate) fn port(&self) -> u16 {
        match &self.kind {
            Kind::Container { container, .. } => container.port,
            Kind::Process { port, .. } | Kind::Watched { port } | Kind::Foreign(Foreign { port, .. }) => *port,
            Kind::Unit(unit) => unit.port,
            Kind::Piped { .. } => panic!("{} has no port", self.name),
        }
    }

    /// How often it was started after the first time, by its own account or its engine's.
    pub(crate) fn starts(&self, directory: &Path) -> usize {
        match &self.kind {
            Kind::Container { container, .. } => container.count("start"),
            Kind::Unit(unit) => unit.asked(),
            Kind::Process { .. } | Kind::Piped { .. } => {
                std::fs::read(starts(directory, &self.name)).expect("it was started").len() - 1
            }
            Kind::Watched { .. } | Kind::Foreign(_) => 0,
        }
    }

    /// Its place in a registry.
    pub(crate) fn entry(&self, directory: &Path) -> String {
        let (name, keys) = (&self.name, self.keys);
        match &self.kind {
            Kind::Container { is_found: true, .. } => String::new(),
            Kind::Container { container, landing, .. } => container.entry_in(&landing.engine.name) + keys,
            Kind::Watched { port } | Kind::Foreign(Foreign { port, .. }) => {
                format!("  - name: {name}\n    port: {port}\n    runtime: {{kind: none}}\n{keys}")
            }
            Kind::Unit(unit) => format!("  - name: {name}\n    port: {}\n    runtime: {}\n{keys}", unit.port, unit.runtime()),
            Kind::Piped { line } => {
                let runtime = self.runtime(line, directory, ", stdio: mcp");
                format!("  - name: {name}\n    probes: [{{kind: mcp, depth: list}}]\n    runtime: {runtime}\n{keys}")
            }
            Kind::Process { port, line } => {
                let runtime = self.runtime(line, directory, "");
                let endpoint = format!("http://127.0.0.1:{port}/mcp");
                format!("  - name: {name}\n    port: {port}\n    endpoint: {endpoint}\n    runtime: {runtime}\n{keys}")
            }
        }
    }

    /// A child that notes each of its starts.
    fn runtime(&self, line: &str, directory: &Path, more: &str) -> String {
        let script = format!("printf . >> {}; exec {line}", starts(directory, &self.name).display());
        format!("{{kind: process, command: /bin/sh, args: [-c, {script:?}]{more}}}")
    }
}

impl Foreign {
    pub(crate) fn start(port: u16) -> Self {
        Self { port, child: RefCell::new(spawn(port)) }
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.borrow().id()).expect("a pid")
    }

    fn ends(&self) {
        let mut child = self.child.borrow_mut();
        child.kill().expect("it is killed");
        child.wait().expect("it has ended");
    }

    fn starts_again(&self) {
        self.ends();
        *self.child.borrow_mut() = spawn(self.port);
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn spawn(port: u16) -> Child {
    let mut command = Command::new(sample_server());
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--name", "foreign"]).stdin(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("it starts");
    until("it serves", || answers(port).then_some(()));
    child
}

/// One byte a start.
fn starts(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("starts-{name}"))
}

/// Everything that goes into its network namespace is dropped, until it has another one.
fn cut(container: &Container<'_>) {
    let pid = container.state().pid.expect("a pid").to_string();
    let namespace = |of: &str| {
        let name = as_root("readlink").arg(format!("/proc/{of}/ns/net")).output().expect("readlink runs").stdout;
        assert!(!name.is_empty(), "{of} does not run");
        name
    };
    assert_ne!(namespace(&pid), namespace("self"), "the machine's own network is not to be cut");
    let words = ["-t", &pid, "-n", "iptables", "-A", "INPUT", "-j", "DROP"];
    let status = as_root("nsenter").args(words).status().expect("nsenter runs");
    assert!(status.success(), "iptables in the namespace of {pid}");
}
