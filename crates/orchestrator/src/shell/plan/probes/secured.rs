//! How a probe's connection is secured: certificates that can be read and fit together.

use health_spec::registry::{Probe, ProbeTls};

use super::Compiler;
use crate::shell::causes::causes;
use crate::shell::probe::address::Address;
use crate::shell::probe::tls::{Secured, TlsError, Wanted};

impl Compiler<'_> {
    /// `None`: something is wrong. `Some(None)`: a plain connection.
    #[expect(clippy::option_option, reason = "wrong, plain, secured")]
    pub(super) fn secured(&mut self, probe: &Probe, address: &Address, pointer: &str) -> Option<Option<Secured>> {
        let place = format!("{pointer}/tls");
        if !address.is_secure() {
            if probe.tls.is_some() {
                self.wrong(&place, "`tls` is given, and the URL is not https://".to_owned(), "use https://, or remove `tls`");
                return None;
            }
            return Some(None);
        }
        if probe.unix_socket.is_some() {
            let message = "a unix socket is asked without TLS, and the URL is https://".to_owned();
            self.wrong(&format!("{pointer}/unix_socket"), message, "write http://");
            return None;
        }
        let tls = probe.tls.clone().unwrap_or_default();
        let wanted = self.wanted(&tls, &place)?;
        let name = tls.server_name.as_deref().unwrap_or_else(|| address.host());
        match Secured::new(&wanted, name, self.roots) {
            Ok(secured) => Some(Some(secured)),
            Err(error) => {
                let key = key_of(&error, &wanted);
                let place = if probe.tls.is_some() { format!("{place}{key}") } else { pointer.to_owned() };
                self.wrong(&place, causes(&error), help(&error));
                None
            }
        }
    }

    fn wanted(&mut self, tls: &ProbeTls, place: &str) -> Option<Wanted> {
        let own = match (&tls.cert_file, &tls.key_file) {
            (Some(chain), Some(key)) => Some((self.path(chain), self.path(key))),
            (None, None) => None,
            (Some(_), None) => {
                self.wrong(&format!("{place}/cert_file"), "a certificate needs its key".to_owned(), "add key_file: ...");
                return None;
            }
            (None, Some(_)) => {
                self.wrong(&format!("{place}/key_file"), "a key needs its certificate".to_owned(), "add cert_file: ...");
                return None;
            }
        };
        Some(Wanted { ca_file: tls.ca_file.as_ref().map(|path| self.path(path)), own })
    }
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
