//! Engines on TCP, in the open and behind TLS.

use health_spec::config::{Engine, EngineKind, EngineTls};
use health_spec::registry::Runtime;
use orchestrator::machine::{Input, Word};

use crate::{
    bench::Bench,
    harbour::Harbour,
    strait::Strait,
    tls::{Door, Way},
};

/// What happens there is heard, and what is asked for is done.
fn is_worked_with(door: &Door, harbour: &Harbour, server: &Runtime) {
    let mut bench = Bench::new();
    bench.engines = vec![door.engine.clone()];
    let mut life = bench.start(std::slice::from_ref(server));
    assert_eq!(life.next_word(), Word::Running);
    let began = harbour.started_at("a");
    life.restart().unwrap();
    assert_ne!(harbour.started_at("a"), began);
    harbour.kill("a");
    while !matches!(life.next_word(), Word::Died(_)) {}
    life.restart().unwrap();
    assert!(harbour.is_running("a"));
    life.shut_down();
}

fn asks_who_we_are(kind: EngineKind, called: &str) {
    let (harbour, directory) = (Harbour::with(kind), tempfile::tempdir().unwrap());
    let door = Door::to(kind, Way::Mutual, directory.path());
    let server = harbour.run("a");
    is_worked_with(&door, &harbour, &server);
    let tls = door.engine.tls.clone().unwrap();
    let refused = |tls| {
        let mut bench = Bench::new();
        bench.engines = vec![Engine { tls: Some(tls), ..door.engine.clone() }];
        bench.try_start(std::slice::from_ref(&server)).err().unwrap().to_string()
    };
    let nobody = refused(EngineTls { cert_file: None, key_file: None, ..tls.clone() });
    assert!(nobody.contains(&format!("no {called} engine at tcp://localhost")), "{nobody}");
    let distrusted = refused(EngineTls { ca_file: tls.cert_file.clone(), ..tls.clone() });
    assert!(distrusted.contains("certificate") && distrusted.contains("`ca_file`"), "{distrusted}");
    assert_eq!(distrusted.matches("client error").count(), 1, "{distrusted}");
    let missing = refused(EngineTls { ca_file: Some("/nowhere.pem".to_owned()), ..tls });
    assert!(missing.contains("/nowhere.pem"), "{missing}");
}

#[test]
fn docker_behind_tls_asks_who_we_are() {
    asks_who_we_are(EngineKind::Docker, "Docker");
}

#[test]
fn podman_behind_tls_asks_who_we_are() {
    asks_who_we_are(EngineKind::Podman, "Podman");
}

#[test]
fn engines_on_plain_tcp_are_worked_with() {
    for kind in [EngineKind::Docker, EngineKind::Podman] {
        let (harbour, directory) = (Harbour::with(kind), tempfile::tempdir().unwrap());
        is_worked_with(&Door::to(kind, Way::Plain, directory.path()), &harbour, &harbour.run("a"));
    }
}

#[test]
fn a_lost_engine_is_told_with_its_address_and_what_to_look_at() {
    let (harbour, mut bench) = (Harbour::new(), Bench::new());
    let mut strait = Strait::to(EngineKind::Docker, &bench.path().join("engine.sock"));
    bench.engines = vec![strait.engine()];
    let mut life = bench.start(&[harbour.run("a")]);
    assert_eq!(life.next_word(), Word::Running);
    strait.close();
    let Input::EngineLost(_, why) = life.next() else { panic!("it is lost") };
    let address = strait.engine().address;
    assert!(why.contains(&address) && why.ends_with("may this user open the socket?"), "{why}");
    let refused = life.restart().unwrap_err().to_string();
    let container = format!("container \"{}\" of engine \"{}\"", harbour.name("a"), strait.engine().name);
    assert!(refused.starts_with(&container) && refused.contains(&address), "{refused}");
}
