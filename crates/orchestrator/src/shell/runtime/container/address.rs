//! Where an engine is, and how to reach it.

use std::path::PathBuf;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use health_spec::config::{Engine, EngineKind};
use thiserror::Error;

use super::failure::FILTERED;
use super::tls::{Files, TlsError};
use crate::shell::secrets::credentials::starred;

/// How long an engine may take to say which version it speaks. Podman asks other programs for it, which takes seconds on a busy machine.
const HELLO_PATIENCE: Duration = Duration::from_secs(20);

/// How long it may take to answer anything else; to stop a container it may take longer by what that is given to end.
pub(super) const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

/// What the component of `GET /version` is called that makes an engine Podman's.
const PODMAN: &str = "Podman Engine";

/// An engine cannot be reached.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// We do not know this kind of address.
    #[error("\"{0}\" is no address of an engine; write unix:///var/run/docker.sock, tcp://host:port or https://host:port")]
    Address(String),
    /// TLS is asked for where there is none.
    #[error("\"{0}\" has no use for `tls`: only tcp:// and https:// have")]
    NoTls(String),
    /// Half of a client certificate.
    #[error("`cert_file` and `key_file` belong together; one of them is missing")]
    HalfCertificate,
    /// The files do not do.
    #[error("cannot speak TLS with the engine at {address}")]
    Tls {
        /// Where.
        address: String,
        /// Why.
        source: TlsError,
    },
    /// Nobody answers there.
    #[error("no {kind} engine at {address}")]
    Unreachable {
        /// Docker or Podman.
        kind: &'static str,
        /// Where.
        address: String,
        /// Why.
        source: bollard::errors::Error,
    },
    /// It takes too long.
    #[error("the {kind} engine at {address} does not answer within {} s", patience.as_secs())]
    Silent {
        /// Docker or Podman.
        kind: &'static str,
        /// Where.
        address: String,
        /// For so long.
        patience: Duration,
    },
}

/// `unix:///path`, `tcp://host:port` or `https://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    text: String,
    kind: EngineKind,
    tls: Option<Files>,
}

/// An engine that answers.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Speaks to it.
    pub client: Docker,
    /// What it really is: Podman may listen where Docker usually does.
    pub kind: EngineKind,
    /// Where it is.
    pub address: String,
}

impl Connection {
    /// For people.
    pub(super) fn shown(&self) -> String {
        format!("{} engine at {}", shown(self.kind), self.address)
    }
}

impl Address {
    /// Reads it; nothing is opened.
    pub fn of(engine: &Engine) -> Result<Self, ConnectError> {
        let text = &engine.address;
        let place =
            |scheme| text.strip_prefix(scheme).is_some_and(|place: &str| place.contains(':') && !place.contains(['/', '@']));
        let is_unix = text.strip_prefix("unix:///").is_some_and(|path| !path.is_empty());
        if !(is_unix || place("tcp://") || place("https://")) {
            return Err(ConnectError::Address(starred(text)));
        }
        if is_unix && engine.tls.is_some() {
            return Err(ConnectError::NoTls(text.clone()));
        }
        let tls = engine.tls.clone().or_else(|| text.starts_with("https://").then(Default::default));
        let path = |file: Option<String>| file.map(PathBuf::from);
        let tls = tls.map(|tls| Files { ca: path(tls.ca_file), cert: path(tls.cert_file), key: path(tls.key_file) });
        if tls.as_ref().is_some_and(|tls| tls.cert.is_some() != tls.key.is_some()) {
            return Err(ConnectError::HalfCertificate);
        }
        Ok(Self { text: text.clone(), kind: engine.kind, tls })
    }

