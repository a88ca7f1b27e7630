//! The real process: what it answers, what its own failures make of its health, and how it ends.

mod server;

use std::io::{BufRead, BufReader, Read, Write};

use serde_json::{Value, json};
use server::{Server, answer, call};

#[test]
fn it_serves_its_tools_and_its_health() {
    let server = Server::start(&[]);
    assert!(server.call("write_note", &json!({"name": "milk", "text": "two litres"})).body.contains("wrote milk"));
    assert!(server.call("read_note", &json!({"name": "milk"})).body.contains("two litres"));
    assert!(server.call("list_notes", &json!({})).body.contains("milk"));
    let (status, body) = server.health();
    assert_eq!((status, &body["status"]), (200, &"ok".into()), "{body}");
    let components: Vec<_> = body["checks"].as_object().unwrap().keys().collect();
    assert_eq!(components, ["disk", "mcp_errors", "mcp_latency", "mcp_stuck", "notes"]);
    assert_eq!(server.get("/", "Accept: application/health+json\r\n").status, 200);
    assert_eq!(server.get("/", "").status, 404);
}

#[test]
fn health_is_a_tool_as_well() {
    let answer = Server::start(&[]).call("health_check", &json!({}));
    let message = answer.body.lines().find_map(|line| line.split_once('{')).expect("a message");
    let message: Value = serde_json::from_str(&format!("{{{}", message.1)).unwrap();
    let health = &message["result"]["structuredContent"];
    assert_eq!(health_spec::validate::validate(health), [], "{message}");
}

#[test]
fn a_server_whose_calls_all_fail_is_not_called_healthy() {
    let server = Server::start(&[]);
    for _ in 0..5 {
        let answer = server.call("read_note", &json!({"name": "missing"}));
        assert!(answer.status == 200 && answer.body.contains("\"isError\":true"), "{answer:?}");
    }
    let (status, body) = server.health();
    assert_eq!((status, &body["checks"]["mcp_errors"]), (200, &"degraded".into()), "{body}");
    assert_eq!(body["error"], "mcp_errors: 5 of 5 calls failed in the last 60s");
}

#[test]
fn small_talk_of_the_older_protocol_does_not_hide_them() {
    let server = Server::start(&[]);
    let client = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
    let initialized = server.speak("initialize", &client, "");
    let session = initialized.header("mcp-session-id").expect("a session");
    let session = format!("Mcp-Session-Id: {session}\r\nMcp-Protocol-Version: 2025-11-25\r\n");
    for _ in 0..10 {
        assert!(server.speak("tools/list", &json!({}), &session).body.contains("read_note"));
        assert!(server.speak("ping", &json!({}), &session).body.contains("\"result\":{}"));
    }
    for _ in 0..5 {
        let missing = json!({"name": "read_note", "arguments": {"name": "missing"}});
        assert!(server.speak("tools/call", &missing, &session).body.contains("\"isError\":true"));
    }
    assert_eq!(server.health().1["error"], "mcp_errors: 5 of 5 calls failed in the last 60s");
}

#[test]
fn a_signal_lets_the_calls_end_and_health_says_draining_meanwhile() {
    let mut server = Server::start(&[]);
    let (headers, body) = call("write_note", &json!({"name": "late", "text": "in time"}));
    let mut running = server.begin("POST", "/mcp", &format!("{headers}Expect: 100-continue\r\n"), body.len());
    // The server asks for the body once the call runs.
    let mut asked = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    running.read_exact(&mut asked).unwrap();
    server.terminate();
    loop {
        let (status, health) = server.health();
        if health["metadata"]["draining"] == true {
            assert_eq!(status, 503);
            break;
        }
    }
    running.write_all(body.as_bytes()).unwrap();
    assert!(answer(running).body.contains("wrote late"));
    assert!(server.wait().success());
    assert_eq!(std::fs::read_to_string(server.notes.path().join("late.txt")).unwrap(), "in time");
}

#[test]
fn a_signal_without_calls_ends_it_at_once() {
    let mut server = Server::start(&[]);
    server.terminate();
    assert!(server.wait().success());
}

#[test]
fn on_stdio_health_has_a_port_of_its_own_and_stdout_is_the_protocols() {
    let mut server = Server::start(&["--stdio"]);
    let mut stdin = server.child.stdin.take().unwrap();
    let mut stdout = BufReader::new(server.child.stdout.take().unwrap());
    let client = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
    writeln!(stdin, "{}", json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client})).unwrap();
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let message: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(message["result"]["serverInfo"]["name"], "notes-server");
    writeln!(stdin, "{}", json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).unwrap();
    assert_eq!(server.health().0, 200);
    drop(stdin);
    assert!(server.wait().success());
    assert_eq!(stdout.lines().count(), 0, "nothing else was printed");
}
