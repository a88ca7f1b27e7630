//! A hook that is a request: one exchange on a connection of its own, and only a status of success is one.

use std::time::Duration;

use bytes::Bytes;
use health_spec::config::{self, defaults};
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::tail::Tail;
use super::{About, HookError};

/// So much of an answer is read.
const MOST: usize = 64 * 1024;

/// Who asks.
const AGENT: &str = concat!("mcp-health/", env!("CARGO_PKG_VERSION"));

/// A request, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    uri: Uri,
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

impl Call {
    pub(super) fn of(hook: &config::Hook) -> Result<Self, Mistake> {
        let uri = uri(hook.url.as_deref().unwrap_or_default())?;
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
        Ok(Self { uri, method, headers, body: hook.body.clone().unwrap_or_default() })
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
        format!("http://{}{}", self.host(), self.uri.path())
    }

    /// With the port, if there is one; without a user's name and password.
    fn host(&self) -> &str {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        authority.rsplit_once('@').map_or(authority, |(_, host)| host)
    }

    async fn exchange(&self, about: &About) -> Result<(u16, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let (host, port) = (self.uri.host().unwrap_or_default(), self.uri.port_u16().unwrap_or(80));
        let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
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
        Some("http") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        Some("https") => Err(mistake(
            "a hook's request cannot use https yet".to_owned(),
            "use http://, or a command such as [curl, --fail, https://...]",
        )),
        _ => Err(mistake("a hook's URL starts with http://".to_owned(), "such as http://127.0.0.1:9000/repair")),
    }
}
