//! One request, one fresh connection, one answer. Follows no redirect, keeps no connection, reads no more than it must.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use rustls::ClientConfig;
use rustls::RootCertStore;
use tokio::time::{Instant, timeout_at};

use super::evidence::{Exchange, Failure, Received};
use crate::MAX_BODY_BYTES;
use crate::verdict::Reason;

/// Who asks.
const AGENT: &str = concat!("health-spec/", env!("CARGO_PKG_VERSION"));

/// Why a server cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not an address, or no `http` or `https` one.
    #[error("{0:?} is no address that can be asked; write http://HOST:PORT/health")]
    Url(String),
    /// The address carries a user name or password; it is not repeated here.
    #[error("the address carries a user name or password, which belong into no URL; a bearer token comes from a file")]
    Credentials,
    /// Not 1 to 65535.
    #[error("{0} is no port; ports are 1 to 65535")]
    Port(String),
    /// `https` needs certificates to trust.
    #[error("the system has no root certificates; install ca-certificates, or name a file in SSL_CERT_FILE")]
    Roots(#[source] io::Error),
    /// A token is one line of visible characters.
    #[error("the token is empty, or has characters that no header can carry")]
    Token,
    /// Not a version of TLS that the provider knows.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// A bearer token. It is never shown.
#[derive(Clone)]
pub struct Token(HeaderValue);

/// Asks one server.
#[derive(Clone, Debug)]
pub struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    url: Uri,
    token: Option<Token>,
    deadline: Duration,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Path and query; the client's own when it is `None`.
    pub(super) path: Option<String>,
    pub(super) accept: &'static str,
    pub(super) authorized: bool,
}

impl Token {
    /// A token as it stands in a file; white space around it does not belong to it.
    pub fn new(text: &str) -> Result<Self, ClientError> {
        let text = text.trim_start_matches('\u{feff}').trim();
        let mut value = HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| ClientError::Token)?;
        value.set_sensitive(true);
        if text.is_empty() { Err(ClientError::Token) } else { Ok(Self(value)) }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Client {
    /// For the server at `url`; each request may take as long as `deadline`.
    pub fn new(url: &str, token: Option<Token>, deadline: Duration) -> Result<Self, ClientError> {
        let wrong = || if url.contains('@') { ClientError::Credentials } else { ClientError::Url(url.to_owned()) };
        let parsed: Uri = url.parse().map_err(|_| wrong())?;
        let https = match parsed.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let authority = parsed.authority().map_or("", |authority| authority.as_str());
        check_authority(authority)?;
        if parsed.host().is_none_or(str::is_empty) {
            return Err(wrong());
        }
        let http = legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector(https)?);
        Ok(Self { http, url: parsed, token, deadline })
    }

    /// The address as it is asked for.
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// `GET`, for any form of answer.
    pub async fn get(&self) -> Exchange {
        self.ask(Ask { method: Method::GET, path: None, accept: "*/*", authorized: true }).await
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    pub(super) async fn ask(&self, ask: Ask) -> Exchange {
        let path = ask.path.as_deref().unwrap_or_else(|| self.url.path_and_query().map_or("/", |path| path.as_str()));
        let slash = if path.starts_with('/') { "" } else { "/" };
        let request = format!("{} {slash}{path}", ask.method);
        let (asked_at, began) = now();
        let outcome = match self.request(&ask, path) {
            Ok(request) => self.exchange(request, began + self.deadline).await,
            Err(error) => Err(Failure { reason: Reason::InvalidBody, message: format!("no request can be made: {error}") }),
        };
        Exchange { request, asked_at, took: began.elapsed(), outcome }
    }

    fn request(&self, ask: &Ask, path: &str) -> Result<Request<Empty<Bytes>>, http::Error> {
        let mut parts = self.url.clone().into_parts();
        parts.path_and_query = Some(path.parse()?);
        let request = Request::builder().method(ask.method.clone()).uri(Uri::from_parts(parts)?);
        let mut request = request.header(ACCEPT, ask.accept).header(USER_AGENT, AGENT).body(Empty::new())?;
        if let Some(Token(token)) = self.token.as_ref().filter(|_| ask.authorized) {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        Ok(request)
    }

    async fn exchange(&self, request: Request<Empty<Bytes>>, deadline: Instant) -> Result<Received, Failure> {
        let whole = async { receive(self.http.request(request).await.map_err(|error| failure(&error))?).await };
        let late = || format!("no whole answer within {} s", self.deadline.as_secs_f64());
        timeout_at(deadline, whole).await.unwrap_or_else(|_| Err(Failure { reason: Reason::Timeout, message: late() }))
    }
}

/// A port that is none would silently be the scheme's own.
fn check_authority(authority: &str) -> Result<(), ClientError> {
    if authority.contains('@') {
        return Err(ClientError::Credentials);
    }
    let after_host = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    let Some((_, port)) = after_host.rsplit_once(':') else { return Ok(()) };
    match port.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ => Err(ClientError::Port(port.to_owned())),
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads clocks")]
pub(super) fn now() -> (Timestamp, Instant) {
    (Timestamp::now(), Instant::now())
}

fn connector(https: bool) -> Result<HttpsConnector<HttpConnector>, ClientError> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    let config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()?;
    // Roots are read for https alone: a plain address needs none.
    let config = if https {
        config.with_native_roots().map_err(ClientError::Roots)?
    } else {
        config.with_root_certificates(RootCertStore::empty())
    };
    let builder = HttpsConnectorBuilder::new().with_tls_config(config.with_no_client_auth());
    Ok(builder.https_or_http().enable_http1().wrap_connector(http))
}

async fn receive(response: Response<Incoming>) -> Result<Received, Failure> {
    let (head, mut incoming) = response.into_parts();
    let mut body = Vec::new();
    while body.len() <= MAX_BODY_BYTES {
        let Some(frame) = incoming.frame().await else { break };
        if let Ok(piece) = frame.map_err(|error| failure(&error))?.into_data() {
            let room = (MAX_BODY_BYTES + 1).saturating_sub(body.len());
            body.extend_from_slice(&piece[..piece.len().min(room)]);
        }
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    Ok(Received { http_status: head.status.as_u16(), headers, body })
}

/// The verdict table's word for an error on the way, and the innermost cause.
fn failure(error: &(dyn Error + 'static)) -> Failure {
    let chain: Vec<_> = std::iter::successors(Some(error), |&error| error.source()).collect();
    let message = chain.last().map_or_else(|| error.to_string(), ToString::to_string);
    let reason = chain.iter().find_map(|cause| reason(*cause)).unwrap_or(Reason::ConnectionReset);
    Failure { reason, message }
}

fn reason(cause: &(dyn Error + 'static)) -> Option<Reason> {
    if cause.to_string() == "dns error" {
        return Some(Reason::Dns);
    }
    if cause.is::<rustls::Error>() {
        return Some(Reason::Tls);
    }
    if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
        return Some(Reason::InvalidBody);
    }
    let io = cause.downcast_ref::<io::Error>()?;
    match io.kind() {
        io::ErrorKind::ConnectionRefused => Some(Reason::ConnectRefused),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Some(Reason::ConnectionReset),
        io::ErrorKind::TimedOut => Some(Reason::Timeout),
        // What an `io::Error` was made of is not its source.
        _ => reason(io.get_ref()?),
    }
}
