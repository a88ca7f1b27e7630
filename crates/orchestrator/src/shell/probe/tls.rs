//! Secure connections: with the system's or given roots, with a certificate of our own where that is wanted.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use health_spec::verdict::Reason;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Fault, Impaired};
use crate::shell::asked;
use crate::shell::renewed::Renewed;

mod written;

pub use written::Mistake;

/// How the connections of one target are secured. Two are equal when they are configured alike. What stands in the files may be renewed
/// at any time: the next connection knows.
#[derive(Clone, Debug)]
pub struct Secured {
    config: Renewed<Arc<ClientConfig>>,
    name: ServerName<'static>,
    wanted: Arc<Wanted>,
    /// Trusted where no `ca_file` is named.
    system: Option<Arc<RootCertStore>>,
}

/// What is configured, its paths made absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Certificates that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate and its key.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// Why connections cannot be secured as configured.
#[derive(Debug, Error)]
pub enum TlsError {
    /// Not a name that a certificate can bear.
    #[error("{name} is no name that a certificate can bear")]
    Name {
        /// What was given.
        name: String,
        /// The cause.
        source: InvalidDnsNameError,
    },
    /// A certificate file.
    #[error("{} cannot be read as PEM certificates", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rustls::pki_types::pem::Error,
    },
    /// A file without any.
    #[error("{} holds no certificate", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The key.
    #[error("{} cannot be read as a PEM key", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rustls::pki_types::pem::Error,
    },
    /// They do not fit together, or are of an unknown kind.
    #[error("certificate and key cannot be used")]
    Unusable(#[source] rustls::Error),
    /// A machine without a store of trusted certificates.
    #[error("this machine has no trusted certificates; install ca-certificates, or name a ca_file")]
    NoRoots,
}

/// The system's roots, read once and only if they are needed; what is configured alike shares one configuration.
#[derive(Debug, Default)]
pub struct Roots {
    system: OnceLock<Option<Arc<RootCertStore>>>,
    plain: OnceLock<Arc<ClientConfig>>,
}

impl Secured {
    /// For a server of this name.
    pub fn new(wanted: &Wanted, name: &str, roots: &Roots) -> Result<Self, TlsError> {
        let name = ServerName::try_from(name.to_owned()).map_err(|source| TlsError::Name { name: name.to_owned(), source })?;
        let wanted = Arc::new(wanted.clone());
        if wanted.files().is_empty() {
            let config = roots.plain()?;
            return Ok(Self { config: Renewed::new(vec![], || Ok::<_, TlsError>(config))?, name, wanted, system: None });
        }
        let system = if wanted.ca_file.is_none() { Some(roots.system()?) } else { None };
        let config = Renewed::new(wanted.files(), || wanted.config(system.clone()))?;
        Ok(Self { config, name, wanted, system })
    }

    /// Secures a connection that has just been opened.
    pub(super) async fn secure(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Fault> {
        self.over(stream).await.map_err(|error| fault(&error, &self.wanted))
    }

    /// Whether a certificate of ours is configured.
    pub(super) fn shows_own(&self) -> bool {
        self.wanted.own.is_some()
    }

    #[cfg(test)]
    pub(super) fn forget_the_look(&self) {
        self.config.forget_the_look();
    }

    /// The same for whoever judges nobody by what goes wrong.
    pub async fn over(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let (wanted, system) = (Arc::clone(&self.wanted), self.system.clone());
        let config = self.config.current(move || wanted.config(system)).await;
        TlsConnector::from(config).connect(self.name.clone(), stream).await
    }
}

impl Wanted {
    fn files(&self) -> Vec<PathBuf> {
        let own = self.own.iter().flat_map(|(chain, key)| [chain, key]);
        self.ca_file.iter().chain(own).cloned().collect()
    }

