//! Where a request goes, parsed once from a URL. Resolves nothing.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use hyper::Uri;
use hyper::http::uri::{Authority, PathAndQuery};
use thiserror::Error;

use crate::shell::secrets::credentials::credentials;

/// The ports of URLs that name none.
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// What stands in the `Host` header of a request over a unix socket.
const LOCAL: &str = "localhost";

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    to: To,
    is_secure: bool,
    authority: Authority,
    path: PathAndQuery,
}

/// What is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// A port of a host.
    Port(Host, u16),
    /// A unix socket.
    Socket(Box<Path>),
}

/// A literal address needs no resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A literal address.
    Ip(IpAddr),
    /// A name to resolve.
    Name(Box<str>),
}

/// Why a URL cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// It does not begin with a scheme.
    #[error("it has no scheme; a URL starts with http://, https:// or unix://")]
    NoScheme,
    /// Another scheme.
    #[error("the scheme {0}:// cannot be checked; use http://, https:// or unix://")]
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
    /// `unix://:/health`, or a relative path.
    #[error("it names no socket; write unix:///path/to.sock:/health")]
    NoSocket,
    /// Not 1 to 65535.
    #[error("{0} is not a port; ports are 1 to 65535")]
    Port(String),
    /// Not `host:port`.
    #[error("it is no host and port, such as 127.0.0.1:8082")]
    NoPort,
    /// Spaces, control characters and the like.
    #[error("it is not a URL: {0}")]
    Malformed(String),
}

impl Address {
    /// Reads an absolute `http`, `https` or `unix` URL.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let scheme = scheme(url)?;
        if url.contains('#') {
            return Err(AddressError::Fragment);
        }
        if scheme == Scheme::Unix {
            return of_socket(url);
        }
        if credentials(after_scheme(url)).is_some() {
            return Err(AddressError::UserInfo);
        }
        if authority_of(url).is_empty() {
            return Err(AddressError::NoHost);
        }
        let uri: Uri = url.parse().map_err(|error: hyper::http::uri::InvalidUri| AddressError::Malformed(error.to_string()))?;
        let parts = uri.into_parts();
        let authority = parts.authority.ok_or(AddressError::NoHost)?;
        let is_secure = scheme == Scheme::Https;
        let port = port_of(&authority)?.unwrap_or(if is_secure { HTTPS_PORT } else { HTTP_PORT });
        Ok(Self { to: To::Port(host_of(authority.host())?, port), is_secure, authority, path: path_of(parts.path_and_query)? })
    }

    /// The same request, but over this socket.
    #[must_use]
    pub fn over_socket(self, path: PathBuf) -> Self {
        Self { to: To::Socket(path.into()), ..self }
    }

    /// What is connected to.
    pub fn to(&self) -> &To {
        &self.to
    }

    /// Whether the connection is to be secured.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The `Host` header: host and port as they were written.
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The host without its port and without brackets.
    pub fn host(&self) -> &str {
        self.authority.host().trim_matches(['[', ']'])
    }

    /// The request's path and query.
    pub fn path(&self) -> &PathAndQuery {
        &self.path
    }
}

impl To {
    /// Reads `host:port`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let authority: Authority = text.parse().map_err(|_| AddressError::NoPort)?;
        if authority.as_str().contains('@') {
            return Err(AddressError::UserInfo);
        }
        let port = port_of(&authority)?.ok_or(AddressError::NoPort)?;
        Ok(Self::Port(host_of(authority.host())?, port))
    }

    /// The socket address, when it is a literal one.
    pub fn literal(&self) -> Option<SocketAddr> {
        match self {
            Self::Port(Host::Ip(ip), port) => Some(SocketAddr::new(*ip, *port)),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    Unix,
}

fn scheme(url: &str) -> Result<Scheme, AddressError> {
    let (scheme, _) = url.split_once("://").ok_or(AddressError::NoScheme)?;
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        "unix" => Ok(Scheme::Unix),
        _ if !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Err(AddressError::Scheme(scheme.to_owned()))
        }
        _ => Err(AddressError::NoScheme),
    }
}

