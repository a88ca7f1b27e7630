//! The servers that are broken, those that are not, and the one that is past help.

use std::path::Path;

use bollard::models::RestartPolicyNameEnum;
use tempfile::TempDir;

use super::blow::Blow;
use super::landing::Landing;
use super::member::{Foreign, Kind, Member};
use super::unit::Unit;
use crate::harness::{free_port, sample_server};
use crate::mcp::peers::{bridge_line, fastmcp_line, piped_lines};
use crate::pier::Habits;
use crate::quay::PLACE;

/// It never starts: giving it up is right.
pub(crate) const HOPELESS: &str = "hopeless";

/// Checks every 0.5 s, three failures, two good answers; attempts enough for every blow, and time enough on a busy machine.
const SETTINGS: &str = "
health_check: {interval_seconds: 0.5, timeout_seconds: 2, confirm_interval_seconds: 0.2, start_period_seconds: 20, success_threshold: 2}
recovery: {backoff: {initial_delay: 0.2, multiplier: 1.0, max_delay: 0.2}, max_attempts: 1000, budget: {attempts: 1000, window_seconds: 3600}, verify_timeout_seconds: 40}
";

/// What Python takes its time for.
const SLOW: &str = "    health_check: {start_period_seconds: 40, timeout_seconds: 4}\n    probes: [{kind: mcp, depth: list}]\n";
const RECREATED: &str = "    recovery: {strategy: recreate}\n";
const THREE_PROBES: &str = "    probes: [{kind: http}, {kind: mcp, depth: list}, {kind: process}]\n";

const DOCKER: &[Blow] = &[Blow::Kill, Blow::Crash, Blow::Hang, Blow::Down, Blow::Stop, Blow::Pause, Blow::Cut];
/// Those of the tests share the machine's network, which nobody cuts.
const PODMAN: &[Blow] = &[Blow::Kill, Blow::Crash, Blow::Hang, Blow::Down, Blow::Stop, Blow::Pause];
/// Their engine is the test's own, which is what breaks them.
const OWN: &[Blow] = &[Blow::Kill, Blow::Hang, Blow::Stop];
const PROCESS: &[Blow] = &[Blow::Kill, Blow::Crash, Blow::Hang, Blow::Down, Blow::Freeze];
/// A server of others: it has no words for its own trouble.
const OTHERS: &[Blow] = &[Blow::Kill, Blow::Freeze];
/// For a container that may take 64 MiB.
const SMALL: &[Blow] = &[Blow::Memory, Blow::Kill];
const UNIT: &[Blow] = &[Blow::Kill, Blow::Stop];
/// For one that is only watched.
const FOREIGN: &[Blow] = &[Blow::Kill, Blow::Hang, Blow::Down, Blow::Freeze];

/// Everybody.
pub(crate) struct Cast<'a> {
    directory: TempDir,
    landings: &'a [Landing; 3],
    members: Vec<Member<'a>>,
}

impl<'a> Cast<'a> {
    /// In Docker, Podman, and a Docker of the test's own.
    pub(crate) fn assemble(landings: &'a [Landing; 3]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let [docker, podman, own] = landings;
        let mut members = [in_docker(docker), in_podman(podman), in_our_own(own), processes(), mcp_servers(directory.path())]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>();
        members.push(Member { name: "unit".into(), kind: Kind::Unit(Unit::start(directory.path())), blows: UNIT, keys: "" });
        let well: Vec<_> = members.iter().filter(|it| it.blows.is_empty()).map(|it| (it.name.clone(), it.port())).collect();
        let watched =
            |(name, port)| Member { name: format!("watched-{name}"), kind: Kind::Watched { port }, blows: &[], keys: "" };
        members.extend(well.into_iter().map(watched));
        let foreign = |name: &str| {
            let kind = Kind::Foreign(Foreign::start(free_port()));
            Member { name: name.to_owned(), kind, blows: FOREIGN, keys: "" }
        };
        members.extend(["watched-ill", "watched-worse"].map(foreign));
        Self { directory, landings, members }
    }

    pub(crate) fn registry(&self) -> String {
        let hopeless = format!(
            "  - {{name: {HOPELESS}, port: {}, recovery: {{max_attempts: 2, budget: {{attempts: 10, window_seconds: 3600}}}}, runtime: {{kind: process, command: /bin/false}}}}\n",
            free_port()
        );
        let engines: String = self.landings.iter().map(Landing::entry).collect();
        let docker = &self.landings[0];
        let discovery = format!(
            "discovery: {{enabled: true, engines: [{}], labels: {{{PLACE}: {}}}, grace_seconds: 3600}}\n",
            docker.engine.name, docker.pier.0.prefix
        );
        let servers: String = self.members.iter().map(|member| member.entry(self.directory.path())).collect();
        format!("{SETTINGS}engines:\n{engines}{discovery}servers:\n{servers}{hopeless}")
    }

