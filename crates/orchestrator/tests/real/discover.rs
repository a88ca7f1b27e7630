//! Containers that ask by their labels to be watched, and those that do not.

use health_spec::config::EngineKind;
use serde_json::Value;

use crate::gate::{Gate, Side};
use crate::harness::{Events, Orchestrator, QUICK, log, run, until};
use crate::pier::{Container, Habits, Pier};
use crate::quay::{self, PLACE};
use crate::reload::rewrite;

const ASKS: (&str, &str) = ("mcp.health.enable", "true");

/// Discovery of the containers of this test alone.
fn registry(pier: &Pier, grace: u32, servers: &str) -> String {
    let place = &pier.0.prefix;
    let (engines, engine) = match pier.0.kind {
        EngineKind::Docker => (String::new(), "local"),
        EngineKind::Podman => {
            let address = quay::engine(EngineKind::Podman).address;
            (format!("engines: [{{name: pods, kind: podman, address: \"{address}\"}}]\n"), "pods")
        }
    };
    format!(
        "{QUICK}{engines}discovery: {{enabled: true, engines: [{engine}], labels: {{{PLACE}: {place}}}, grace_seconds: {grace}}}\nservers: [{servers}]\n"
    )
}

fn asking<'a>(pier: &'a Pier, name: &str) -> Container<'a> {
    let labels = [ASKS, ("mcp.health.name", name), ("mcp.health.group", "found"), ("mcp.health.port", "{port}")];
    // The tests' Podman containers have the host's network, and so no port that is published.
    let count = if pier.0.kind == EngineKind::Podman { 4 } else { 3 };
    pier.run_labelled(name, Habits::default(), &labels[..count])
}

fn names(orchestrator: &Orchestrator) -> Vec<String> {
    let snapshot = orchestrator.get("/servers");
    let servers = snapshot["servers"].as_array().expect("servers");
    servers.iter().map(|server| server["name"].as_str().expect("a name").to_owned()).collect()
}

fn wait_until_well(events: &mut Events, server: &str) {
    events.wait_until("a good answer", |event| {
        event["server_name"] == server && event["event_type"] == "status_changed" && event["status"] == "ok"
    });
}

fn phase_of(orchestrator: &Orchestrator, server: &str) -> String {
    orchestrator.get(&format!("/servers/{server}"))["phase"].as_str().expect("a phase").to_owned()
}

#[test]
fn one_that_appears_is_watched_until_it_is_removed_and_nobody_else_is_touched() {
    appears_and_goes(&Pier::new());
}

#[test]
fn one_that_appears_in_podman_is_watched_until_it_is_removed_and_nobody_else_is_touched() {
    appears_and_goes(&Pier::with(EngineKind::Podman));
}

fn appears_and_goes(pier: &Pier) {
    let (stranger, killed) = (pier.run("stranger"), pier.run("killed"));
    let orchestrator = Orchestrator::start_with(&registry(pier, 1, ""));
    let mut events = orchestrator.events();
    assert!(names(&orchestrator).is_empty());
    let life = stranger.life();

    let calculator = asking(pier, "calculator");
    events.wait_for("calculator", "server_registered");
    wait_until_well(&mut events, "calculator");
    let entry = &orchestrator.get("/servers/calculator")["registry"];
    assert_eq!(
        (&entry["health_url"], &entry["discovered"]),
        (&Value::from(format!("http://127.0.0.1:{}/health", calculator.port)), &Value::Bool(true))
    );

    killed.kill();
    calculator.kill();
    // A check may see it before Podman tells.
    let reason = events.wait_for("calculator", "server_down")["reason"].clone();
    assert!(reason == "container_died" || pier.0.kind == EngineKind::Podman, "{reason}");
    events.wait_for("calculator", "recovery_successful");

    calculator.stop(10);
    events.wait_for("calculator", "server_stopped");
    assert_eq!(names(&orchestrator), ["calculator"]);
    calculator.start();
    events.wait_for("calculator", "server_started");

    calculator.remove();
    events.wait_for("calculator", "server_deregistered");
    assert!(names(&orchestrator).is_empty());

    assert_eq!((stranger.life(), killed.state().running), (life, Some(false)));
    assert_eq!((killed.count("start"), killed.count("restart"), stranger.count("restart")), (0, 0, 0));
    let others = |event: &Value| event["server_name"].as_str().is_some_and(|name| name != "calculator");
    assert!(!events.seen.iter().any(|event| others(event) || event["event_type"] == "config_reloaded"), "{:?}", events.seen);
}

