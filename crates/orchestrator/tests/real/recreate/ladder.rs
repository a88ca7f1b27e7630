//! A container that hangs, and whose file system is broken: a hook does not help, a restart does not, a new container does.

use std::os::unix::fs::PermissionsExt;

use health_spec::config::EngineKind::Docker;

use super::{QUICK, directly, listened_to, settled};
use crate::harness::Orchestrator;
use crate::pier::{Pier, archive_of};

#[test]
fn a_ladder_is_climbed_from_a_hook_over_a_restart_to_a_new_container() {
    let pier = Pier::new();
    let container = pier.run("calculator");
    let ladder = "{strategy: [repair, restart, recreate], repair: {command: [touch, repaired]}, verify_timeout_seconds: 3}";
    let registry = format!("{QUICK}{}servers:\n{}    recovery: {ladder}\n", directly(Docker), container.entry());
    let mut orchestrator = Orchestrator::start_with(&registry);
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    listened_to(&orchestrator);
    let (before, life) = (container.id(), container.life());

    // What runs goes on; the next start finds no program.
    let spoilt = orchestrator.directory.path().join("sample-server");
    std::fs::write(&spoilt, "no program").expect("written");
    std::fs::set_permissions(&spoilt, std::fs::Permissions::from_mode(0o755)).expect("it may be run");
    container.put(archive_of(&spoilt));
    container.break_by("hang");

    let mut step = |expected: &str, attempt: u64| {
        let begun = events.wait_for("calculator", "recovery_started");
        assert_eq!((begun["strategy"].as_str(), begun["attempt"].as_u64()), (Some(expected), Some(attempt)), "{begun}");
        let ended = events.wait_until("its end", |event| {
            ["recovery_successful", "recovery_failed"].iter().any(|it| event["event_type"] == *it)
        });
        (ended["event_type"].clone(), ended["error"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(step("repair", 1), ("recovery_failed".into(), "verify_timeout".to_owned()));
    assert!(orchestrator.directory.path().join("repaired").exists());
    assert_eq!((container.id(), container.life()), (before.clone(), life), "a repair does not touch it");
    let (end, error) = step("restart", 2);
    // Engines differ in whether they call that a failure to start or a death.
    assert!(end == "recovery_failed" && (error == "container_died" || error.starts_with("action: ")), "{end}: {error}");
    assert_eq!((container.id(), container.answers()), (before.clone(), false), "the same one was started again");
    assert_eq!(step("recreate", 3), ("recovery_successful".into(), String::new()));
    assert_ne!(container.id(), before);
    assert_eq!(container.label("mcp-health.recreates").as_deref(), Some(before.as_str()));
    settled(&mut orchestrator, &container);
}
