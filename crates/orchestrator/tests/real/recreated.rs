//! What a recreated container keeps, as its engine tells it before and after: configuration, mounts, limits, labels, networks.

use std::collections::{BTreeMap, BTreeSet};

use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointSettings, NetworkConnectRequest, NetworkCreateRequest,
    VolumeCreateRequest,
};
use bollard::query_parameters::RemoveVolumeOptions;
use health_spec::config::EngineKind;

use crate::harness::{Orchestrator, QUICK, until};
use crate::pier::{Container, Habits, Pier};
use crate::quay;

const LIMIT: i64 = 256 * 1024 * 1024;

/// Volumes and networks of one test, removed after its containers.
struct Belongings {
    client: Docker,
    scheduler: tokio::runtime::Runtime,
    volumes: Vec<String>,
    networks: Vec<String>,
}

impl Belongings {
    fn of(kind: EngineKind) -> Self {
        let scheduler = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a scheduler");
        let client = scheduler.block_on(async {
            let client =
                Docker::connect_with_unix(&quay::engine(kind).address, 60, bollard::API_DEFAULT_VERSION).expect("an engine");
            client.negotiate_version().await.expect("a version")
        });
        Self { client, scheduler, volumes: Vec::new(), networks: Vec::new() }
    }

    fn volume(&mut self, name: &str) -> String {
        let labels = Some([("mcp-health-test".to_owned(), "1".to_owned())].into());
        let request = VolumeCreateRequest { name: Some(name.to_owned()), labels, ..VolumeCreateRequest::default() };
        self.scheduler.block_on(self.client.create_volume(request)).expect("a volume");
        self.volumes.push(name.to_owned());
        name.to_owned()
    }

    fn network(&mut self, name: &str) -> String {
        let labels = Some([("mcp-health-test".to_owned(), "1".to_owned())].into());
        let request = NetworkCreateRequest { name: name.to_owned(), labels, ..NetworkCreateRequest::default() };
        self.scheduler.block_on(self.client.create_network(request)).expect("a network");
        self.networks.push(name.to_owned());
        name.to_owned()
    }

    fn connect(&self, container: &str, network: &str, alias: &str) {
        let endpoint = EndpointSettings { aliases: Some(vec![alias.to_owned()]), ..EndpointSettings::default() };
        let request = NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(endpoint) };
        self.scheduler.block_on(self.client.connect_network(network, request)).expect("it is connected");
    }

    fn inspect(&self, container: &str) -> ContainerInspectResponse {
        self.scheduler.block_on(self.client.inspect_container(container, None)).expect("a container")
    }
}

impl Drop for Belongings {
    fn drop(&mut self) {
        for volume in &self.volumes {
            let _ = self.scheduler.block_on(self.client.remove_volume(volume, None::<RemoveVolumeOptions>));
        }
        for network in &self.networks {
            let _ = self.scheduler.block_on(self.client.remove_network(network));
        }
    }
}

/// The kind of a mount, where it comes from, and whether it can be written.
type Mounted = (Option<String>, Option<String>, Option<bool>);

/// What its user gave it.
#[derive(Debug, PartialEq)]
struct Given {
    image: Option<String>,
    words: Option<Vec<String>>,
    environment: BTreeSet<String>,
    labels: BTreeMap<String, String>,
    memory: Option<i64>,
    user: Option<String>,
    working_dir: Option<String>,
    stop_signal: Option<String>,
    ports: Option<String>,
    /// By destination.
    mounts: BTreeMap<String, Mounted>,
    /// By name: aliases.
    networks: BTreeMap<String, BTreeSet<String>>,
}

