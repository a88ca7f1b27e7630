//! `https`: a certificate is trusted when the given roots say so, and only then.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::command::program;

const VALID: &str = r#"{"status":"ok","timestamp":"2026-01-02T03:04:05Z","uptime_seconds":1}"#;

/// A server for `localhost` with a certificate of its own, which it writes to `roots`. Its address.
fn serve(roots: &Path) -> String {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(roots, cert.pem()).expect("written");
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key))
        .expect("a configuration");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            answer(&mut StreamOwned::new(connection, stream));
        }
    });
    format!("https://localhost:{port}/health")
}

fn answer(stream: &mut (impl Read + Write)) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
        head.push(byte[0]);
    }
    let length = VALID.len();
    // A client that does not trust us has hung up.
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{VALID}")
        .and_then(|()| stream.flush());
}

#[test]
fn a_certificate_needs_a_root_that_vouches_for_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let roots = directory.path().join("roots.pem");
    let url = serve(&roots);
    let others = directory.path().join("others.pem");
    let _other_server = serve(&others);
    let validate = |roots: &Path| program().args(["validate", &url]).env("SSL_CERT_FILE", roots).output().expect("it runs");
    assert_eq!(validate(&roots).status.code(), Some(0));
    let untrusted = validate(&others);
    let stderr = String::from_utf8_lossy(&untrusted.stderr);
    assert_eq!(untrusted.status.code(), Some(69), "{stderr}");
    assert!(stderr.contains("(tls: invalid peer certificate"), "{stderr}");
}
