//! A container's own HEALTHCHECK: what its engine makes of it is known.

use health_spec::config::EngineKind;
use orchestrator::{machine::Word, shell::runtime::container::event::Health};

use crate::{
    bench::{Bench, eventually},
    harbour::Harbour,
    quay,
};

fn its_verdict_is_known(kind: EngineKind) {
    let (harbour, mut bench) = (Harbour::with(kind), Bench::new());
    bench.engines = vec![quay::engine(kind)];
    let mut life = bench.start(&[harbour.run_checked("a", bench.path())]);
    assert_eq!(life.next_word(), Word::Running);
    let becomes = |verdict: Health| {
        eventually("its verdict", || {
            harbour.check("a");
            life.health() == Some(verdict)
        });
    };
    becomes(Health::Healthy);
    std::fs::write(bench.path().join("ill"), "").unwrap();
    becomes(Health::Unhealthy);
    std::fs::remove_file(bench.path().join("ill")).unwrap();
    becomes(Health::Healthy);
}

#[test]
fn dockers_verdict_is_known() {
    its_verdict_is_known(EngineKind::Docker);
}

#[test]
fn podmans_verdict_is_known() {
    its_verdict_is_known(EngineKind::Podman);
}
