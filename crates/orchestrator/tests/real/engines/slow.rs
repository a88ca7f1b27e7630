//! An engine that takes its time when the orchestrator begins keeps nobody's checks from being on time.

use std::time::Duration;

use health_spec::config::EngineKind;

use super::listened_to;
use crate::gate::{Gate, Side};
use crate::harness::{Orchestrator, free_port, log, sample};
use crate::pier::Pier;
use crate::quay::engine;

/// Longer than a check may take.
const SLOW: Duration = Duration::from_secs(1);

const REGISTRY: &str = "
health_check: {interval_seconds: 0.3, timeout_seconds: 0.4, confirm_interval_seconds: 0.1, start_period_seconds: 3, success_threshold: 2}
recovery: {backoff: {schedule: [5, 5]}, verify_timeout_seconds: 5}
";

/// Its attempt is planned, so others are asked at the start whether the monitor can see: they are, and the engine is all that is slow.
#[test]
fn a_slow_engine_at_the_start_is_no_storm() {
    let pier = Pier::new();
    let container = pier.run("calculator");
    let directory = tempfile::tempdir().expect("a directory");
    let gate = Gate::open(&directory.path().join("gate.sock"), &engine(EngineKind::Docker).address);
    let others: String = (0..4).map(|number| sample(&format!("other{number}"), free_port())).collect();
    let registry = format!("{REGISTRY}{}servers:\n{}{others}", gate.engine("docker"), container.entry());
    let mut orchestrator = Orchestrator::start_with(&registry);
    let mut events = orchestrator.events();
    for _ in 0..5 {
        events.wait_until("a good answer", |event| event["event_type"] == "status_changed" && event["status"] == "ok");
    }
    listened_to(&orchestrator);
    container.break_by("hang");
    events.wait_for("calculator", "server_down");
    orchestrator.crash();
    gate.arm(("GET", "/version"), Side::Late);
    let mut orchestrator = std::thread::scope(|scope| {
        scope.spawn(|| {
            gate.wait_until_caught("the engine is asked");
            std::thread::sleep(SLOW);
            gate.let_go();
        });
        orchestrator.start_again()
    });
    let mut events = orchestrator.events();
    events.wait_for("calculator", "recovery_successful");
    assert!(orchestrator.stop().success());
    let impaired: Vec<_> = log(&orchestrator).into_iter().filter(|event| event["event_type"] == "monitor_impaired").collect();
    assert!(impaired.iter().all(|event| event["reason"] != "storm"), "{impaired:#?}");
}
