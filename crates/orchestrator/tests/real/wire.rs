//! What goes with a check, from the registry to the wire: headers, tokens, traces, certificates and addresses, as a server sees them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::harness::{Orchestrator, until};

const SETTINGS: &str = "
health_check: {interval_seconds: 0.3, timeout_seconds: 5, confirm_interval_seconds: 0.1, start_period_seconds: 0, success_threshold: 1}
";

/// A request, and over which connection it came.
#[derive(Clone, Debug)]
struct Request {
    method: String,
    headers: Vec<(String, String)>,
    /// The name that was asked for in the handshake.
    asked_for: Option<String>,
    /// The certificate that was shown.
    shown: Option<Vec<u8>>,
}

impl Request {
    fn read(head: &str) -> Self {
        let mut lines = head.lines();
        let method = lines.next().and_then(|line| line.split(' ').next()).unwrap_or_default().to_owned();
        let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self { method, headers: lines.filter_map(pair).collect(), asked_for: None, shown: None }
    }

    /// What came under this name; sent twice it would be two.
    fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// A server of health and of MCP that keeps every request.
struct Scribe {
    port: u16,
    kept: Arc<Mutex<Vec<Request>>>,
}

impl Scribe {
    fn start(address: &str, tls: Option<ServerConfig>) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap_or_else(|error| panic!("these tests need {address}: {error}"));
        let port = listener.local_addr().expect("an address").port();
        let (kept, tls) = (Arc::<Mutex<Vec<Request>>>::default(), tls.map(Arc::new));
        let keep = Arc::clone(&kept);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (keep, tls) = (Arc::clone(&keep), tls.clone());
                std::thread::spawn(move || serve(stream, tls, &keep));
            }
        });
        Self { port, kept }
    }

    /// The requests of this method after the first `seen` of all kinds.
    fn of(&self, method: &str, seen: usize) -> Vec<Request> {
        self.kept.lock().expect("not poisoned").iter().skip(seen).filter(|it| it.method == method).cloned().collect()
    }

    fn count(&self) -> usize {
        self.kept.lock().expect("not poisoned").len()
    }
}

/// Until whoever asks has enough.
fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, keep: &Mutex<Vec<Request>>) {
    let Some(config) = tls else {
        let mut stream = stream;
        while let Some(request) = answer(&mut stream) {
            keep.lock().expect("not poisoned").push(request);
        }
        return;
    };
    let mut stream = StreamOwned::new(ServerConnection::new(config).expect("a connection"), stream);
    while let Some(request) = answer(&mut stream) {
        let asked_for = stream.conn.server_name().map(str::to_owned);
        let shown = stream.conn.peer_certificates().and_then(|chain| chain.first()).map(|it| it.as_ref().to_vec());
        keep.lock().expect("not poisoned").push(Request { asked_for, shown, ..request });
    }
}

fn answer(stream: &mut (impl Read + Write)) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let request = Request::read(&String::from_utf8_lossy(&head));
    let length = request.header("content-length").first().and_then(|it| it.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answer = match said.get("id") {
        Some(id) => json!({ "jsonrpc": "2.0", "id": id, "result": {} }),
        None => json!({ "status": "healthy" }),
    };
    let answer = answer.to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
    stream.write_all((head + &answer).as_bytes()).and_then(|()| stream.flush()).ok()?;
    Some(request)
}

/// An authority, a server that it vouches for and that wants to see its certificates, and one for the monitor.
struct Papers {
    server: ServerConfig,
    monitor: Vec<u8>,
}

impl Papers {
    /// `ca.pem`, `own.pem` and `own.key` are put there.
    fn issue(directory: &Path) -> Self {
        let mut params = CertificateParams::new(vec![]).expect("parameters");
        params.distinguished_name.push(rcgen::DnType::CommonName, "ours");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
        let issue = |name: &str| {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
            (params.signed_by(&key, &issuer).expect("a certificate"), key)
        };
        let ((server, server_key), (monitor, monitor_key)) = (issue("taskmgr.internal"), issue("monitor"));
        let texts = [("ca.pem", issuer.pem()), ("own.pem", monitor.pem()), ("own.key", monitor_key.serialize_pem())];
        for (name, text) in texts {
            std::fs::write(directory.join(name), text).expect("written");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut clients = RootCertStore::empty();
        clients.add(issuer.der().clone()).expect("a root");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider)).build();
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let key = PrivateKeyDer::try_from(server_key.serialize_der()).expect("a key");
        let server = builder
            .with_client_cert_verifier(verifier.expect("a verifier"))
            .with_single_cert(vec![server.der().clone()], key)
            .expect("a configuration");
        Self { server, monitor: monitor.der().to_vec() }
    }
}

fn verdict(orchestrator: &Orchestrator, name: &str) -> Value {
    orchestrator.get(&format!("/servers/{name}"))["last_check"].clone()
}

fn is_well(orchestrator: &Orchestrator, name: &str) {
    until(&format!("{name} is well"), || (verdict(orchestrator, name)["verdict"] == "ok").then_some(()));
}

/// Everything that a probe can be told to send, for both kinds that send anything.
const WRITTEN: &str = "
        host: \"mcp.example:8443\"
        headers: {X-Tenant: blue}
        header_files: {X-Api-Key: key.txt}
        bearer_token_file: token.txt
        tls: {ca_file: ca.pem, cert_file: own.pem, key_file: own.key, server_name: taskmgr.internal}
";

