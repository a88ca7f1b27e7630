//! The servers that are broken, those that are not, and the one that is past help.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bollard::models::RestartPolicyNameEnum;
use health_spec::config::EngineKind;
use tempfile::TempDir;

use super::blow::Blow;
use crate::harness::{Orchestrator, free_port, sample_server, signal};
use crate::mcp::peers::piped as piped_servers;
use crate::pier::{Container, Habits, Pier};
use crate::strait::Strait;

/// It never starts: giving it up is right.
pub(crate) const HOPELESS: &str = "hopeless";

/// Checks every 0.5 s, three failures, two good answers; attempts enough for every blow, and time enough on a busy machine.
const SETTINGS: &str = "
health_check: {interval_seconds: 0.5, timeout_seconds: 2, confirm_interval_seconds: 0.2, start_period_seconds: 20, success_threshold: 2}
recovery: {backoff: {initial_delay: 0.2, multiplier: 1.0, max_delay: 0.2}, max_attempts: 1000, budget: {attempts: 1000, window_seconds: 3600}, verify_timeout_seconds: 40}
";

const DOCKER: &[Blow] = &[Blow::Kill, Blow::Crash, Blow::Hang, Blow::Down, Blow::Stop, Blow::Pause, Blow::Cut];
/// Those of the tests share the machine's network, which nobody cuts.
const PODMAN: &[Blow] = &[Blow::Kill, Blow::Crash, Blow::Hang, Blow::Down, Blow::Stop, Blow::Pause];
const PROCESS: &[Blow] = &[Blow::Kill, Blow::Crash, Blow::Hang, Blow::Down, Blow::Freeze];
/// A server of others: it has no words for its own trouble.
const PIPED: &[Blow] = &[Blow::Kill, Blow::Freeze];
/// For a container that may take 64 MiB.
const SMALL: &[Blow] = &[Blow::Memory, Blow::Kill];

/// An engine, what the test has in it, and the way to it.
pub(crate) struct Landing {
    kind: EngineKind,
    pier: Pier,
    way: RefCell<Strait>,
}

/// Everybody.
pub(crate) struct Cast<'a> {
    directory: TempDir,
    landings: &'a [Landing],
    members: Vec<Member<'a>>,
}

/// One server.
pub(crate) struct Member<'a> {
    name: String,
    kind: Kind<'a>,
    /// None: nobody breaks it.
    blows: &'static [Blow],
    /// Further keys of its entry, in flow style.
    keys: &'static str,
}

enum Kind<'a> {
    Container(Box<Container<'a>>),
    /// A child of the orchestrator that is a sample server.
    Process {
        port: u16,
    },
    /// A child that speaks MCP on its pipes; its runtime, as the registry has it.
    Piped(String),
    /// Watched only: somebody else's.
    Watched {
        port: u16,
    },
}

impl<'a> Cast<'a> {
    pub(crate) fn assemble(landings: &'a [Landing]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut members: Vec<_> = landings.iter().flat_map(containers).chain(processes()).collect();
        let well: Vec<_> = members.iter().filter(|it| it.blows.is_empty()).map(|it| (it.name.clone(), it.port())).collect();
        let watched =
            |(name, port)| Member { name: format!("watched-{name}"), kind: Kind::Watched { port }, blows: &[], keys: "" };
        members.extend(well.into_iter().map(watched));
        let names = ["piped-legacy", "piped-new"].map(str::to_owned);
        let piped = |(name, runtime)| Member { name, kind: Kind::Piped(runtime), blows: PIPED, keys: "" };
        members.extend(names.into_iter().zip(piped_servers(directory.path())).map(piped));
        Self { directory, landings, members }
    }