    /// Every engine.
    pub(crate) fn landings(&self) -> &'a [Landing; 3] {
        self.landings
    }

    /// Whoever is in an engine.
    pub(crate) fn members_in(&self, engine: &Landing) -> impl Iterator<Item = &Member<'a>> {
        let engine = engine.engine.name.clone();
        self.members.iter().filter(move |it| matches!(&it.kind, Kind::Container { landing, .. } if landing.engine.name == engine))
    }

    /// How many servers there are.
    pub(crate) fn len(&self) -> usize {
        self.names().count()
    }

    /// All of them, the hopeless one too.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members().map(|member| member.name.as_str()).chain([HOPELESS])
    }

    /// All but the hopeless one.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member<'a>> {
        self.members.iter()
    }

    /// Somebody who can be broken.
    pub(crate) fn victim(&self, name: &str) -> Option<&Member<'a>> {
        self.members.iter().find(|member| member.name == name && !member.blows.is_empty())
    }

    /// Those whom nobody breaks.
    pub(crate) fn bystanders(&self) -> impl Iterator<Item = &Member<'a>> {
        self.members.iter().filter(|member| member.blows.is_empty())
    }

    /// How often it was started after the first time.
    pub(crate) fn starts(&self, member: &Member<'_>) -> usize {
        member.starts(self.directory.path())
    }
}

/// Runs a container there.
fn container<'a>(landing: &'a Landing, name: &str, habits: Habits, blows: &'static [Blow], keys: &'static str) -> Member<'a> {
    let name = format!("{}-{name}", landing.engine.name);
    let is_kept = habits.restart == Some(RestartPolicyNameEnum::ALWAYS);
    let container = Box::new(landing.pier.run_with(&name, habits));
    Member { kind: Kind::Container { container, landing, is_found: false, is_kept }, name, blows, keys }
}

fn small() -> Habits {
    Habits { memory: Some(64 << 20), ..Habits::default() }
}

fn kept() -> Habits {
    Habits { restart: Some(RestartPolicyNameEnum::ALWAYS), ..Habits::default() }
}

fn in_docker(docker: &Landing) -> Vec<Member<'_>> {
    let labels = [("mcp.health.enable", "true"), ("mcp.health.name", "docker-found")];
    let found = Box::new(docker.pier.run_labelled("docker-found", Habits::default(), &labels));
    let found = Kind::Container { container: found, landing: docker, is_found: true, is_kept: false };
    vec![
        container(docker, "one", Habits::default(), DOCKER, ""),
        container(docker, "two", Habits::default(), DOCKER, RECREATED),
        container(docker, "small", small(), SMALL, ""),
        container(docker, "well", Habits::default(), &[], ""),
        container(docker, "always", kept(), DOCKER, ""),
        Member { name: "docker-found".to_owned(), kind: found, blows: DOCKER, keys: "" },
    ]
}

fn in_podman(podman: &Landing) -> Vec<Member<'_>> {
    vec![
        container(podman, "one", Habits::default(), PODMAN, ""),
        container(podman, "two", Habits::default(), PODMAN, RECREATED),
        container(podman, "small", small(), SMALL, ""),
        container(podman, "well", Habits::default(), &[], ""),
    ]
}

fn in_our_own(own: &Landing) -> Vec<Member<'_>> {
    vec![
        container(own, "left", Habits { on_host: true, ..Habits::default() }, OWN, ""),
        container(own, "kept", Habits { on_host: true, ..kept() }, OWN, ""),
    ]
}

fn processes<'a>() -> Vec<Member<'a>> {
    let member = |name: &str, blows, keys| {
        let port = free_port();
        let line = format!("{} --listen 127.0.0.1:{port} --name {name}", sample_server().display());
        Member { name: name.to_owned(), kind: Kind::Process { port, line }, blows, keys }
    };
    vec![
        member("process-one", PROCESS, ""),
        member("process-two", PROCESS, ""),
        member("process-three", PROCESS, THREE_PROBES),
        member("process-well", &[], ""),
    ]
}

/// As others write them: over HTTP, behind a bridge, on pipes.
fn mcp_servers<'a>(directory: &Path) -> Vec<Member<'a>> {
    let (fastmcp, bridge) = (free_port(), free_port());
    let over_http = [("fastmcp", fastmcp, fastmcp_line(directory, fastmcp)), ("bridge", bridge, bridge_line(bridge))];
    let over_http = over_http.map(|(name, port, line)| (name, Kind::Process { port, line }, SLOW));
    let on_pipes = ["piped-legacy", "piped-new"].into_iter().zip(piped_lines(directory));
    let on_pipes = on_pipes.map(|(name, line)| (name, Kind::Piped { line }, ""));
    let all = over_http.into_iter().chain(on_pipes);
    all.map(|(name, kind, keys)| Member { name: name.to_owned(), kind, blows: OTHERS, keys }).collect()
}
