//! How a probe's connection is secured, if it is.

use health_spec::registry::Probe;

use super::Compiler;
use crate::shell::probe::address::Address;
use crate::shell::probe::tls::Secured;

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
        match Secured::written(&tls, address.host(), &self.base, self.roots) {
            Ok(secured) => Some(Some(secured)),
            Err(mistake) => {
                let place = if probe.tls.is_some() { format!("{place}{}", mistake.key) } else { pointer.to_owned() };
                self.wrong(&place, mistake.message, mistake.help);
                None
            }
        }
    }
}
