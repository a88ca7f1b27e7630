//! From what is written about a secure connection to one: certificates that can be read and fit together.

use std::path::Path;

use health_spec::registry::ProbeTls;

use super::{Roots, Secured, TlsError, Wanted};
use crate::shell::causes::causes;

/// What is wrong with what is written.
#[derive(Debug)]
pub struct Mistake {
    /// The key that it is about, with a slash before it; empty for all of them.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: &'static str,
}

impl Secured {
    /// For a server of this name, unless another one is written; relative paths start at `base`.
    pub fn written(tls: &ProbeTls, host: &str, base: &Path, roots: &Roots) -> Result<Self, Mistake> {
        let wanted = wanted(tls, base)?;
        let name = tls.server_name.as_deref().unwrap_or(host);
        let mistake = |error: TlsError| Mistake { key: key_of(&error, &wanted), message: causes(&error), help: help(&error) };
        Self::new(&wanted, name, roots).map_err(mistake)
    }
}

fn wanted(tls: &ProbeTls, base: &Path) -> Result<Wanted, Mistake> {
    let half = |key, message: &str, help| Err(Mistake { key, message: message.to_owned(), help });
    let own = match (&tls.cert_file, &tls.key_file) {
        (Some(chain), Some(key)) => Some((base.join(chain), base.join(key))),
        (None, None) => None,
        (Some(_), None) => return half("/cert_file", "a certificate needs its key", "add key_file: ..."),
        (None, Some(_)) => return half("/key_file", "a key needs its certificate", "add cert_file: ..."),
    };
    Ok(Wanted { ca_file: tls.ca_file.as_ref().map(|path| base.join(path)), own })
}

/// The key whose file it is about.
fn key_of(error: &TlsError, wanted: &Wanted) -> &'static str {
    match error {
        TlsError::Name { .. } => "/server_name",
        TlsError::Key { .. } => "/key_file",
        TlsError::Unusable(_) | TlsError::NoRoots => "",
        TlsError::Certificates { path, .. } | TlsError::Empty { path } => {
            if wanted.ca_file.as_ref() == Some(path) {
                "/ca_file"
            } else {
                "/cert_file"
            }
        }
    }
}

fn help(error: &TlsError) -> &'static str {
    match error {
        TlsError::Name { .. } => "a host name such as mcp.example.com, or an IP address",
        TlsError::Key { .. } => "a file that begins with -----BEGIN PRIVATE KEY-----",
        TlsError::Unusable(_) => "a certificate and the key that it was made with",
        TlsError::NoRoots => "tls: {ca_file: ...}",
        TlsError::Certificates { .. } | TlsError::Empty { .. } => "a file that begins with -----BEGIN CERTIFICATE-----",
    }
}
