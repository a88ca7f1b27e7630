//! The system's roots, for probes without a `ca_file`: an orchestrator on a machine that trusts an authority of the test's own.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::harness::{Orchestrator, QUICK, until};
use crate::hostile::{answers_well, serve};

/// The port of a server on `localhost` whose certificate an authority of this name has signed; that one's own is in `NAME.pem`.
fn certified_by(name: &str, directory: &Path) -> u16 {
    let key = || KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![]).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, key()).expect("an authority");
    std::fs::write(directory.join(format!("{name}.pem")), authority.pem()).expect("written");
    let own = key();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let certificate = params.signed_by(&own, &authority).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let own = PrivateKeyDer::try_from(own.serialize_der()).expect("a key");
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], own).expect("a configuration");
    let config = Arc::new(config);
    serve(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
        answers_well(StreamOwned::new(connection, stream));
    })
}

#[test]
fn what_the_system_trusts_is_trusted_and_a_ca_file_takes_its_place() {
    let directory = tempfile::tempdir().expect("a directory");
    let [of_the_system, of_nobody] = ["system", "nobody"].map(|name| certified_by(name, directory.path()));
    let entry = |name: &str, kind: &str, port: u16, tls: &str| {
        format!("  - {{name: {name}, probes: [{{kind: {kind}, url: \"https://localhost:{port}/\"{tls}}}]}}\n")
    };
    let entries = [
        entry("trusted", "http", of_the_system, ""),
        entry("trusted-mcp", "mcp", of_the_system, ""),
        entry("foreign", "http", of_nobody, ""),
        entry("given", "http", of_nobody, ", tls: {ca_file: nobody.pem}"),
        entry("given-instead", "http", of_the_system, ", tls: {ca_file: nobody.pem}"),
    ];
    let system = ["env", "-u", "SSL_CERT_DIR", "SSL_CERT_FILE=system.pem"];
    let orchestrator = Orchestrator::start_under(&system, directory, format!("{QUICK}servers:\n{}", entries.concat()));
    let expected =
        [("trusted", None), ("trusted-mcp", None), ("given", None), ("foreign", Some("tls")), ("given-instead", Some("tls"))];
    for (name, reason) in expected {
        let check = until(&format!("{name} is checked"), || {
            let check = orchestrator.get(&format!("/servers/{name}"))["last_check"].clone();
            (!check.is_null()).then_some(check)
        });
        assert_eq!(check["reason"].as_str(), reason, "{name}: {check}");
    }
    let said = orchestrator.get("/servers/foreign")["last_check"]["message"].to_string();
    assert!(said.contains("this machine does not know who has signed it"), "{said}");
}
