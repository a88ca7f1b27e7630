//! What a recreated container keeps, as its engine tells it before and after: configuration, mounts, limits, labels, networks.

use std::collections::{BTreeMap, BTreeSet};

use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, DeviceMapping, EndpointSettings, HealthConfig, HostConfig,
    HostConfigLogConfig, NetworkConnectRequest, NetworkCreateRequest, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
    VolumeCreateRequest,
};
use bollard::query_parameters::RemoveVolumeOptions;
use health_spec::config::EngineKind;
use serde_json::{Value, json};

use crate::harness::{Orchestrator, QUICK, until};
use crate::pier::{Container, Habits, Pier};
use crate::quay;

const LIMIT: i64 = 256 * 1024 * 1024;

/// Of a HEALTHCHECK, in nanoseconds: longer than a test takes.
const HOUR: i64 = 3_600_000_000_000;

/// Where the volume is that the engine has given a name.
const NAMELESS: &str = "/nameless";

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

/// Everything that its engine tells of it, but for what is the engine's own to give.
#[derive(Debug, PartialEq)]
struct Given {
    config: Value,
    host: Value,
    /// By destination.
    mounts: BTreeMap<String, Mounted>,
    /// By name: aliases.
    networks: BTreeMap<String, BTreeSet<String>>,
}

fn given(found: &ContainerInspectResponse) -> Given {
    let (mut config, mut host) = (found.config.clone().expect("a configuration"), found.host_config.clone().expect("the host's"));
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
    config.hostname = config.hostname.filter(|name| name != short);
    if let Some(labels) = &mut config.labels {
        labels.remove("mcp-health.recreates");
    }
    // In no order. Podman adds the id's beginning as a host's name.
    let own = format!("HOSTNAME={short}");
    config.env = config.env.map(|env| env.into_iter().filter(|it| *it != own).collect::<BTreeSet<_>>().into_iter().collect());
    // A volume that the engine has named is told as a mount.
    host.binds = host.binds.map(|binds| {
        let told = binds.into_iter().filter(|bind| bind.split(':').nth(1) != Some(NAMELESS));
        told.collect::<BTreeSet<_>>().into_iter().collect()
    });
    Given {
        config: serde_json::to_value(config).expect("JSON"),
        host: serde_json::to_value(host).expect("JSON"),
        mounts: mounts.collect(),
        networks: networks.collect(),
    }
}

/// One with everything, on a port of this machine.
fn furnished<'a>(pier: &'a Pier, belongings: &mut Belongings, folder: &str) -> Container<'a> {
    let volume = belongings.volume(&pier.0.name("kept"));
    let habits = Habits { memory: Some(LIMIT), environment: &["FIRST=one", "SECOND=two words"], ..Habits::default() };
    let labels = [("com.example.team", "tasks"), ("com.example.port", "{port}")];
    let binds = vec![format!("{volume}:/named"), format!("{folder}:/bound:ro")];
    pier.run_changed("calculator", habits, &labels, |body: &mut ContainerCreateBody| {
        let words = body.entrypoint.as_mut().expect("words");
        body.cmd = Some(words.split_off(1));
        body.hostname = Some("furnished".to_owned());
        body.user = Some("4711:4712".to_owned());
        body.volumes = Some(vec![NAMELESS.to_owned()]);
        body.working_dir = Some(NAMELESS.to_owned());
        body.stop_signal = Some("SIGTERM".to_owned());
        body.stop_timeout = Some(7);
        body.healthcheck = Some(HealthConfig {
            test: Some(["CMD", "/sample-server", "--help"].map(str::to_owned).to_vec()),
            interval: Some(HOUR),
            timeout: Some(HOUR / 2),
            retries: Some(5),
            start_period: Some(HOUR / 4),
            ..HealthConfig::default()
        });
        let host = body.host_config.take().unwrap_or_default();
        body.host_config = Some(HostConfig { binds: Some(binds), ..limited(pier.0.kind, host) });
    })
}

