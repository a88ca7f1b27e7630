//! A server that says much, and repeats what it was sent: what of that reaches people and disks.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use crate::harness::{Orchestrator, QUICK, log, until};

/// The monitor's own, from a file.
const TOKEN: &str = "swordfish-of-the-monitor";

/// Longer than any text that is told, with what says how much is missing.
const LONGEST: usize = 600;

/// An error of 58 KB that begins with what was sent, under a version and a check of that name.
fn answer(mut stream: &TcpStream) -> std::io::Result<()> {
    let head: Vec<_> = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let sent = head.iter().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap_or("nothing");
    let error = format!("refused {sent} {}", "and so on ".repeat(5_800));
    let body = format!(
        r#"{{"status":"down","timestamp":"2026-01-02T03:04:05Z","uptime_seconds":1,"version":"{sent}","checks":{{"{sent}":"down"}},"error":"{error}"}}"#
    );
    let head =
        format!("HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes())
}

#[test]
fn a_server_that_says_much_and_repeats_our_token_is_told_in_short_and_without_it() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(answer(&stream))));
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("token"), TOKEN).expect("written");
    let probe = format!("{{kind: http, url: 'http://127.0.0.1:{port}/health', bearer_token_file: token}}");
    let settings = QUICK.replace("start_period_seconds: 10", "start_period_seconds: 0");
    let registry = format!("{settings}servers:\n  - {{name: a, probes: [{probe}]}}\n");
    let mut orchestrator = Orchestrator::start_at(directory, registry);
    until("it to be down", || (orchestrator.get("/servers/a")["status"] == "down").then_some(()));

    let view = orchestrator.get("/servers/a");
    let message = view["last_check"]["message"].as_str().expect("a message");
    assert!(message.starts_with("refused *** and so on") && message.len() < LONGEST, "{message}");
    let incident = orchestrator.get("/incidents?limit=1");
    let id = incident["incidents"][0]["id"].as_str().expect("an incident").to_owned();
    let shown = ["/servers/a", "/servers/a/why", "/servers/a/health", "/events?since=0&limit=1000", &format!("/incidents/{id}")];
    for path in shown {
        let text = orchestrator.get(path).to_string();
        assert!(!text.contains("swordfish"), "{path}: {text}");
    }
    orchestrator.stop();
    let lines = log(&orchestrator);
    let longest = lines.iter().map(|line| line.to_string().len()).max().unwrap_or_default();
    assert!(longest < 4 * LONGEST && !format!("{lines:?}").contains("swordfish"), "{longest} bytes in a line");
}
