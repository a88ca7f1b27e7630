//! An engine on TCP: a door on loopback that forwards to the engine's socket, in the open, behind TLS, or behind TLS that asks for a client
//! certificate.

use std::path::Path;
use std::sync::Arc;

use health_spec::config::{Engine, EngineKind, EngineTls};
use rcgen::CertifiedKey;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsAcceptor;

use crate::quay;

pub(crate) struct Door {
    /// With what it takes to come in.
    pub(crate) engine: Engine,
    _scheduler: tokio::runtime::Runtime,
}

/// A certificate that vouches for itself, as `NAME.pem` and `NAME-key.pem`.
fn certificate(directory: &Path, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(directory.join(format!("{name}.pem")), cert.pem()).expect("written");
    std::fs::write(directory.join(format!("{name}-key.pem")), signing_key.serialize_pem()).expect("written");
    (cert.der().clone(), PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key"))
}

/// How one comes in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Whoever can connect is in.
    Plain,
    /// Over TLS; nobody is asked who he is.
    Tls,
    /// Over TLS, with a certificate.
    Mutual,
}

/// What can be read and written.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Door {
    /// The certificates are kept in this directory, the engine's own as `server.pem`.
    pub(crate) fn to(kind: EngineKind, way: Way, directory: &Path) -> Self {
        let scheduler = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a scheduler");
        let (server, key) = certificate(directory, "server");
        let (client, _) = certificate(directory, "client");
        let acceptor = TlsAcceptor::from(Arc::new(config(server, key, (way == Way::Mutual).then_some(client))));
        let listener = scheduler.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let engine = quay::engine(kind).address.trim_start_matches("unix://").to_owned();
        scheduler.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, engine) = (acceptor.clone(), engine.clone());
                #[expect(clippy::disallowed_methods, reason = "the scheduler of one test ends them all")]
                tokio::spawn(async move {
                    let mut near: Box<dyn Stream> =
                        if way == Way::Plain { Box::new(stream) } else { Box::new(acceptor.accept(stream).await?) };
                    copy_bidirectional(&mut near, &mut UnixStream::connect(&engine).await?).await
                });
            }
        });
        let file = |name: &str| Some(directory.join(name).to_str().expect("text").to_owned());
        let tls = match way {
            Way::Plain => None,
            Way::Tls => Some(EngineTls { ca_file: file("server.pem"), ..EngineTls::default() }),
            Way::Mutual => {
                Some(EngineTls { ca_file: file("server.pem"), cert_file: file("client.pem"), key_file: file("client-key.pem") })
            }
        };
        let engine = Engine { name: kind.as_str().to_owned(), kind, address: format!("tcp://localhost:{port}"), tls };
        Self { engine, _scheduler: scheduler }
    }
}

fn config(server: CertificateDer<'static>, key: PrivateKeyDer<'static>, client: Option<CertificateDer<'static>>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.expect("versions");
    let Some(client) = client else {
        return builder.with_no_client_auth().with_single_cert(vec![server], key).expect("a configuration");
    };
    let mut clients = RootCertStore::empty();
    clients.add(client).expect("a root");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider).build();
    let builder = builder.with_client_cert_verifier(verifier.expect("a verifier"));
    builder.with_single_cert(vec![server], key).expect("a configuration")
}
