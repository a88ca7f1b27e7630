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

/// Whom to trust, and who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) ca: Option<PathBuf>,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

impl Files {
    /// Carries requests over TLS, each on a connection of its own.
    pub(super) fn transport(&self) -> Result<impl Fn(BollardRequest) -> Answer + Send + Sync + use<>, TlsError> {
        let connector = HttpsConnectorBuilder::new().with_tls_config(self.config()?).https_only().enable_http1().build();
        let mut builder = Client::builder(TokioExecutor::new());
        let client = Arc::new(builder.pool_max_idle_per_host(0).build(connector));
        Ok(move |request: BollardRequest| {
            let client = Arc::clone(&client);
            Box::pin(async move { client.request(request).await.map_err(Error::from) }) as Answer
        })
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