/// `unix:///run/a.sock:/health`; without a path the root is asked.
fn of_socket(url: &str) -> Result<Address, AddressError> {
    let rest = after_scheme(url);
    let (socket, path) = rest.split_once(":/").map_or((rest, String::new()), |(socket, path)| (socket, format!("/{path}")));
    if !socket.starts_with('/') {
        return Err(AddressError::NoSocket);
    }
    let path = if path.is_empty() { "/".to_owned() } else { path };
    Ok(Address {
        to: To::Socket(PathBuf::from(socket).into()),
        is_secure: false,
        authority: Authority::from_static(LOCAL),
        path: path.parse().map_err(|error: hyper::http::uri::InvalidUri| AddressError::Malformed(error.to_string()))?,
    })
}

fn after_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

fn authority_of(url: &str) -> &str {
    after_scheme(url).split(['/', '?']).next().unwrap_or_default()
}

fn host_of(host: &str) -> Result<Host, AddressError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse() {
        Ok(ip) => Ok(Host::Ip(ip)),
        Err(_) if bare.is_empty() => Err(AddressError::NoHost),
        Err(_) if host.starts_with('[') => Err(AddressError::Malformed(format!("{host} is no IPv6 address"))),
        Err(_) => Ok(Host::Name(bare.into())),
    }
}

/// `http://host?query` has an empty path, which no request line can carry.
fn path_of(path: Option<PathAndQuery>) -> Result<PathAndQuery, AddressError> {
    match path {
        None => Ok(PathAndQuery::from_static("/")),
        Some(path) if path.as_str().starts_with('/') => Ok(path),
        Some(path) => format!("/{}", path.as_str())
            .parse()
            .map_err(|error: hyper::http::uri::InvalidUri| AddressError::Malformed(error.to_string())),
    }
}

fn port_of(authority: &Authority) -> Result<Option<u16>, AddressError> {
    let after_host = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    match after_host.strip_prefix(':') {
        None | Some("") => Ok(None),
        Some(port) => match port.parse() {
            Ok(port) if port > 0 => Ok(Some(port)),
            _ => Err(AddressError::Port(port.to_owned())),
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
            ("https://10.0.0.1/x", "10.0.0.1", "/x", Some("10.0.0.1:443")),
            ("unix:///run/a.sock:/health", "localhost", "/health", None),
            ("unix:///run/a.sock", "localhost", "/", None),
        ];
        for (url, authority, path, literal) in cases {
            let address = Address::parse(url).expect(url);
            let literal = literal.map(|text| text.parse().expect("an address"));
            let found = (address.authority(), address.path().as_str(), address.to().literal());
            assert_eq!(found, (authority, path, literal), "{url}");
        }
    }

    #[test]
    fn urls_that_cannot() {
        use AddressError::{Fragment, NoHost, NoScheme, NoSocket, Port, Scheme, UserInfo};
        let cases = [
            ("", NoScheme),
            ("127.0.0.1:8082/health", NoScheme),
            ("/health", NoScheme),
            ("unix://run/a.sock:/health", NoSocket),
            ("https:///health", NoHost),
            ("ftp://taskmgr/health", Scheme("ftp".into())),
            ("http://user:secret@taskmgr/", UserInfo),
            ("http://user:sec/ret@taskmgr/", UserInfo),
            ("http://taskmgr/health#top", Fragment),
            ("http:///health", NoHost),
            ("http://:8080/health", NoHost),
            ("http://taskmgr:0/", Port("0".into())),
            ("http://taskmgr:99999/", Port("99999".into())),
        ];
        for (url, expected) in cases {
            assert_eq!(Address::parse(url), Err(expected), "{url}");
        }
        for url in ["http://task mgr/", "http://[::1/", "http://[nope]/", "http://a/\u{7f}"] {
            assert!(matches!(Address::parse(url), Err(AddressError::Malformed(_))), "{url}");
        }
    }

    #[test]
    fn hosts_with_ports() {
        assert_eq!(To::parse("127.0.0.1:5432").expect("it is one").literal(), "127.0.0.1:5432".parse().ok());
        assert_eq!(To::parse("db:5432"), Ok(To::Port(Host::Name("db".into()), 5432)));
        for wrong in ["db", "db:", ":80", "http://db:1", "a b:1"] {
            assert!(To::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(To::parse("db:70000"), Err(AddressError::Port("70000".into())));
    }

    proptest! {
        #[test]
        fn no_url_panics(tail in ".{0,40}") {
            let _ = Address::parse(&tail);
            let _ = Address::parse(&format!("http://{tail}"));
        }
    }
}
