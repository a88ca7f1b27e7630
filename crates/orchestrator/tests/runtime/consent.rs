//! Containers that are watched because of a label: without it they are left alone, also when nobody has noticed yet.

use health_spec::config::EngineKind;
use orchestrator::{
    machine::Word,
    shell::{causes::causes, runtime::container::consent::Consent},
};

use crate::{bench::Bench, harbour::Harbour, quay};

const ASKS: (&str, &str) = ("mcp.health.enable", "true");

/// Invariant: nothing without the opt-in label or an entry in the registry is ever touched.
fn one_that_no_longer_asks_is_left_alone(kind: EngineKind) {
    let (harbour, mut bench) = (Harbour::with(kind), Bench::new());
    bench.engines = vec![quay::engine(kind)];
    bench.consent = Consent::by([ASKS].map(|(label, value)| (label.to_owned(), value.to_owned())).into());
    let mut life = bench.start(&[harbour.run_labelled("a", &[ASKS])]);
    assert_eq!(life.next_word(), Word::Running);
    life.restart().expect("it asks");
    harbour.remove("a");
    harbour.run("a");
    while life.next_word() != Word::Started {}
    let before = harbour.started_at("a");
    for error in [life.restart(), life.recreate()].map(|done| done.expect_err("it does not ask")) {
        assert!(causes(&error).contains("has no label mcp.health.enable=true, so it is left alone"), "{error}");
    }
    assert!(harbour.is_running("a"));
    assert_eq!(harbour.started_at("a"), before);
}

#[test]
fn one_that_no_longer_asks_is_left_alone_by_docker() {
    one_that_no_longer_asks_is_left_alone(EngineKind::Docker);
}

#[test]
fn one_that_no_longer_asks_is_left_alone_by_podman() {
    one_that_no_longer_asks_is_left_alone(EngineKind::Podman);
}
