//! TLS to an engine, with client certificates if it asks for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::{BollardRequest, errors::Error};
use futures_util::future::BoxFuture;
use hyper::{Response, body::Incoming};
use hyper_rustls::{ConfigBuilderExt, HttpsConnectorBuilder};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

use crate::shell::renewed::Renewed;

/// Why the files do not do.
#[derive(Debug, Error)]
pub enum TlsError {
    /// Not there, not ours to read, or no PEM.
    #[error("{} cannot be used as PEM", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// A file without what it is for.
    #[error("{} has no certificate", .0.display())]
    Empty(PathBuf),
    /// The system's trusted certificates.
    #[error("the system's trusted certificates cannot be read; name a `ca_file`")]
    System(#[source] std::io::Error),
    /// What is in them.
    #[error("the certificates cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// To one request.
type Answer = BoxFuture<'static, Result<Response<Incoming>, Error>>;

/// Sends requests, with the certificates of a moment.
type Carrier = Arc<dyn Fn(BollardRequest) -> Answer + Send + Sync>;

/// Whom to trust, and who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) ca: Option<PathBuf>,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

impl Files {
    /// Carries requests over TLS, each on a connection of its own. Files that are renewed are used from the next one on.
    pub(super) fn transport(&self) -> Result<impl Fn(BollardRequest) -> Answer + Send + Sync + use<>, TlsError> {
        Ok(self.over(self.renewed()?))
    }

    fn over(&self, carrier: Renewed<Carrier>) -> impl Fn(BollardRequest) -> Answer + Send + Sync + use<> {
        let files = self.clone();
        move |request: BollardRequest| {
            let (carrier, files) = (carrier.clone(), files.clone());
            Box::pin(async move { carrier.current(move || files.carrier()).await(request).await }) as Answer
        }
    }

    fn renewed(&self) -> Result<Renewed<Carrier>, TlsError> {
        let all = [&self.ca, &self.cert, &self.key].into_iter().flatten().cloned().collect();
        Renewed::new(all, || self.carrier())
    }

    fn carrier(&self) -> Result<Carrier, TlsError> {
        let connector = HttpsConnectorBuilder::new().with_tls_config(self.config()?).https_only().enable_http1().build();
        let client = Arc::new(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector));
        Ok(Arc::new(move |request: BollardRequest| {
            let client = Arc::clone(&client);
            Box::pin(async move { client.request(request).await.map_err(Error::from) }) as Answer
        }))
    }

    fn config(&self) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(TlsError::Unusable)?;
        let builder = match &self.ca {
            Some(path) => builder.with_root_certificates(roots(path)?),
            None => builder.with_native_roots().map_err(TlsError::System)?,
        };
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else { return Ok(builder.with_no_client_auth()) };
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::File { path: key.clone(), source })?;
        builder.with_client_auth_cert(certificates(cert)?, secret).map_err(TlsError::Unusable)
    }
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(TlsError::Unusable)?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::File { path: path.to_owned(), source };
    let all = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if all.is_empty() { Err(TlsError::Empty(path.to_owned())) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use bollard::{API_DEFAULT_VERSION, Docker};
    use rcgen::CertifiedKey;
    use rustls::ServerConfig;
    use rustls::server::WebPkiClientVerifier;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// One that vouches for itself, in two files of this name.
    fn certificate(directory: &Path, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let CertifiedKey { cert, signing_key } = made;
        std::fs::write(directory.join(format!("{name}.pem")), cert.pem()).expect("written");
        std::fs::write(directory.join(format!("{name}.key")), signing_key.serialize_pem()).expect("written");
        (cert.der().clone(), PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key"))
    }

    /// Answers whoever shows this certificate.
    fn acceptor((own, key): (CertificateDer<'static>, PrivateKeyDer<'static>), client: CertificateDer<'static>) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut clients = RootCertStore::empty();
        clients.add(client).expect("a root");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider)).build();
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let builder = builder.with_client_cert_verifier(verifier.expect("a verifier"));
        TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![own], key).expect("a configuration")))
    }

    #[tokio::test]
    async fn a_renewed_certificate_is_shown_on_the_next_connection() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        let own = certificate(directory.path(), "server");
        let (renewed, _) = certificate(directory.path(), "renewed");
        certificate(directory.path(), "client");
        let acceptor = acceptor(own, renewed);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let serving = async {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nOK").await;
                let _ = stream.shutdown().await;
            }
        };
        let asking = async {
            let files = Files { ca: Some(at("server.pem")), cert: Some(at("client.pem")), key: Some(at("client.key")) };
            let carrier = files.renewed().expect("it can be carried");
            let address = Some(format!("https://localhost:{port}"));
            let client = Docker::connect_with_custom_transport(files.over(carrier.clone()), address, 30, API_DEFAULT_VERSION)
                .expect("a client");
            assert!(client.ping().await.is_err(), "the engine does not know this one");
            std::fs::copy(at("renewed.pem"), at("client.pem")).expect("written");
            std::fs::copy(at("renewed.key"), at("client.key")).expect("written");
            carrier.forget_the_look();
            client.ping().await.expect("the engine answers");
        };
        tokio::select! {
            () = asking => {}
            () = serving => {}
        }
    }
}