    pub(crate) fn registry(&self) -> String {
        let hopeless = format!(
            "  - {{name: {HOPELESS}, port: {}, recovery: {{max_attempts: 2, budget: {{attempts: 10, window_seconds: 3600}}}}, runtime: {{kind: process, command: /bin/false}}}}\n",
            free_port()
        );
        let engine = |landing: &Landing| {
            let engine = landing.way.borrow().engine();
            format!("  - {{name: {}, kind: {}, address: \"{}\"}}\n", engine.name, engine.kind.as_str(), engine.address)
        };
        let engines: String = self.landings.iter().map(engine).collect();
        let servers: String = self.members.iter().map(|member| member.entry(self.directory.path())).collect();
        format!("{SETTINGS}engines:\n{engines}servers:\n{servers}{hopeless}")
    }

    /// Every connection to one of the engines breaks, and none can be made for so long.
    pub(crate) fn cut_engine(&self, which: usize, duration: Duration) {
        let way = &self.landings[which % self.landings.len()].way;
        way.borrow_mut().close();
        std::thread::sleep(duration);
        way.borrow_mut().open();
    }

    /// How many servers there are.
    pub(crate) fn len(&self) -> usize {
        self.names().count()
    }

    /// All of them, the hopeless one too.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(Member::name).chain([HOPELESS])
    }

    /// Somebody who can be broken.
    pub(crate) fn victim(&self, name: &str) -> Option<&Member<'a>> {
        self.members.iter().find(|member| member.name == name && !member.blows.is_empty())
    }

    /// Those whom nobody breaks.
    pub(crate) fn bystanders(&self) -> impl Iterator<Item = &Member<'a>> {
        self.members.iter().filter(|member| member.blows.is_empty())
    }

    /// How often a server was started, by its own account or its engine's.
    pub(crate) fn starts(&self, name: &str) -> Option<usize> {
        let member = self.members.iter().find(|member| member.name == name)?;
        match &member.kind {
            Kind::Container(_) | Kind::Piped(_) | Kind::Watched { .. } => None,
            Kind::Process { .. } => Some(std::fs::read(starts(self.directory.path(), name)).expect("it was started").len()),
        }
    }

    /// How often an engine was told to restart a container.
    pub(crate) fn restarts(&self, name: &str) -> usize {
        match self.members.iter().find(|member| member.name == name).map(|member| &member.kind) {
            Some(Kind::Container(container)) => container.count("restart"),
            _ => 0,
        }
    }
}

impl Member<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn blows(&self) -> &'static [Blow] {
        self.blows
    }

    /// What tells one life of it from another.
    pub(crate) fn life(&self, orchestrator: &Orchestrator) -> String {
        match &self.kind {
            Kind::Container(container) => format!("{:?}", container.life()),
            Kind::Process { .. } | Kind::Piped(_) => orchestrator.pid_of(&self.name).to_string(),
            Kind::Watched { .. } => String::new(),
        }
    }

    pub(crate) fn suffer(&self, blow: Blow, orchestrator: &Orchestrator) {
        match (blow, &self.kind) {
            (Blow::Crash | Blow::Hang | Blow::Down | Blow::Memory, _) => self.break_by(blow.word()),
            (Blow::Kill, Kind::Container(container)) => container.kill(),
            (Blow::Stop, Kind::Container(container)) => container.stop(5),
            (Blow::Pause, Kind::Container(container)) => container.pause(),
            (Blow::Cut, Kind::Container(container)) => cut(container),
            (Blow::Kill, Kind::Process { .. } | Kind::Piped(_)) => signal(orchestrator.pid_of(&self.name), "KILL"),
            (Blow::Freeze, Kind::Process { .. } | Kind::Piped(_)) => signal(orchestrator.pid_of(&self.name), "STOP"),
            (blow, _) => panic!("{blow:?} does not fit {}", self.name),
        }
    }

    pub(crate) fn undo(&self, blow: Blow) {
        match (blow, &self.kind) {
            (Blow::Stop, Kind::Container(container)) => container.start(),
            (Blow::Pause, Kind::Container(container)) => container.unpause(),
            (blow, _) => panic!("{blow:?} of {} needs no undoing", self.name),
        }
    }

    /// One that crashes does not answer, and one that was just broken by something else may not either.
    fn break_by(&self, how: &str) {
        let url = format!("http://127.0.0.1:{}/break/{how}", self.port());
        let request = ureq::post(&url).config().timeout_global(Some(Duration::from_secs(5))).build();
        if let Err(error) = request.send_empty() {
            eprintln!("chaos: {}: {how}: {error}", self.name);
        }
    }

    fn port(&self) -> u16 {
        match &self.kind {
            Kind::Container(container) => container.port,
            Kind::Process { port } | Kind::Watched { port } => *port,
            Kind::Piped(_) => panic!("{} has no port", self.name),
        }
    }

    fn entry(&self, directory: &Path) -> String {
        let keys = self.keys;
        match &self.kind {
            Kind::Container(container) => container.entry() + keys,
            Kind::Watched { port } => format!("  - name: {}\n    port: {port}\n{keys}", self.name),
            Kind::Piped(runtime) => {
                format!("  - name: {}\n    probes: [{{kind: mcp, depth: list}}]\n    runtime: {runtime}\n{keys}", self.name)
            }
            Kind::Process { port } => {
                let (name, server, starts) = (&self.name, sample_server().display(), starts(directory, &self.name));
                let script = format!("printf . >> {}; exec {server} --listen 127.0.0.1:{port} --name {name}", starts.display());
                let runtime = format!("{{kind: process, command: /bin/sh, args: [-c, {script:?}]}}");
                let endpoint = format!("http://127.0.0.1:{port}/mcp");
                format!("  - name: {name}\n    port: {port}\n    endpoint: {endpoint}\n    runtime: {runtime}\n{keys}")
            }
        }
    }
}

