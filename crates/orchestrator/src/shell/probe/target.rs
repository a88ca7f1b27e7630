//! What an HTTP check talks to, parsed once from a `health_url`. Resolves nothing.

use std::net::{IpAddr, SocketAddr};

use health_spec::Dialect;
use hyper::Uri;
use hyper::http::uri::{Authority, PathAndQuery};
use thiserror::Error;

/// The port of a URL that names none.
const HTTP_PORT: u16 = 80;

/// Where an HTTP check goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTarget {
    host: Host,
    port: u16,
    authority: Authority,
    path: PathAndQuery,
    dialect: Option<Dialect>,
}

/// A literal address needs no resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Address(IpAddr),
    Name(String),
}

/// Why a `health_url` cannot be checked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// It does not begin with `http://`.
    #[error("it has no scheme; a URL starts with http://")]
    NoScheme,
    /// TLS is not there yet.
    #[error("https is not supported yet; use http://")]
    Https,
    /// Another scheme.
    #[error("the scheme {0}:// cannot be checked; use http://")]
    Scheme(String),
    /// `http://user:password@host`.
    #[error("it carries a user name or password; credentials do not belong into a URL")]
    UserInfo,
    /// `#section`.
    #[error("it carries a fragment (#...), which is never sent to a server; remove it")]
    Fragment,
    /// `http:///health`.
    #[error("it names no host")]
    NoHost,
    /// Not 1 to 65535.
    #[error("{0} is not a port; ports are 1 to 65535")]
    Port(String),
    /// Spaces, control characters and the like.
    #[error("it is not a URL: {0}")]
    Malformed(String),
}

impl HttpTarget {
    /// Reads an absolute `http` URL.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        check_scheme(url)?;
        if url.contains('#') {
            return Err(TargetError::Fragment);
        }
        if authority_of(url).is_empty() {
            return Err(TargetError::NoHost);
        }
        let uri: Uri = url.parse().map_err(|error: hyper::http::uri::InvalidUri| TargetError::Malformed(error.to_string()))?;
        let parts = uri.into_parts();
        let authority = parts.authority.ok_or(TargetError::NoHost)?;
        if authority.as_str().contains('@') {
            return Err(TargetError::UserInfo);
        }
        Ok(Self {
            host: host_of(&authority)?,
            port: port_of(&authority)?,
            authority,
            path: path_of(parts.path_and_query)?,
            dialect: None,
        })
    }

    /// The only form of answer that is read from now on; `None`: any of them.
    #[must_use]
    pub fn pinned_to(self, dialect: Option<Dialect>) -> Self {
        Self { dialect, ..self }
    }

    /// The only form of answer that is read.
    pub(super) fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }

    /// The `Host` header: host and port as they were written.
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The request's path and query.
    pub fn path(&self) -> &str {
        self.path.as_str()
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The socket address, when the URL names a literal one.
    pub fn literal(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Address(ip) => Some(SocketAddr::new(ip, self.port)),
            Host::Name(_) => None,
        }
    }
}

fn check_scheme(url: &str) -> Result<(), TargetError> {
    match url.split_once("://") {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") => Ok(()),
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => Err(TargetError::Https),
        Some((scheme, _)) if !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Err(TargetError::Scheme(scheme.to_owned()))
        }
        _ => Err(TargetError::NoScheme),
    }
}

fn authority_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

fn host_of(authority: &Authority) -> Result<Host, TargetError> {
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse() {
        Ok(ip) => Ok(Host::Address(ip)),
        Err(_) if bare.is_empty() => Err(TargetError::NoHost),
        Err(_) if host.starts_with('[') => Err(TargetError::Malformed(format!("{host} is no IPv6 address"))),
        Err(_) => Ok(Host::Name(bare.to_owned())),
    }
}

/// `http://host?query` has an empty path, which no request line can carry.
fn path_of(path: Option<PathAndQuery>) -> Result<PathAndQuery, TargetError> {
    match path {
        None => Ok(PathAndQuery::from_static("/")),
        Some(path) if path.as_str().starts_with('/') => Ok(path),
        Some(path) => format!("/{}", path.as_str()).parse().map_err(|_| TargetError::Malformed(path.to_string())),
    }
}

fn port_of(authority: &Authority) -> Result<u16, TargetError> {
    let after_host = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    match after_host.strip_prefix(':') {
        None | Some("") => Ok(HTTP_PORT),
        Some(port) => match port.parse() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(TargetError::Port(port.to_owned())),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_that_can_be_checked() {
        let cases = [
            ("http://127.0.0.1:8082/health", "127.0.0.1:8082", "/health", Some("127.0.0.1:8082")),
            ("http://[::1]:9/health?deep=1", "[::1]:9", "/health?deep=1", Some("[::1]:9")),
            ("HTTP://taskmgr", "taskmgr", "/", None),
            ("http://taskmgr:8080?x", "taskmgr:8080", "/?x", None),
            ("http://10.0.0.1", "10.0.0.1", "/", Some("10.0.0.1:80")),
        ];
        for (url, authority, path, literal) in cases {
            let target = HttpTarget::parse(url).expect(url);
            let literal = literal.map(|text| text.parse().expect("an address"));
            assert_eq!((target.authority(), target.path(), target.literal()), (authority, path, literal), "{url}");
        }
    }

    #[test]
    fn urls_that_cannot() {
        use TargetError::{Fragment, Https, NoHost, NoScheme, Port, Scheme, UserInfo};
        let cases = [
            ("", NoScheme),
            ("127.0.0.1:8082/health", NoScheme),
            ("/health", NoScheme),
            ("https://taskmgr/health", Https),
            ("ftp://taskmgr/health", Scheme("ftp".into())),
            ("http://user:secret@taskmgr/", UserInfo),
            ("http://taskmgr/health#top", Fragment),
            ("http:///health", NoHost),
            ("http://:8080/health", NoHost),
            ("http://taskmgr:0/", Port("0".into())),
            ("http://taskmgr:99999/", Port("99999".into())),
        ];
        for (url, expected) in cases {
            assert_eq!(HttpTarget::parse(url), Err(expected), "{url}");
        }
        for url in ["http://task mgr/", "http://[::1/", "http://[nope]/", "http://a/\u{7f}"] {
            assert!(matches!(HttpTarget::parse(url), Err(TargetError::Malformed(_))), "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_url_panics(tail in ".{0,40}") {
            let _ = HttpTarget::parse(&tail);
            let _ = HttpTarget::parse(&format!("http://{tail}"));
        }
    }
}