#[test]
fn a_file_that_is_rejected_deregisters_nobody_who_is_waited_for() {
    let pier = Pier::new();
    let calculator = asking(&pier, "calculator");
    let good = registry(&pier, 3_600, "");
    let orchestrator = Orchestrator::start_with(&good);
    let mut events = orchestrator.events();
    wait_until_well(&mut events, "calculator");
    calculator.remove();
    events.wait_for("calculator", "server_stopped");

    let nobody = "{name: nobody, port: 1, runtime: {kind: docker, container: mcp-health-test-nobody}}";
    rewrite(&orchestrator, &registry(&pier, 3_600, nobody).replace("enabled: true", "enabled: false"));
    let rejected = events.wait_until("the refusal", |event| event["event_type"] == "config_rejected");
    assert!(rejected["error"].as_str().expect("text").contains("has no container"), "{rejected}");
    rewrite(&orchestrator, &good);
    events.wait_until("the reload", |event| event["event_type"] == "config_reloaded");

    assert_eq!(
        (names(&orchestrator), phase_of(&orchestrator, "calculator").as_str()),
        (vec!["calculator".to_owned()], "stopped")
    );
    let kept = std::fs::read_to_string(orchestrator.state().join("discovered.json")).expect("what is known");
    assert!(kept.contains("calculator"), "{kept}");
}

#[test]
fn one_that_is_recreated_is_the_same_server_unless_it_no_longer_asks() {
    let pier = Pier::new();
    let calculator = asking(&pier, "calculator");
    let orchestrator = Orchestrator::start_with(&registry(&pier, 3_600, ""));
    let mut events = orchestrator.events();
    wait_until_well(&mut events, "calculator");

    calculator.remove();
    events.wait_for("calculator", "server_stopped");
    calculator.create_again(&[]);
    events.wait_for("calculator", "server_started");
    wait_until_well(&mut events, "calculator");
    assert!(!events.types("calculator").contains(&"server_deregistered"), "{:?}", events.types("calculator"));

    calculator.remove();
    calculator.create_again(&[("mcp.health.enable", "false")]);
    events.wait_for("calculator", "server_deregistered");
    until("it answers", || calculator.answers().then_some(()));
    calculator.kill();
    // Somebody else appears, and is watched: whatever was to happen has happened.
    let other = asking(&pier, "other");
    wait_until_well(&mut events, "other");
    assert_eq!(calculator.state().running, Some(false));
    assert!(other.answers());
}

#[test]
fn one_that_is_found_elsewhere_is_said_to_be_updated() {
    let pier = Pier::new();
    let calculator = asking(&pier, "calculator");
    let orchestrator = Orchestrator::start_with(&registry(&pier, 3_600, ""));
    let mut events = orchestrator.events();
    wait_until_well(&mut events, "calculator");

    calculator.remove();
    events.wait_for("calculator", "server_stopped");
    calculator.create_again(&[("mcp.health.path", "/health?more")]);

    assert_eq!(events.wait_for("calculator", "server_updated")["reason"], "registry");
    until("it is well there", || (orchestrator.get("/servers/calculator")["status"] == "ok").then_some(()));
    let entry = &orchestrator.get("/servers/calculator")["registry"];
    assert_eq!(entry["health_url"], format!("http://127.0.0.1:{}/health?more", calculator.port));
}

#[test]
fn one_that_we_recreate_is_the_same_server_all_the_while() {
    let pier = Pier::new();
    let recreate = ("mcp.health.recovery", "recreate");
    let plain = pier.run_labelled("plain", Habits::default(), &[ASKS, recreate]);
    let named = pier.run_labelled("named", Habits::default(), &[ASKS, recreate, ("mcp.health.name", "notes")]);
    let mut orchestrator = Orchestrator::start_with(&registry(&pier, 1, ""));
    let mut events = orchestrator.events();
    for _ in 0..2 {
        events.wait_until("a good answer", |event| event["event_type"] == "status_changed" && event["status"] == "ok");
    }
    for (container, server) in [(&plain, plain.full_name()), (&named, "notes".to_owned())] {
        let before = container.id();
        container.break_by("hang");
        events.wait_for(&server, "recovery_successful");
        assert_ne!(container.id(), before);
        until("what was replaced is gone", || container.kept().is_empty().then_some(()));
        until("it is well", || (phase_of(&orchestrator, &server) == "healthy").then_some(()));
    }
    assert!(orchestrator.stop().success());
    let log = log(&orchestrator);
    let count = |event_type: &str| log.iter().filter(|event| event["event_type"] == event_type).count();
    assert_eq!((count("server_registered"), count("server_deregistered"), count("server_down")), (2, 0, 2), "{log:#?}");
    assert_eq!((count("server_stopped"), count("server_started")), (0, 0), "{log:#?}");
}

