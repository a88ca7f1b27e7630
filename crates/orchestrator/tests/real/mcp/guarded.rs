//! Probes of kind `mcp` that show a token, and that ask a tool `health_check`, on a real FastMCP server with a `StaticTokenVerifier`.

use serde_json::Value;

use super::peers::Peer;
use super::{SETTINGS, fails_with, is_well};
use crate::harness::{Events, Orchestrator};

/// One server, seen with the right token, with a wrong one, without any, and through its own tool.
fn watch(server: &Peer) -> Orchestrator {
    let directory = tempfile::tempdir().expect("a directory");
    for (file, token) in [("right", "right\n"), ("renewed", "wrong\n")] {
        std::fs::write(directory.path().join(file), token).expect("written");
    }
    let entry = |name: &str, probe: &str| {
        format!("  - {{name: {name}, endpoint: \"{}\", probes: [{{kind: mcp{probe}}}]}}\n", server.endpoint)
    };
    let entries = [
        entry("right", ", depth: list, bearer_token_file: right"),
        entry("renewed", ", depth: list, bearer_token_file: renewed"),
        entry("none", ""),
        entry("asked", ", tool: health_check, bearer_token_file: right"),
    ];
    let settings = format!("{}recovery: {{enabled: false}}\n", SETTINGS.trim_start());
    Orchestrator::start_at(directory, format!("{settings}servers:\n{}", entries.concat()))
}

fn status(events: &mut Events, name: &str, status: &str) -> Value {
    events.wait_until(&format!("{name} is {status}"), |event| {
        event["server_name"] == name && event["event_type"] == "health_check_completed" && event["status"] == status
    })
}

#[test]
fn who_shows_no_token_or_a_wrong_one_sees_that_it_lives_and_who_shows_the_right_one_that_it_is_well() {
    let mut server = Peer::guarded();
    let orchestrator = watch(&server);
    let mut events = orchestrator.events();
    is_well(&orchestrator, "right");
    for name in ["none", "renewed"] {
        let refused = fails_with(&mut events, name, "needs_auth");
        assert_eq!(refused["status"], "degraded", "{refused}");
        let said = orchestrator.get(&format!("/servers/{name}"))["last_check"]["message"].clone();
        assert_eq!(said, "alive, but answers 401: it wants credentials");
    }
    let file = orchestrator.directory.path().join("renewed");
    std::fs::write(file, "right").expect("written");
    status(&mut events, "renewed", "ok");
    server.kill();
    for name in ["none", "renewed", "right"] {
        let failed = fails_with(&mut events, name, "connect_refused");
        assert_eq!(failed["status"], "down", "{failed}");
    }
}

#[test]
fn what_its_tool_health_check_says_is_its_health() {
    let server = Peer::guarded();
    let orchestrator = watch(&server);
    is_well(&orchestrator, "asked");
    let mut events = orchestrator.events_from_now();
    server.ask("/say/degraded");
    let degraded = status(&mut events, "asked", "degraded");
    assert_eq!(degraded["failure"]["reason"], "reported", "{degraded}");
    server.ask("/say/down");
    let down = status(&mut events, "asked", "down");
    assert_eq!(down["failure"]["reason"], "reported", "{down}");
    server.ask("/say/raise");
    fails_with(&mut events, "asked", "mcp_error");
    // Whoever does not ask it sees nothing of that.
    is_well(&orchestrator, "right");
    server.ask("/say/ok");
    status(&mut events, "asked", "ok");
}