/// What it may do, and how much of it.
fn limited(kind: EngineKind, host: HostConfig) -> HostConfig {
    let words = |words: &[&str]| Some(words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
    let ulimit = |name: &str, soft| ResourcesUlimits { name: Some(name.to_owned()), soft: Some(soft), hard: Some(1000) };
    let device = DeviceMapping {
        path_on_host: Some("/dev/null".to_owned()),
        path_in_container: Some("/dev/nothing".to_owned()),
        cgroup_permissions: Some("rwm".to_owned()),
    };
    // Podman's usual one would be there again by itself; it does not tell the options of any.
    let log = match kind {
        EngineKind::Docker => HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some([("max-size".to_owned(), "1m".to_owned())].into()),
        },
        EngineKind::Podman => HostConfigLogConfig { typ: Some("none".to_owned()), config: None },
    };
    HostConfig {
        nano_cpus: Some(900_000_000),
        cpu_shares: Some(512),
        pids_limit: Some(200),
        shm_size: Some(LIMIT / 8),
        oom_score_adj: Some(100),
        cap_add: words(&["NET_ADMIN", "SYS_TIME"]),
        cap_drop: words(&["MKNOD"]),
        security_opt: words(&["no-new-privileges"]),
        group_add: words(&["4713"]),
        devices: Some(vec![device]),
        ulimits: Some(vec![ulimit("nofile", 500), ulimit("nproc", 600)]),
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::ON_FAILURE), maximum_retry_count: Some(4) }),
        log_config: Some(log),
        tmpfs: Some([("/scratch".to_owned(), "size=1m".to_owned())].into()),
        readonly_rootfs: Some(true),
        extra_hosts: words(&["elsewhere:10.0.0.1"]),
        dns: words(&["10.0.0.2"]),
        dns_search: words(&["example.com"]),
        dns_options: words(&["ndots:2"]),
        ..host
    }
}

/// Where the engine tells what [`furnished`] has asked for: nothing is kept that was not there.
fn is_furnished(given: &Given, kind: EngineKind) {
    let log = if kind == EngineKind::Docker { "json-file" } else { "none" };
    let signal = if kind == EngineKind::Docker { "SIGTERM" } else { "15" };
    let told: [(&Value, &str, Value); 24] = [
        (&given.config, "/Entrypoint", json!(["/sample-server"])),
        (&given.config, "/Cmd/0", json!("--listen")),
        (&given.config, "/Hostname", json!("furnished")),
        (&given.config, "/User", json!("4711:4712")),
        (&given.config, "/WorkingDir", json!(NAMELESS)),
        (&given.config, "/StopSignal", json!(signal)),
        (&given.config, "/StopTimeout", json!(7)),
        (&given.config, "/Healthcheck/Test", json!(["CMD", "/sample-server", "--help"])),
        (&given.config, "/Healthcheck/StartPeriod", json!(HOUR / 4)),
        (&given.config, "/Labels/com.example.team", json!("tasks")),
        (&given.host, "/Memory", json!(LIMIT)),
        (&given.host, "/NanoCpus", json!(900_000_000)),
        (&given.host, "/PidsLimit", json!(200)),
        (&given.host, "/CapAdd/1", json!("SYS_TIME")),
        (&given.host, "/CapDrop/0", json!("MKNOD")),
        (&given.host, "/SecurityOpt/0", json!("no-new-privileges")),
        (&given.host, "/GroupAdd/0", json!("4713")),
        (&given.host, "/Devices/0/PathInContainer", json!("/dev/nothing")),
        (&given.host, "/Ulimits/1/Soft", json!(600)),
        (&given.host, "/RestartPolicy", json!({ "Name": "on-failure", "MaximumRetryCount": 4 })),
        (&given.host, "/LogConfig/Type", json!(log)),
        (&given.host, "/ReadonlyRootfs", json!(true)),
        (&given.host, "/ExtraHosts/0", json!("elsewhere:10.0.0.1")),
        (&given.host, "/Dns/0", json!("10.0.0.2")),
    ];
    for (place, pointer, expected) in told {
        let found = place.pointer(pointer).unwrap_or(&Value::Null);
        let bare = found.as_str().map_or_else(|| found.clone(), |text| json!(text.trim_start_matches("CAP_")));
        assert_eq!(bare, expected, "{pointer} of {place:#}");
    }
    assert!(given.host["Tmpfs"]["/scratch"].as_str().is_some_and(|options| options.contains("size=1m")), "{:#}", given.host);
    assert!(given.config["Env"].as_array().is_some_and(|env| env.contains(&json!("SECOND=two words"))), "{:#}", given.config);
    assert_eq!((given.mounts.len(), given.mounts["/bound"].2), (3, Some(false)), "{:#?}", given.mounts);
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
    is_furnished(&before, kind);
    if kind == EngineKind::Docker {
        assert_eq!(before.networks.len(), 3, "{before:#?}");
        assert!(before.networks[&pier.0.name("second")].contains("calculator-in-second"), "{before:#?}");
    }
    until("what was replaced is gone", || container.kept().is_empty().then_some(()));
    belongings.volumes.extend(before.mounts[NAMELESS].1.clone());
}

#[test]
fn a_recreated_container_of_docker_keeps_what_it_was_given() {
    keeps_what_it_was_given(EngineKind::Docker);
}

#[test]
fn a_recreated_container_of_podman_keeps_what_it_was_given() {
    keeps_what_it_was_given(EngineKind::Podman);
}
