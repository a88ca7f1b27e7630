//! The oldest transport, HTTP+SSE, on a real server: it is seen alive, and nothing more.

use super::peers::Peer;
use super::{entry, fails_with, is_well, watch};
use crate::harness::{signal, until};

#[test]
fn it_is_seen_alive_hanging_dead_and_back_and_a_deeper_look_says_what_it_cannot_see() {
    let mut server = Peer::sse();
    let entries =
        [entry("alive", &server.endpoint, "[{kind: mcp}]"), entry("deep", &server.endpoint, "[{kind: mcp, depth: list}]")];
    let orchestrator = watch(&entries);
    let mut events = orchestrator.events();
    is_well(&orchestrator, "alive");
    let deep = fails_with(&mut events, "deep", "not_conformant");
    assert_eq!(deep["status"], "degraded", "{deep}");
    let said = orchestrator.get("/servers/deep")["last_check"]["message"].clone();
    assert_eq!(said, "it speaks the old HTTP+SSE transport, of which only liveness is seen: use depth discover");
    signal(server.pid(), "STOP");
    for name in ["alive", "deep"] {
        fails_with(&mut events, name, "timeout");
    }
    signal(server.pid(), "CONT");
    is_well(&orchestrator, "alive");
    server.kill();
    for name in ["alive", "deep"] {
        fails_with(&mut events, name, "connect_refused");
    }
    server.start_again();
    is_well(&orchestrator, "alive");
    until("the deep one is degraded again", || {
        (orchestrator.get("/servers/deep")["last_check"]["verdict"] == "degraded").then_some(())
    });
}