fn secured(port: u16) -> String {
    let urls = format!("    health_url: \"https://127.0.0.1:{port}/health\"\n    endpoint: \"https://127.0.0.1:{port}/mcp\"\n");
    let probes: String = ["http", "mcp"].map(|kind| format!("      - kind: {kind}{WRITTEN}")).concat();
    format!("  - name: calculator\n    trace_id: rollout-7\n{urls}    probes:\n{probes}")
}

#[test]
fn everything_that_a_probe_is_told_to_send_is_sent_and_shown_to_nobody() {
    let directory = tempfile::tempdir().expect("a directory");
    let papers = Papers::issue(directory.path());
    let scribe = Scribe::start("127.0.0.1", Some(papers.server));
    for (name, text) in [("key.txt", "swordfish-1\n"), ("token.txt", "swordfish-2\n")] {
        std::fs::write(directory.path().join(name), text).expect("written");
    }
    let registry = format!("{SETTINGS}servers:\n{}", secured(scribe.port));
    let orchestrator = Orchestrator::start_at(directory, registry);
    is_well(&orchestrator, "calculator");
    for method in ["GET", "POST"] {
        let sent = until("two requests", || Some(scribe.of(method, 0)).filter(|sent| sent.len() > 1));
        for request in &sent {
            for (name, value) in [
                ("host", "mcp.example:8443"),
                ("x-tenant", "blue"),
                ("x-api-key", "swordfish-1"),
                ("authorization", "Bearer swordfish-2"),
                ("x-chora-trace-id", "rollout-7"),
            ] {
                assert_eq!(request.header(name), [value], "{name} in {request:?}");
            }
            assert!(request.header("user-agent")[0].starts_with("mcp-health/"), "{request:?}");
            assert_eq!((request.asked_for.as_deref(), request.shown.as_ref()), (Some("taskmgr.internal"), Some(&papers.monitor)));
        }
        let [first, second] = [&sent[0], &sent[1]].map(|request| request.header("traceparent")[0]);
        assert!(first.starts_with("00-") && first.len() == 55 && first != second, "{first} {second}");
    }
    // A token that is changed is sent within a second.
    std::fs::write(orchestrator.directory.path().join("token.txt"), "swordfish-33\n").expect("written");
    let seen = scribe.count();
    for method in ["GET", "POST"] {
        until("the new token", || {
            scribe.of(method, seen).iter().any(|it| it.header("authorization") == ["Bearer swordfish-33"]).then_some(())
        });
    }
    let views = orchestrator.get("/servers").to_string();
    assert!(!views.contains("swordfish") && !views.contains("blue"), "{views}");
    let probes = verdict(&orchestrator, "calculator")["probes"].clone();
    assert!(probes[0]["phases"]["tls_ms"].is_number() && probes[1]["phases"]["tls_ms"].is_number(), "{probes}");
    let event = orchestrator.events().wait_for("calculator", "status_changed");
    assert_eq!(event["trace_id"], "rollout-7", "{event}");
}

#[test]
fn nothing_is_said_about_traces_where_that_is_not_wanted() {
    let scribe = Scribe::start("127.0.0.1", None);
    let port = scribe.port;
    let urls = format!("health_url: \"http://127.0.0.1:{port}/health\", endpoint: \"http://127.0.0.1:{port}/mcp\"");
    let entry = format!("  - {{name: calculator, trace_id: rollout-7, {urls}, probes: [{{kind: http}}, {{kind: mcp}}]}}\n");
    let orchestrator =
        Orchestrator::start_with(&format!("{SETTINGS}event_emission: {{trace_context: false}}\nservers:\n{entry}"));
    is_well(&orchestrator, "calculator");
    for method in ["GET", "POST"] {
        let sent = until("two requests", || Some(scribe.of(method, 0)).filter(|sent| sent.len() > 1));
        for request in &sent {
            assert_eq!(request.header("host"), [format!("127.0.0.1:{port}")]);
            for name in ["traceparent", "x-chora-trace-id"] {
                assert!(request.header(name).is_empty(), "{name} in {request:?}");
            }
        }
    }
}

#[test]
fn servers_are_reached_over_ipv6_and_a_name_takes_its_time() {
    let (six, four) = (Scribe::start("::1", None), Scribe::start("127.0.0.1", None));
    let (there, named) = (format!("[::1]:{}", six.port), format!("localhost:{}", four.port));
    let entries = [
        format!("  - {{name: http, health_url: \"http://{there}/health\"}}\n"),
        format!("  - {{name: mcp, endpoint: \"http://{there}/mcp\", probes: [{{kind: mcp}}]}}\n"),
        format!("  - {{name: tcp, probes: [{{kind: tcp, address: \"{there}\"}}]}}\n"),
        format!("  - {{name: named, health_url: \"http://{named}/health\", probes: [{{kind: http}}, {{kind: tcp}}]}}\n"),
    ];
    let orchestrator = Orchestrator::start_with(&format!("{SETTINGS}servers:\n{}", entries.concat()));
    for name in ["http", "mcp", "tcp"] {
        is_well(&orchestrator, name);
        let phases = verdict(&orchestrator, name)["probes"][0]["phases"].clone();
        assert!(phases["connect_ms"].is_number() && phases.get("dns_ms").is_none(), "{name}: {phases}");
    }
    for method in ["GET", "POST"] {
        assert!(six.of(method, 0).iter().all(|request| request.header("host") == [there.as_str()]));
    }
    is_well(&orchestrator, "named");
    for probe in verdict(&orchestrator, "named")["probes"].as_array().expect("two probes") {
        assert!(probe["phases"]["dns_ms"].is_number() && probe["phases"]["connect_ms"].is_number(), "{probe}");
    }
    assert!(four.of("GET", 0).iter().all(|request| request.header("host") == [named.as_str()]));
}
