//! Containers of Podman with networks of their own: what becomes of these in a recreate, and how discovery finds them.

use std::collections::{BTreeMap, BTreeSet};

use bollard::Docker;
use bollard::models::{EndpointSettings, NetworkCreateRequest, NetworkingConfig};
use health_spec::config::EngineKind;

use crate::harness::{Orchestrator, QUICK, until};
use crate::pier::{Habits, Pier};
use crate::quay::{self, PLACE};

/// Two networks of one test, removed after its containers.
struct Networks {
    client: Docker,
    scheduler: tokio::runtime::Runtime,
    names: Vec<String>,
}

impl Networks {
    fn make() -> Self {
        let scheduler = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a scheduler");
        let address = quay::engine(EngineKind::Podman).address;
        let client = scheduler.block_on(async {
            let client = Docker::connect_with_unix(&address, 60, bollard::API_DEFAULT_VERSION).expect("an engine");
            client.negotiate_version().await.expect("a version")
        });
        let mut networks = Self { client, scheduler, names: Vec::new() };
        for _ in 0..2 {
            let name = format!("mcp-health-test-{}", uuid::Uuid::new_v4().simple());
            let labels = Some([("mcp-health-test".to_owned(), "1".to_owned())].into());
            let request = NetworkCreateRequest { name: name.clone(), labels, ..NetworkCreateRequest::default() };
            networks.scheduler.block_on(networks.client.create_network(request)).expect("a network");
            networks.names.push(name);
        }
        networks
    }

    /// By name, what the container is called in each, without what its engine calls it there; and where it is published.
    fn of(&self, container: &str) -> (BTreeMap<String, BTreeSet<String>>, String) {
        let found = self.scheduler.block_on(self.client.inspect_container(container, None)).expect("a container");
        let short = found.id.as_deref().unwrap_or_default()[..12].to_owned();
        let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let aliases = |endpoint: EndpointSettings| endpoint.aliases.into_iter().flatten().filter(|it| *it != short).collect();
        let networks = networks.into_iter().map(|(name, endpoint)| (name, aliases(endpoint))).collect();
        (networks, format!("{:?}", found.host_config.and_then(|host| host.port_bindings)))
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = self.scheduler.block_on(self.client.remove_network(name));
        }
    }
}

#[test]
fn a_recreate_keeps_networks_aliases_and_published_ports() {
    let networks = Networks::make();
    let pier = Pier::with(EngineKind::Podman);
    let habits = Habits { bridged: true, ..Habits::default() };
    let container = pier.run_changed("calculator", habits, &[], |body| {
        let called = |alias: &str| EndpointSettings { aliases: Some(vec![alias.to_owned()]), ..EndpointSettings::default() };
        let endpoints = networks.names.iter().zip(["first", "second"]).map(|(name, alias)| (name.clone(), called(alias)));
        body.networking_config = Some(NetworkingConfig { endpoints_config: Some(endpoints.collect()) });
        body.host_config.get_or_insert_default().network_mode = Some(networks.names[0].clone());
    });
    let (before, id) = (networks.of(&container.full_name()), container.id());
    let aliases: Vec<_> =
        networks.names.iter().map(|name| before.0[name].iter().map(String::as_str).collect::<Vec<_>>()).collect();
    assert_eq!(aliases, [["first"], ["second"]], "{before:?}");
    let address = quay::engine(EngineKind::Podman).address;
    let orchestrator = Orchestrator::start_with(&format!(
        "{QUICK}engines: [{{name: podman, kind: podman, address: \"{address}\"}}]\nservers:\n{}    recovery: {{strategy: recreate}}\n",
        container.entry()
    ));
    let mut events = orchestrator.events();
    assert_eq!(events.wait_until("a good answer", |event| event["event_type"] == "status_changed")["status"], "ok");
    orchestrator.hears_its_engines();

    container.break_by("hang");
    events.wait_for("calculator", "recovery_successful");

    assert_ne!(container.id(), id);
    assert_eq!(networks.of(&container.full_name()), before);
    until("what was replaced is gone", || container.kept().is_empty().then_some(()));
    assert!(container.answers());
}

/// Discovery by these words, and where it finds the container; there it is well.
fn found_at(address: &str) -> (String, u16) {
    let pier = Pier::with(EngineKind::Podman);
    let orchestrator = Orchestrator::start_with(&format!(
        "{QUICK}engines: [{{name: podman, kind: podman, address: \"{}\"}}]\n\
         discovery: {{enabled: true, address: {address}, labels: {{{PLACE}: {}}}, grace_seconds: 1}}\nservers: []\n",
        quay::engine(EngineKind::Podman).address,
        pier.0.prefix
    ));
    let mut events = orchestrator.events();
    let labels = [("mcp.health.enable", "true"), ("mcp.health.name", "calculator")];
    let container = pier.run_labelled("calculator", Habits { bridged: true, ..Habits::default() }, &labels);
    assert_eq!(events.wait_until("a good answer", |event| event["event_type"] == "status_changed")["status"], "ok");
    let url = orchestrator.get("/servers/calculator")["registry"]["health_url"].as_str().expect("a URL").to_owned();
    (url, container.port)
}

#[test]
fn one_that_is_discovered_is_asked_at_its_published_port() {
    let (url, port) = found_at("published");
    assert_eq!(url, format!("http://127.0.0.1:{port}/health"));
}

#[test]
fn one_that_is_discovered_is_asked_at_its_own_address() {
    let (url, _) = found_at("container");
    let place = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/health")).expect("a URL");
    let place: std::net::SocketAddr = place.parse().expect("an address");
    assert!(!place.ip().is_loopback() && place.port() == 8082, "{url}");
}
