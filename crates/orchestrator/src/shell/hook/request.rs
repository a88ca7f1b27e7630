//! A hook that is a request: one exchange on a connection of its own, and only a status of success is one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use health_spec::config::{self, defaults};
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::tail::Tail;
use super::{About, HookError};
use crate::machine::policy::Issue;
use crate::shell::probe::tls::{Roots, Secured};

/// So much of an answer is read.
const MOST: usize = 64 * 1024;

/// Who asks.
const AGENT: &str = concat!("mcp-health/", env!("CARGO_PKG_VERSION"));

/// A request, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    uri: Uri,
    /// How the connection is secured, if it is.
    secured: Option<Arc<Secured>>,
    method: Method,
    headers: HeaderMap,
    body: String,
}

/// What cannot be sent.
#[derive(Debug)]
pub(super) struct Mistake {
    /// The key of the hook.
    pub(super) key: String,
    pub(super) message: String,
    pub(super) help: &'static str,
}

impl Mistake {
    /// Of the hook at this place.
    pub(super) fn at(self, pointer: &str) -> Issue {
        Issue { pointer: format!("{pointer}/{}", self.key), message: self.message, help: self.help.to_owned() }
    }
}

impl Call {
    /// Relative paths start at `directory`.
    pub(super) fn of(hook: &config::Hook, directory: &Path, roots: &Roots) -> Result<Self, Mistake> {
        let uri = uri(hook.url.as_deref().unwrap_or_default())?;
        let secured = secured(hook, &uri, directory, roots)?;
        let method = hook.method.as_deref().unwrap_or(defaults::HOOK_METHOD);
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| Mistake {
            key: "method".to_owned(),
            message: format!("`{method}` is no method of HTTP"),
            help: "POST, PUT, GET or another word of letters",
        })?;
        let mut headers = HeaderMap::new();
        for (name, value) in &hook.headers {
            let mistake = |message: &str, help| Mistake {
                key: format!("headers/{}", name.replace('~', "~0").replace('/', "~1")),
                message: format!("`{name}` {message}"),
                help,
            };
            let parsed =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| mistake("is no header's name", "letters, digits and -"))?;
            // Its value may be a secret, and is not shown.
            let value =
                HeaderValue::from_str(value).map_err(|_| mistake("has a value that no header may have", "one line of text"))?;
            headers.append(parsed, value);
        }
        Ok(Self { uri, secured, method, headers, body: hook.body.clone().unwrap_or_default() })
    }

    /// Sends it, and waits for the answer.
    pub(super) async fn run(&self, timeout: Duration, about: &About) -> Result<(), HookError> {
        let url = self.shown();
        let answered = tokio::time::timeout(timeout, self.exchange(about)).await;
        let (status, body) = match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(HookError::Unanswered { url, cause: error.to_string() }),
            Err(_) => return Err(HookError::TimedOut { after: timeout, said: format!(": {url} has not answered") }),
        };
        if (200..300).contains(&status) {
            return Ok(());
        }
        let mut said = Tail::default();
        said.add(&body[..body.len().min(512)]);
        Err(HookError::Refused { url, status, said: said.said() })
    }

    /// Without the query, which may hold a secret.
    fn shown(&self) -> String {
        format!("{}://{}{}", self.uri.scheme_str().unwrap_or_default(), self.host(), self.uri.path())
    }

    /// With the port, if there is one; without a user's name and password.
    fn host(&self) -> &str {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        authority.rsplit_once('@').map_or(authority, |(_, host)| host)
    }

    async fn connect(&self) -> Result<Either<TcpStream, TlsStream<TcpStream>>, Box<dyn std::error::Error + Send + Sync>> {
        let port = self.uri.port_u16().unwrap_or(if self.secured.is_some() { 443 } else { 80 });
        let stream = TcpStream::connect((bare_host(&self.uri), port)).await?;
        let Some(secured) = &self.secured else { return Ok(Either::Left(stream)) };
        let stream = secured.over(stream).await.map_err(|error| format!("no secure connection: {error}"))?;
        Ok(Either::Right(stream))
    }

    async fn exchange(&self, about: &About) -> Result<(u16, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(self.connect().await?)).await?;
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder().method(&self.method).uri(path);
        for (name, value) in [(HOST, self.host()), (CONNECTION, "close"), (USER_AGENT, AGENT)] {
            request = request.header(name, value);
        }
        let mut request = request.body(Full::<Bytes>::from(self.body.clone()))?;
        for (name, value) in about.words() {
            let name = HeaderName::try_from(format!("mcp-health-{}", name.to_lowercase()))?;
            // A server's name may hold anything; a header may not.
            if let Ok(value) = HeaderValue::from_str(&value) {
                request.headers_mut().insert(name, value);
            }
        }
        request.headers_mut().extend(self.headers.clone());
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            // An answer that is longer is cut off, and its status counts all the same.
            let body = Limited::new(response.into_body(), MOST).collect().await.map(http_body_util::Collected::to_bytes);
            Ok((status, body.unwrap_or_default()))
        };
        tokio::select! {
            answer = answer => answer,
            // The connection ends after the answer; sooner is an error that the answer reports.
            Err(error) = connection => Err(error.into()),
        }
    }
}

fn uri(url: &str) -> Result<Uri, Mistake> {
    let mistake = |message: String, help| Mistake { key: "url".to_owned(), message, help };
    let uri: Uri = url.parse().map_err(|_| mistake("this is no URL".to_owned(), "such as http://127.0.0.1:9000/repair"))?;
    match uri.scheme_str() {
        Some("http" | "https") if !bare_host(&uri).is_empty() => Ok(uri),
        _ => Err(mistake("a hook's URL starts with http:// or https://".to_owned(), "such as http://127.0.0.1:9000/repair")),
    }
}

/// Without the brackets of an IPv6 address.
fn bare_host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_matches(['[', ']'])
}

fn secured(hook: &config::Hook, uri: &Uri, directory: &Path, roots: &Roots) -> Result<Option<Arc<Secured>>, Mistake> {
    if uri.scheme_str() != Some("https") {
        let message = "`tls` is given, and the URL is not https://".to_owned();
        let mistake = Mistake { key: "tls".to_owned(), message, help: "use https://, or remove `tls`" };
        return if hook.tls.is_some() { Err(mistake) } else { Ok(None) };
    }
    let tls = hook.tls.clone().unwrap_or_default();
    let secured = Secured::written(&tls, bare_host(uri), directory, roots).map_err(|wrong| {
        let key = if hook.tls.is_some() { format!("tls{}", wrong.key) } else { "url".to_owned() };
        Mistake { key, message: wrong.message, help: wrong.help }
    })?;
    Ok(Some(Arc::new(secured)))
}
