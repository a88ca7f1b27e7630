use health_spec::config::EngineKind;

use super::*;

fn container(name: &str, labels: &[(&str, &str)]) -> Listed {
    Listed {
        engine: "local".to_owned(),
        kind: EngineKind::Docker,
        name: name.to_owned(),
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ports: [(8082, Some(("127.0.0.1".to_owned(), 18082)))].into(),
        address: Some("172.17.0.2".to_owned()),
    }
}

fn asking(name: &str, labels: &[(&str, &str)]) -> Listed {
    container(name, &[&[(ENABLE, "true")], labels].concat())
}

fn written(labels: &[(&str, &str)]) -> Result<Value, Vec<String>> {
    entry(&asking("a", labels), &[])
}

#[test]
fn labels_become_an_entry() {
    let all = [
        ("mcp.health.path", "alive"),
        ("mcp.health.interval", "10"),
        ("mcp.health.timeout", "2s"),
        ("mcp.health.group", "tasks"),
        ("mcp.health.depends-on", "b, c"),
        ("mcp.health.recovery", "observe"),
    ];
    let expected = serde_json::json!({
        "name": "a", "health_url": "http://127.0.0.1:18082/alive", "group": "tasks", "depends_on": ["b", "c"],
        "health_check": { "interval_seconds": 10.0, "timeout_seconds": "2s" }, "recovery": { "mode": "observe" },
        "runtime": { "kind": "docker", "container": "a", "engine": "local" },
    });
    assert_eq!(written(&all), Ok(expected));
}

#[test]
fn health_is_where_it_can_be_reached() {
    let url = |labels: &[(&str, &str)]| written(labels).map(|entry| entry["health_url"].as_str().unwrap().to_owned());
    assert_eq!(url(&[]).as_deref(), Ok("http://127.0.0.1:18082/health"));
    assert_eq!(url(&[("mcp.health.port", "8082")]).as_deref(), Ok("http://127.0.0.1:18082/health"));
    assert_eq!(url(&[("mcp.health.port", "9")]).as_deref(), Ok("http://172.17.0.2:9/health"));
    assert_eq!(url(&[("mcp.health.url", "http://h/x")]).as_deref(), Ok("http://h/x"));
    assert_eq!(url(&[("toolhive-port", "4711")]).as_deref(), Ok("http://127.0.0.1:4711/health"));
    assert!(url(&[("mcp.health.port", "x")]).unwrap_err()[0].contains("no port"));
    let mut silent = asking("a", &[]);
    silent.ports.clear();
    assert!(entry(&silent, &[]).unwrap_err()[0].contains("publishes no port"));
}

#[test]
fn everything_that_is_wrong_is_said() {
    let wrong = written(&[("mcp.health.intervall", "1"), ("mcp.health.recovery", "never"), ("mcp.health.port", "0x")]).unwrap_err();
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(wrong[0].contains("did you mean mcp.health.interval?"), "{wrong:?}");
}

#[test]
fn compose_tells_what_depends_on_what() {
    let of = |name: &str, service: &str, more: &[(&str, &str)]| {
        asking(name, &[&[(PROJECT, "shop"), (SERVICE, service)], more].concat())
    };
    let web = of("shop-web-1", "web", &[(DEPENDS_ON, "db:service_started:false,cache:service_healthy:true")]);
    let (db, other) = (of("shop-db-1", "db", &[]), container("shop-cache-1", &[(PROJECT, "shop"), (SERVICE, "cache")]));
    let entry = entry(&web, &[web.clone(), db, other]).unwrap();
    assert_eq!((&entry["depends_on"], &entry["group"]), (&serde_json::json!(["shop-db-1"]), &serde_json::json!("shop")));
}

#[test]
fn nobody_is_watched_who_has_not_asked_and_the_registry_goes_first() {
    let registered = serde_json::json!({ "name": "r", "port": 1, "runtime": { "kind": "docker", "container": "c" } });
    let registry = [serde_json::from_value(registered).unwrap()];
    let listed = [
        asking("a", &[]),
        container("b", &[("autoheal", "true")]),
        asking("c", &[]),
        asking("d", &[("mcp.health.name", "r")]),
        asking("e", &[("mcp.health.name", "a")]),
    ];
    let judged: Vec<_> = candidates(&listed, &registry);
    assert!(matches!(judged[0].judged, Judged::Asks(_)));
    assert_eq!(judged[1].judged, Judged::Unasked);
    assert!(judged[1].hints[0].contains("autoheal"));
    assert_eq!(judged[2].judged, Judged::Registered("r".to_owned()));
    assert!(matches!(judged[3].judged, Judged::Wrong(_)) && matches!(judged[4].judged, Judged::Wrong(_)));
}