impl Landing {
    pub(crate) fn at(kind: EngineKind, ways: &Path) -> Self {
        let way = Strait::to(kind, &ways.join(format!("{}.sock", kind.as_str())));
        Self { kind, pier: Pier::with(kind), way: RefCell::new(way) }
    }
}

fn containers(landing: &Landing) -> Vec<Member<'_>> {
    let all = if landing.kind == EngineKind::Docker { DOCKER } else { PODMAN };
    let small = Habits { memory: Some(64 << 20), ..Habits::default() };
    let member = |name: &str, habits, blows, keys| {
        let name = format!("{}-{name}", landing.kind.as_str());
        Member { kind: Kind::Container(Box::new(landing.pier.run_with(&name, habits))), name, blows, keys }
    };
    let mut members = vec![
        member("one", Habits::default(), all, ""),
        member("two", Habits::default(), all, "    recovery: {strategy: recreate}\n"),
        member("small", small, SMALL, ""),
        member("well", Habits::default(), &[], ""),
    ];
    if landing.kind == EngineKind::Docker {
        let always = Habits { restart: Some(RestartPolicyNameEnum::ALWAYS), ..Habits::default() };
        members.push(member("always", always, all, ""));
        members.push(member("three", Habits::default(), all, ""));
    }
    members
}

fn processes<'a>() -> Vec<Member<'a>> {
    let member =
        |name: &str, blows, keys| Member { name: name.to_owned(), kind: Kind::Process { port: free_port() }, blows, keys };
    vec![
        member("process-one", PROCESS, ""),
        member("process-two", PROCESS, ""),
        member("process-three", PROCESS, ""),
        member("process-four", PROCESS, "    probes: [{kind: http}, {kind: mcp, depth: list}, {kind: process}]\n"),
        member("process-well", &[], ""),
    ]
}

/// One byte a start.
fn starts(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("starts-{name}"))
}

/// Everything that goes into its network namespace is dropped, until it has another one.
fn cut(container: &Container<'_>) {
    let pid = container.state().pid.expect("a pid").to_string();
    let namespace = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/net")).expect("it runs");
    assert_ne!(namespace(&pid), namespace("self"), "the machine's own network is not to be cut");
    let words = ["-t", &pid, "-n", "iptables", "-A", "INPUT", "-j", "DROP"];
    let status = Command::new("nsenter").args(words).status().expect("nsenter runs");
    assert!(status.success(), "iptables in the namespace of {pid}");
}
