//! TLS with certificates made for the test: trusted, foreign, of another name, expired, with one of our own, and garbage.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::super::tls::{Roots, Secured, TlsError, Wanted};
use super::*;

/// An authority, and the files that a configuration names.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).expect("parameters");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { issuer, directory }
    }

    fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A certificate with its key, for these names.
    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        (params.signed_by(&key, &self.issuer).expect("a certificate"), key)
    }

    /// The same as files.
    fn issue_files(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.issue(name, change);
        let (chain, key_file) = (self.directory.path().join("own.pem"), self.directory.path().join("own.key"));
        std::fs::write(&chain, certificate.pem()).expect("written");
        std::fs::write(&key_file, key.serialize_pem()).expect("written");
        (chain, key_file)
    }

    fn wanted(&self) -> Wanted {
        Wanted { ca_file: Some(self.ca()), own: None }
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A server with this certificate; with `clients`, only for those that it has certified.
async fn serve((certificate, key): (rcgen::Certificate, KeyPair), clients: Option<&Authority>) -> SocketAddr {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().expect("versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.issuer.der().clone()).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().expect("a verifier");
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = builder.with_single_cert(vec![certificate.der().clone()], key).expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    spawned(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { break };
                head.push(byte);
            }
            let _ = stream.write_all(answer("200 OK", "", &body("ok", NOW, "")).as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

async fn ask(address: SocketAddr, wanted: &Wanted, name: &str) -> Verdict {
    asked(address, wanted, name).await.expect("a verdict").verdict
}

async fn asked(address: SocketAddr, wanted: &Wanted, name: &str) -> Result<Checked, Impaired> {
    let url = format!("https://{address}/health");
    let secured = Some(Arc::new(Secured::new(wanted, name, &Roots::default()).expect("it can be secured")));
    let target = HttpTarget { secured, ..HttpTarget::new(Address::parse(&url).expect("an address")) };
    check(&target, PATIENT, &well_before()).await
}

#[tokio::test]
async fn a_trusted_server_is_read_and_its_handshake_timed() {
    let authority = Authority::new("ours");
    let address = serve(authority.issue("taskmgr.internal", |_| {}), None).await;
    let found = ask(address, &authority.wanted(), "taskmgr.internal").await;
    assert_eq!(found.outcome, Outcome::Ok, "{:?}", found.message);
    assert!(found.probed[0].phases.tls_ms.is_some());
}

#[tokio::test]
async fn one_that_cannot_be_trusted_is_a_tls_failure_that_says_why() {
    let (authority, foreign) = (Authority::new("ours"), Authority::new("theirs"));
    let address = serve(authority.issue("taskmgr.internal", |_| {}), None).await;
    let everybody = Wanted::default();
    let expired = serve(
        authority.issue("taskmgr.internal", |params| {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }),
        None,
    )
    .await;
    for (address, wanted, name, why) in [
        (address, foreign.wanted(), "taskmgr.internal", "is not in the probe's `tls.ca_file`"),
        (address, everybody, "taskmgr.internal", "give the probe `tls: {ca_file: ...}`"),
        (address, authority.wanted(), "other.internal", "not valid for name"),
        (address, authority.wanted(), "other.internal", "`tls: {server_name: ...}` says which name"),
        (expired, authority.wanted(), "taskmgr.internal", "expired"),
    ] {
        let found = ask(address, &wanted, name).await;
        let message = found.message.unwrap_or_default();
        assert_eq!((found.outcome, found.reason), (Outcome::Failed, Some(Reason::Tls)), "{message}");
        assert!(message.contains(why), "{why} in {message}");
    }
}

#[tokio::test]
async fn a_server_may_want_a_certificate_of_ours() {
    let authority = Authority::new("ours");
    let address = serve(authority.issue("taskmgr.internal", |_| {}), Some(&authority)).await;
    let without = ask(address, &authority.wanted(), "taskmgr.internal").await;
    assert_eq!((without.outcome, without.reason), (Outcome::Failed, Some(Reason::Tls)), "{:?}", without.message);
    let wanted = Wanted { own: Some(authority.issue_files("monitor", |_| {})), ..authority.wanted() };
    let with = ask(address, &wanted, "taskmgr.internal").await;
    assert_eq!(with.outcome, Outcome::Ok, "{:?}", with.message);
}

#[tokio::test]
async fn a_certificate_of_ours_that_is_refused_is_not_held_against_the_server() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let address = serve(authority.issue("taskmgr.internal", |_| {}), Some(&authority)).await;
    let wanted = Wanted { own: Some(other.issue_files("monitor", |_| {})), ..authority.wanted() };
    let found = asked(address, &wanted, "taskmgr.internal").await;
    assert!(matches!(found, Err(Impaired::Certificate(_))), "{found:?}");
}

#[tokio::test]
async fn a_certificate_of_ours_that_is_for_another_purpose_is_not_held_against_the_server() {
    let authority = Authority::new("ours");
    let address = serve(authority.issue("taskmgr.internal", |_| {}), Some(&authority)).await;
    let own = authority.issue_files("monitor", |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let found = asked(address, &Wanted { own: Some(own), ..authority.wanted() }, "taskmgr.internal").await;
    assert!(matches!(found, Err(Impaired::Certificate(_))), "{found:?}");
}

/// As cert-manager and certbot do, while checks go on.
#[tokio::test]
async fn renewed_certificates_are_used_without_a_restart() {
    let (ours, before) = (Authority::new("ours"), Authority::new("before"));
    let address = serve(ours.issue("taskmgr.internal", |_| {}), Some(&ours)).await;
    // At first the files hold what the server does not know, and what does not know the server.
    let (chain, key) = before.issue_files("monitor", |_| {});
    let wanted = Wanted { ca_file: Some(ours.ca()), own: Some((chain.clone(), key.clone())) };
    let secured = Arc::new(Secured::new(&wanted, "taskmgr.internal", &Roots::default()).expect("it can be secured"));
    let url = format!("https://{address}/health");
    let target = HttpTarget { secured: Some(Arc::clone(&secured)), ..HttpTarget::new(Address::parse(&url).expect("an address")) };
    let ask = async || {
        secured.forget_the_look();
        check(&target, PATIENT, &well_before()).await
    };
    let found = ask().await;
    assert!(matches!(found, Err(Impaired::Certificate(_))), "{found:?}");

    let (new_chain, new_key) = ours.issue_files("monitor", |_| {});
    std::fs::copy(&new_chain, &chain).expect("written");
    let found = ask().await;
    assert!(matches!(found, Err(Impaired::Certificate(_))), "its key is still to come: {found:?}");
    std::fs::copy(&new_key, &key).expect("written");
    assert_eq!(ask().await.expect("a verdict").verdict.outcome, Outcome::Ok);

    std::fs::copy(before.ca(), ours.ca()).expect("written");
    let found = ask().await.expect("a verdict").verdict;
    assert_eq!((found.outcome, found.reason), (Outcome::Failed, Some(Reason::Tls)), "{:?}", found.message);
    std::fs::write(ours.ca(), ours.issuer.pem()).expect("written");
    assert_eq!(ask().await.expect("a verdict").verdict.outcome, Outcome::Ok);
}

#[tokio::test]
async fn what_is_no_tls_is_a_tls_failure_and_what_hangs_up_a_reset() {
    let authority = Authority::new("ours");
    for (garbage, reason) in [("HTTP/1.1 400 Bad Request\r\n\r\n", Reason::Tls), ("", Reason::ConnectionReset)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        spawned(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut hello = [0; 1024];
                let _ = stream.read(&mut hello).await;
                let _ = stream.write_all(garbage.as_bytes()).await;
            }
        });
        let found = ask(address, &authority.wanted(), "taskmgr.internal").await;
        assert_eq!((found.outcome, found.reason), (Outcome::Failed, Some(reason)), "{:?}", found.message);
    }
}

#[tokio::test]
async fn a_handshake_that_hangs_is_a_timeout() {
    let authority = Authority::new("ours");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("https://{}/health", listener.local_addr().expect("an address"));
    let secured = Some(Arc::new(Secured::new(&authority.wanted(), "a.internal", &Roots::default()).expect("secured")));
    let target = HttpTarget { secured, ..HttpTarget::new(Address::parse(&url).expect("an address")) };
    let found = check(&target, Duration::from_millis(60), &well_before()).await.expect("a verdict").verdict;
    assert_eq!(found.reason, Some(Reason::Timeout));
    assert_eq!(found.message.as_deref(), Some("no secure connection within 0.06 s"));
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new("ours");
    let missing = Path::new("/nowhere/ca.pem").to_owned();
    let empty = authority.directory.path().join("empty.pem");
    std::fs::write(&empty, "nothing\n").expect("written");
    let roots = Roots::default();
    let make = |ca_file: Option<PathBuf>, own| Secured::new(&Wanted { ca_file, own }, "a.internal", &roots).err();
    assert!(matches!(make(Some(missing), None), Some(TlsError::Certificates { .. })));
    assert!(matches!(make(Some(empty.clone()), None), Some(TlsError::Empty { .. })));
    let (chain, _) = authority.issue_files("monitor", |_| {});
    assert!(matches!(make(Some(authority.ca()), Some((chain.clone(), empty))), Some(TlsError::Key { .. })));
    let (_, other_key) = (chain.clone(), {
        let path = authority.directory.path().join("other.key");
        std::fs::write(&path, KeyPair::generate().expect("a key").serialize_pem()).expect("written");
        path
    });
    assert!(matches!(make(Some(authority.ca()), Some((chain, other_key))), Some(TlsError::Unusable(_))));
    assert!(matches!(Secured::new(&authority.wanted(), "a b", &roots), Err(TlsError::Name { .. })));
}