#[test]
fn one_that_goes_while_we_begin_keeps_nobody_from_beginning() {
    let pier = Pier::new();
    let (gone, stays) = (asking(&pier, "gone"), asking(&pier, "stays"));
    let directory = tempfile::tempdir().expect("a directory");
    let gate = Gate::open(&directory.path().join("gate.sock"), &quay::engine(EngineKind::Docker).address);
    // Discovery asks for it by its id; what runs servers by its name.
    gate.arm(("GET", format!("/containers/{}/json", gone.full_name()).leak() as &str), Side::Late);
    let registry = registry(&pier, 1, "").replace("engines: [local]", "engines: [gate]");
    let registry = format!("{}{registry}", gate.engine("docker"));
    let orchestrator = std::thread::scope(|scope| {
        let begins = scope.spawn(|| Orchestrator::start_with(&registry));
        gate.wait_until_caught("it is looked at");
        gone.remove();
        gate.let_go();
        begins.join().expect("it begins")
    });
    let mut events = orchestrator.events();
    wait_until_well(&mut events, "stays");
    events.wait_for("gone", "server_deregistered");
    assert!(stays.answers());
}

#[test]
fn what_is_discovered_is_remembered_across_a_crash() {
    let pier = Pier::new();
    let (calculator, stopped) = (asking(&pier, "calculator"), asking(&pier, "stopped"));
    let orchestrator = Orchestrator::start_with(&registry(&pier, 3_600, ""));
    let mut events = orchestrator.events();
    for _ in 0..2 {
        events.wait_until("a good answer", |event| event["event_type"] == "status_changed" && event["status"] == "ok");
    }
    stopped.stop(10);
    events.wait_for("stopped", "server_stopped");

    let mut orchestrator = orchestrator.crash_and_start_again();
    until("it is well again", || (phase_of(&orchestrator, "calculator") == "healthy").then_some(()));
    assert_eq!((names(&orchestrator).len(), phase_of(&orchestrator, "stopped").as_str()), (2, "stopped"));
    assert!(orchestrator.stop().success());
    let log = log(&orchestrator);
    let count = |event_type: &str| log.iter().filter(|event| event["event_type"] == event_type).count();
    assert_eq!((count("server_registered"), count("server_deregistered"), count("monitor_started")), (2, 0, 2));
    assert_eq!((calculator.count("restart"), stopped.count("restart"), stopped.count("start")), (0, 0, 0));
}

#[test]
fn the_registry_and_what_is_discovered_make_one_plan() {
    let pier = Pier::new();
    let (calculator, notes) = (asking(&pier, "calculator"), pier.run("notes"));
    let orchestrator = Orchestrator::start_with(&registry(&pier, 3_600, ""));
    let mut events = orchestrator.events();
    wait_until_well(&mut events, "calculator");
    let rewrite = |servers: &str| {
        let file = orchestrator.directory.path().join("registry.yaml");
        let fresh = file.with_extension("fresh");
        std::fs::write(&fresh, registry(&pier, 3_600, servers)).expect("written");
        std::fs::rename(fresh, file).expect("renamed");
    };
    let entry = |container: &Container<'_>, name: &str, more: &str| {
        let (port, full) = (container.port, container.full_name());
        format!("{{name: {name}, port: {port}, runtime: {{kind: docker, container: {full}}}{more}}}")
    };

    rewrite(&entry(&notes, "notes", ""));
    events.wait_until("the reload", |event| event["event_type"] == "config_reloaded");
    wait_until_well(&mut events, "notes");
    let mut both = names(&orchestrator);
    both.sort();
    assert_eq!(both, ["calculator", "notes"]);

    // The registry takes it over: the same server, by its name.
    rewrite(&format!("{}, {}", entry(&notes, "notes", ""), entry(&calculator, "calculator", ", group: ours")));
    events.wait_until("the reload", |event| event["event_type"] == "config_reloaded");
    until("the group is the registry's", || (orchestrator.get("/servers/calculator")["group"] == "ours").then_some(()));
    calculator.kill();
    events.wait_for("calculator", "recovery_successful");

    // A wrong file keeps what is discovered, and what comes meanwhile is watched.
    rewrite("{name: 7, nonsense: [");
    events.wait_until("the refusal", |event| event["event_type"] == "config_rejected");
    let late = asking(&pier, "late");
    wait_until_well(&mut events, "late");
    assert!(late.answers());
    until("our own health says so", || (orchestrator.get("/health")["checks"]["configuration"] == "degraded").then_some(()));
    let seen = events.types("calculator");
    assert!(!seen.contains(&"server_deregistered"), "{seen:?}");
}