    /// Reads the files. `system`: the roots where no others are named.
    fn config(&self, system: Option<Arc<RootCertStore>>) -> Result<Arc<ClientConfig>, TlsError> {
        let trusted = match &self.ca_file {
            Some(path) => {
                let mut store = RootCertStore::empty();
                for root in certificates(path)? {
                    store.add(root).map_err(TlsError::Unusable)?;
                }
                Arc::new(store)
            }
            None => system.ok_or(TlsError::NoRoots)?,
        };
        let key = |path: &PathBuf| {
            asked::of(path, || PrivateKeyDer::from_pem_file(path)).map_err(|source| TlsError::Key { path: path.clone(), source })
        };
        let own = self.own.as_ref().map(|(chain, own)| Ok((certificates(chain)?, key(own)?))).transpose()?;
        Ok(Arc::new(config(trusted, own)?))
    }
}

impl PartialEq for Secured {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.wanted == other.wanted
    }
}

impl Roots {
    fn system(&self) -> Result<Arc<RootCertStore>, TlsError> {
        let load = || {
            let mut store = RootCertStore::empty();
            // A store with a few odd certificates is usual; what is left of it counts.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            (!store.is_empty()).then(|| Arc::new(store))
        };
        self.system.get_or_init(load).clone().ok_or(TlsError::NoRoots)
    }

    fn plain(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(known) = self.plain.get() {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(config(self.system()?, None)?);
        Ok(Arc::clone(self.plain.get_or_init(|| made)))
    }
}

type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn config(roots: Arc<RootCertStore>, own: Option<Own>) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(TlsError::Unusable)?.with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(TlsError::Unusable)?,
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |source| TlsError::Certificates { path: path.to_owned(), source };
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let found = asked::of(path, read).map_err(wrong)?;
    if found.is_empty() { Err(TlsError::Empty { path: path.to_owned() }) } else { Ok(found) }
}

/// Whether a server says that the certificate that it was shown is no good.
pub(super) fn is_about_ours(error: &rustls::Error) -> bool {
    use AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked, CertificateUnknown, UnknownCA,
        UnsupportedCertificate,
    };
    let rustls::Error::AlertReceived(alert) = error else { return false };
    matches!(
        alert,
        CertificateExpired
            | CertificateRevoked
            | BadCertificate
            | CertificateUnknown
            | UnknownCA
            | UnsupportedCertificate
            | CertificateRequired
            | AccessDenied
    )
}

/// Restarting a server would not mend a certificate of ours; one that was shown none judges something else.
pub(super) fn refused(cause: rustls::Error, shows_own: bool) -> Fault {
    if shows_own {
        Fault::Ours(Impaired::Certificate(cause))
    } else {
        Fault::Server(Reason::Tls, format!("no secure connection: {cause}"))
    }
}

/// A connection that ends is another fault than one that cannot be trusted.
fn fault(error: &io::Error, wanted: &Wanted) -> Fault {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(cause) if is_about_ours(cause) => refused(cause.clone(), wanted.own.is_some()),
        Some(cause) => {
            let advice = advice(cause, wanted.ca_file.is_some());
            Fault::Server(Reason::Tls, format!("no secure connection: {cause}{advice}"))
        }
        None if matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
        ) =>
        {
            Fault::Server(Reason::ConnectionReset, "the connection closed before it was secure".to_owned())
        }
        None => Fault::Server(Reason::Tls, format!("no secure connection: {error}")),
    }
}

/// What to do about a certificate that is not trusted. `given`: the roots are those of a `ca_file`.
fn advice(cause: &rustls::Error, given: bool) -> &'static str {
    let rustls::Error::InvalidCertificate(cause) = cause else { return "" };
    match cause {
        CertificateError::UnknownIssuer | CertificateError::BadSignature if given => {
            "; whoever has signed it is not in the probe's `tls.ca_file`"
        }
        CertificateError::UnknownIssuer => {
            "; this machine does not know who has signed it: give the probe `tls: {ca_file: ...}` with the certificate of the authority, \
             or with the server's own if it is self-signed"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "; the probe's `tls: {server_name: ...}` says which name it should bear"
        }
        // The verifier's word for what `openssl req -x509` makes by default.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "; it is self-signed and an authority's, which no server may show: make one with basicConstraints=critical,CA:FALSE, and \
             give it to the probe as `tls: {ca_file: ...}`"
        }
        _ => "",
    }
}
