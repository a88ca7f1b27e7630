//! Engines behind `https://`, for whose certificates the system's trusted ones vouch.

use health_spec::config::EngineKind;
use serde_json::Value;

use crate::harness::run_with;
use crate::pier::Pier;
use crate::tls::{Door, Way};

fn is_trusted_where_the_system_does(kind: EngineKind) {
    let (pier, directory) = (Pier::with(kind), tempfile::tempdir().expect("a directory"));
    let container = pier.run("calculator");
    let door = Door::to(kind, Way::Tls, directory.path());
    let address = door.engine.address.replace("tcp://", "https://");
    let registry = format!("engines: [{{name: far, kind: {}, address: \"{address}\"}}]\nservers: []\n", kind.as_str());
    std::fs::write(directory.path().join("registry.yaml"), registry).expect("written");
    let discover = |roots: &str| {
        let roots = directory.path().join(roots);
        let arguments = ["discover", "registry.yaml", "--engine", "far", "--json"];
        run_with(directory.path(), &arguments, &[("SSL_CERT_FILE", roots.to_str().expect("text"))])
    };

    let (code, text) = discover("server.pem");
    assert_eq!(code, 0, "{text}");
    let report: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    let listed = report["containers"].as_array().expect("containers");
    assert!(listed.iter().any(|it| it["container"] == *container.full_name()), "{report}");

    let (code, text) = discover("client.pem");
    assert!(code != 0 && text.contains("certificate"), "{code}: {text}");
}

#[test]
fn docker_is_trusted_where_the_system_trusts_it() {
    is_trusted_where_the_system_does(EngineKind::Docker);
}

#[test]
fn podman_is_trusted_where_the_system_trusts_it() {
    is_trusted_where_the_system_does(EngineKind::Podman);
}