#[test]
fn discover_shows_every_container_of_docker_and_why() {
    shows_every_container(EngineKind::Docker, "local");
}

#[test]
fn discover_shows_every_container_of_podman_and_why() {
    shows_every_container(EngineKind::Podman, "pods");
}

fn shows_every_container(kind: EngineKind, engine: &str) {
    let pier = Pier::with(kind);
    let asks = asking(&pier, "calculator");
    let compose = [
        ("com.docker.compose.project", "shop"),
        ("com.docker.compose.service", "search"),
        ("com.docker.compose.container-number", "2"),
        ("com.docker.compose.depends_on", "db:service_healthy:true,seed:service_completed_successfully:false"),
    ];
    let labels = [&compose[..], &[ASKS, ("mcp.health.port", "{port}")]].concat();
    let composed = pier.run_labelled("shop-search-2", Habits::default(), &labels);
    let toolhive =
        [("toolhive", "true"), ("toolhive-basename", "fetch"), ("toolhive-transport", "sse"), ("toolhive-port", "{port}")];
    let hived = pier.run_labelled("fetch", Habits::default(), &toolhive);
    let bystander = pier.run_labelled("bystander", Habits::default(), &[("autoheal", "true")]);
    let wrong = pier.run_labelled("wrong", Habits::default(), &[ASKS, ("mcp.health.interval", "soon")]);
    let ours = pier.run("ours");
    let directory = tempfile::tempdir().expect("a directory");
    let entry = format!("{{name: mine, port: 1, runtime: {{kind: {}, container: {}}}}}", kind.as_str(), ours.full_name());
    std::fs::write(directory.path().join("registry.yaml"), registry(&pier, 10, &entry)).expect("written");

    let (code, text) = run(directory.path(), &["discover", "registry.yaml", "--engine", engine, "--json"]);
    assert_eq!(code, 0, "{text}");
    let report: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    let of = |container: &Container<'_>| {
        let all = report["containers"].as_array().expect("containers");
        all.iter().find(|it| it["container"] == *container.full_name()).expect("it is listed").clone()
    };
    let told = |container: &Container<'_>| {
        let it = of(container);
        [&it["watched"], &it["server"], &it["why"]].map(|word| word.as_str().unwrap_or("-").to_owned())
    };
    assert_eq!(told(&asks), ["label", "calculator", "label mcp.health.enable=true"]);
    assert_eq!(told(&bystander), ["no", "-", "no label mcp.health.enable=true"]);
    assert_eq!(told(&ours), ["registry", "mine", "in the registry"]);
    assert_eq!(told(&wrong)[0], "wrong");
    assert_eq!(of(&wrong)["problems"][0]["label"], "mcp.health.interval");
    assert_eq!(of(&asks)["entry"]["health_url"], format!("http://127.0.0.1:{}/health", asks.port));
    assert!(of(&bystander)["hints"][0].as_str().expect("a hint").starts_with("autoheal"));
    assert_eq!(told(&composed), ["label", "search-2", "label mcp.health.enable=true"]);
    assert_eq!(of(&composed)["hints"][0], "compose: service search of project shop, after db");
    assert_eq!(of(&composed)["entry"]["group"], "shop");
    assert_eq!(told(&hived)[0], "no");
    assert_eq!(of(&hived)["hints"][0], format!("ToolHive: server fetch, transport sse, proxy port {}", hived.port));

    let (code, table) = run(directory.path(), &["discover", "registry.yaml"]);
    assert_eq!(code, 0, "{table}");
    let line = table.lines().find(|line| line.starts_with(&wrong.full_name())).expect("a line");
    assert!(line.contains("label mcp.health.interval=soon is no duration"), "{line}");
    let (code, text) = run(directory.path(), &["discover", "--engine", "nowhere"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("there is no engine `nowhere`"), "{text}");
}
