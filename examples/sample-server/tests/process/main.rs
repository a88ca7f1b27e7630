//! The real process: its answers, its faults, and how it ends.

mod server;

use std::net::TcpListener;

use server::Server;

#[test]
fn it_serves_health_and_the_three_tools_on_one_port() {
    let server = Server::start(&["--name", "mine"]);
    let health = server.get("/health");
    assert_eq!(health.status, 200);
    let body: serde_json::Value = serde_json::from_str(&health.body).unwrap();
    assert_eq!((&body["status"], &body["metadata"]["name"]), (&"ok".into(), &"mine".into()), "{body}");
    for (tool, arguments, expected) in
        [("echo", r#"{"text":"abc"}"#, "abc"), ("add", r#"{"a":2,"b":3.5}"#, "5.5"), ("reverse", r#"{"text":"abc"}"#, "cba")]
    {
        let answer = server.call(tool, arguments);
        assert!(answer.status == 200 && answer.body.contains(&format!("\"{expected}\"")), "{tool}: {answer:?}");
    }
}

#[test]
fn degraded_is_reported_and_still_200() {
    let health = Server::start(&["--degraded"]).get("/health");
    assert_eq!(health.status, 200);
    assert!(health.body.contains(r#""status":"degraded""#) && health.body.contains(r#""cache":"degraded""#), "{health:?}");
}

#[test]
fn down_is_503_from_the_answer_on() {
    let server = Server::start(&[]);
    assert_eq!(server.post("/break/down").status, 202);
    let health = server.get("/health");
    assert_eq!(health.status, 503);
    assert!(health.body.contains(r#""status":"down""#) && health.body.contains("task store"), "{health:?}");
}

#[test]
fn an_unknown_fault_names_those_there_are() {
    let answer = Server::start(&[]).post("/break/wind");
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("crash, hang, down, memory"), "{answer:?}");
}

#[test]
fn a_crash_breaks_the_connection_and_the_process() {
    let mut server = Server::start(&[]);
    assert_eq!(server.send("POST", "/break/crash", "", "").read_to_end_or_reset(), "");
    assert!(!server.wait().success());
}

#[test]
fn a_crash_can_be_scheduled() {
    assert!(!Server::start(&["--crash-every", "0.01"]).wait().success());
}

#[test]
fn hanging_accepts_and_never_answers_and_still_stops() {
    let mut server = Server::start(&[]);
    assert_eq!(server.post("/break/hang").status, 202);
    let open: Vec<_> = ["/health", "/mcp", "/other"].map(|path| server.send("GET", path, "", "")).into();
    server.terminate();
    assert!(server.wait().success());
    for mut connection in open {
        assert_eq!(connection.read_to_end_or_reset(), "", "nothing was answered before the end");
    }
}

#[test]
fn a_signal_ends_it_well() {
    let mut server = Server::start(&[]);
    server.terminate();
    assert!(server.wait().success());
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Server::command(&["--listen", &address]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.lines().count() == 1 && stderr.contains(&address) && stderr.contains("in use"), "{stderr}");
}