fn given(found: &ContainerInspectResponse) -> Given {
    let config = found.config.clone().expect("a configuration");
    let host = found.host_config.clone().expect("a configuration of the host");
    let short = found.id.as_deref().unwrap_or_default().get(..12).unwrap_or_default();
    let mounts = found.mounts.iter().flatten().map(|mount| {
        // A volume's name tells which it is, also of one that the engine has named.
        let from = mount.name.clone().filter(|name| !name.is_empty()).or_else(|| mount.source.clone());
        (mount.destination.clone().expect("a place"), (mount.typ.clone(), from, mount.rw))
    });
    let networks = found.network_settings.iter().filter_map(|settings| settings.networks.as_ref()).flatten();
    let networks = networks.map(|(name, endpoint)| {
        let aliases = endpoint.aliases.iter().flatten().filter(|alias| *alias != short).cloned();
        (name.clone(), aliases.collect())
    });
    Given {
        image: config.image,
        words: config.entrypoint,
        // Podman adds the id's beginning as a host's name.
        environment: config.env.unwrap_or_default().into_iter().filter(|it| !it.starts_with("HOSTNAME=")).collect(),
        labels: config.labels.unwrap_or_default().into_iter().filter(|(name, _)| name != "mcp-health.recreates").collect(),
        memory: host.memory,
        user: config.user,
        working_dir: config.working_dir,
        stop_signal: config.stop_signal,
        ports: host.port_bindings.map(|ports| format!("{ports:?}")),
        mounts: mounts.collect(),
        networks: networks.collect(),
    }
}

/// One with everything, on a port of this machine.
fn furnished<'a>(pier: &'a Pier, belongings: &mut Belongings, folder: &str) -> Container<'a> {
    let volume = belongings.volume(&pier.0.name("kept"));
    let habits = Habits { memory: Some(LIMIT), environment: &["FIRST=one", "SECOND=two words"], ..Habits::default() };
    let labels = [("com.example.team", "tasks"), ("com.example.port", "{port}")];
    pier.run_changed("calculator", habits, &labels, |body: &mut ContainerCreateBody| {
        body.volumes = Some(vec!["/nameless".to_owned()]);
        body.working_dir = Some("/nameless".to_owned());
        body.stop_signal = Some("SIGTERM".to_owned());
        let host = body.host_config.get_or_insert_default();
        host.binds = Some(vec![format!("{volume}:/named"), format!("{folder}:/bound:ro")]);
    })
}

fn keeps_what_it_was_given(kind: EngineKind) {
    let mut belongings = Belongings::of(kind);
    let folder = tempfile::tempdir().expect("a directory");
    let pier = Pier::with(kind);
    let container = furnished(&pier, &mut belongings, folder.path().to_str().expect("text"));
    // Podman's networks need more of the machine than the tests do.
    for alias in ["first", "second"].into_iter().filter(|_| kind == EngineKind::Docker) {
        let network = belongings.network(&pier.0.name(alias));
        belongings.connect(&container.full_name(), &network, &format!("calculator-in-{alias}"));
    }
    let engines = format!("engines: [{{name: here, kind: {}, address: \"{}\"}}]\n", kind.as_str(), quay::engine(kind).address);
    let entry = format!("{}    recovery: {{strategy: recreate}}\n", container.entry());
    let orchestrator = Orchestrator::start_with(&format!("{QUICK}{engines}servers:\n{entry}"));
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    orchestrator.hears_its_engines();
    let before = belongings.inspect(&container.full_name());

    container.break_by("hang");

    events.wait_for("calculator", "recovery_successful");
    let after = belongings.inspect(&container.full_name());
    assert_ne!(after.id, before.id, "it is another one");
    let (before, after) = (given(&before), given(&after));
    assert_eq!(after, before);
    assert_eq!((before.mounts.len(), before.memory), (3, Some(LIMIT)), "{before:#?}");
    assert!(before.environment.contains("SECOND=two words") && before.labels["com.example.team"] == "tasks", "{before:#?}");
    assert_eq!(before.mounts["/bound"].2, Some(false), "{before:#?}");
    if kind == EngineKind::Docker {
        assert_eq!(before.networks.len(), 3, "{before:#?}");
        assert!(before.networks[&pier.0.name("second")].contains("calculator-in-second"), "{before:#?}");
    }
    until("what was replaced is gone", || container.kept().is_empty().then_some(()));
    belongings.volumes.extend(before.mounts["/nameless"].1.clone());
}

#[test]
fn a_recreated_container_of_docker_keeps_what_it_was_given() {
    keeps_what_it_was_given(EngineKind::Docker);
}

#[test]
fn a_recreated_container_of_podman_keeps_what_it_was_given() {
    keeps_what_it_was_given(EngineKind::Podman);
}