    /// Connects, and agrees on a version of the API. Certificates are read anew each time: they may have been renewed.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        self.connect_within(HELLO_PATIENCE).await
    }

    /// The same, for whoever can go on without it.
    pub(super) async fn connect_within(&self, patience: Duration) -> Result<Connection, ConnectError> {
        let hello = tokio::time::timeout(patience, Box::pin(self.hello()));
        let silent = |_| ConnectError::Silent { kind: shown(self.kind), address: self.text.clone(), patience };
        hello.await.map_err(silent)?
    }

    /// Why it cannot be reached, and what to look at.
    pub(super) fn with_advice(&self, why: String) -> String {
        let advice = self.advice(&why);
        why + "; " + advice
    }

    /// What to look at when it cannot be reached, for this reason.
    fn advice(&self, why: &str) -> &'static str {
        let is_about_tls = ["certificate", "handshake", "TLS", "tls", "corrupt message"].iter().any(|word| why.contains(word));
        if why.contains("status code 403") {
            FILTERED
        } else if why.contains("status code") {
            "its own log may say why"
        } else if self.is_near() {
            "is it running? may this user open the socket?"
        } else if self.tls.is_none() {
            "is it running, and does it listen there without TLS? else give `tls`"
        } else if is_about_tls {
            "look at `tls`: `ca_file` has to vouch for the engine's certificate, which has to be for this host and in force; \
             `cert_file` and `key_file` have to be what the engine asks for"
        } else {
            "is it running, and does it listen there with TLS?"
        }
    }

    /// What the configuration says that it is.
    pub(super) fn kind(&self) -> EngineKind {
        self.kind
    }

    /// Whether its containers run on this machine.
    pub(super) fn is_near(&self) -> bool {
        self.text.starts_with("unix://")
    }

    /// It does not answer as it should.
    pub(super) fn unreachable(&self, source: bollard::errors::Error) -> ConnectError {
        ConnectError::Unreachable { kind: shown(self.kind), address: self.text.clone(), source }
    }

    async fn hello(&self) -> Result<Connection, ConnectError> {
        let unreachable = |source| self.unreachable(source);
        let client = self.dial()?.negotiate_version().await.map_err(unreachable)?;
        if self.kind == EngineKind::Podman {
            return Ok(Connection { client, kind: EngineKind::Podman, address: self.text.clone() });
        }
        let version = client.version().await.map_err(unreachable)?;
        let is_podman = version.components.unwrap_or_default().iter().any(|component| component.name == PODMAN);
        let kind = if is_podman { EngineKind::Podman } else { EngineKind::Docker };
        Ok(Connection { client, kind, address: self.text.clone() })
    }

    fn dial(&self) -> Result<Docker, ConnectError> {
        let unreachable = |source| self.unreachable(source);
        let patience = ANSWER_PATIENCE.as_secs();
        if self.text.starts_with("unix://") {
            return Docker::connect_with_unix(&self.text, patience, API_DEFAULT_VERSION).map_err(unreachable);
        }
        let Some(files) = &self.tls else {
            return Docker::connect_with_http(&self.text, patience, API_DEFAULT_VERSION).map_err(unreachable);
        };
        let transport = files.transport().map_err(|source| ConnectError::Tls { address: self.text.clone(), source })?;
        let address = self.text.replacen("tcp://", "https://", 1);
        Docker::connect_with_custom_transport(transport, Some(address), patience, API_DEFAULT_VERSION).map_err(unreachable)
    }
}

/// The socket to which an address leads. `None`: it is no path, or nothing is there.
pub fn socket(address: &str) -> Option<PathBuf> {
    std::fs::canonicalize(address.strip_prefix("unix://")?).ok()
}

/// As people write it.
pub(super) fn shown(kind: EngineKind) -> &'static str {
    match kind {
        EngineKind::Docker => "Docker",
        EngineKind::Podman => "Podman",
    }
}

#[cfg(test)]
mod tests {
    use health_spec::config::EngineTls;

    use super::*;

    fn engine(address: &str, tls: Option<EngineTls>) -> Engine {
        Engine { name: "e".to_owned(), kind: EngineKind::Docker, address: address.to_owned(), tls }
    }

    #[test]
    fn only_sockets_and_tcp_are_addresses() {
        for good in ["unix:///var/run/docker.sock", "tcp://127.0.0.1:2375", "https://far:2376"] {
            assert!(Address::of(&engine(good, None)).is_ok(), "{good}");
        }
        for bad in [
            "",
            "unix://",
            "unix:///",
            "/var/run/docker.sock",
            "tcp://host",
            "ssh://host:22",
            "tcp://host:1/x",
            "tcp://me:secret@host:1",
        ] {
            let error = Address::of(&engine(bad, None)).expect_err(bad).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_with_tls_is_not_looked_for_at_a_socket() {
        let advice = |text: &str, tls: Option<EngineTls>, why: &str| Address::of(&engine(text, tls)).unwrap().advice(why);
        let unknown = "no Docker engine at https://far:2376: client error (Connect): invalid peer certificate: UnknownIssuer";
        assert!(advice("https://far:2376", None, unknown).contains("`ca_file`"));
        assert!(advice("tcp://far:2376", Some(EngineTls::default()), unknown).contains("`ca_file`"));
        assert!(!advice("https://far:2376", None, "client error (Connect): refused").contains("ca_file"));
        assert!(advice("tcp://far:2375", None, "refused").contains("without TLS"));
        assert!(advice("unix:///var/run/docker.sock", None, "refused").contains("socket"));
        let answered = |status: u16| advice("unix:///a.sock", None, &format!("Docker responded with status code {status}: x"));
        assert!(answered(403).contains("proxy") && answered(500).contains("log"), "{} {}", answered(403), answered(500));
    }

    #[test]
    fn tls_is_for_tcp_and_a_certificate_has_a_key() {
        let tls = |cert: Option<&str>| Some(EngineTls { cert_file: cert.map(str::to_owned), ..EngineTls::default() });
        assert!(Address::of(&engine("tcp://far:2376", tls(None))).is_ok());
        assert!(matches!(Address::of(&engine("unix:///a", tls(None))), Err(ConnectError::NoTls(_))));
        assert!(matches!(Address::of(&engine("tcp://far:1", tls(Some("c")))), Err(ConnectError::HalfCertificate)));
    }
}
