//! Whether another service answers well. It speaks plain HTTP only, follows nothing and keeps no connection.

use std::fmt::Display;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::uri::{Authority, PathAndQuery};
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::{Check, CheckError, CheckResult};

/// `ok` when `GET` of a URL is answered with a 2xx, whatever it says: another service that this one needs.
///
/// A 429 is `degraded`, since who is overloaded is alive; everything else is `down`, redirects too. Each run is one
/// connection, which is closed once the head of the answer is there; the component's timeout bounds it all.
///
/// It speaks `http://` only, so that the crate brings no TLS. For `https://` ask with the client that the server has
/// anyway, in a closure.
///
/// ```
/// use health_endpoint::{Component, Health, checks::HttpUrl};
///
/// # fn main() -> Result<(), health_endpoint::checks::UrlError> {
/// let search = HttpUrl::new("http://search.internal:9200/_cluster/health")?;
/// let health = Health::builder("my-server").component(Component::new("search", search).non_critical()).build();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HttpUrl {
    authority: Authority,
    path: PathAndQuery,
}

/// Why it is no URL for this check.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// Not `scheme://host/path`.
    #[error("{url:?} is no URL")]
    Malformed {
        /// What was given.
        url: String,
    },
    /// Not `http`.
    #[error("{url:?} is not http://: for https, ask with your own client in a closure")]
    Scheme {
        /// What was given.
        url: String,
    },
}

impl HttpUrl {
    /// `http://host[:port][/path]`. The host is shown in `error` when it does not answer well; the path is not.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        let malformed = || UrlError::Malformed { url: url.to_owned() };
        let parts = url.parse::<Uri>().map_err(|_| malformed())?.into_parts();
        match (parts.scheme, parts.authority, parts.path_and_query) {
            (Some(scheme), Some(authority), Some(path)) if scheme == http::uri::Scheme::HTTP => Ok(Self { authority, path }),
            (Some(_), Some(_), _) => Err(UrlError::Scheme { url: url.to_owned() }),
            _ => Err(malformed()),
        }
    }

    async fn ask(&self) -> Result<StatusCode, CheckError> {
        let failed = |error: &dyn Display| CheckError::down(format_args!("{}: {error}", self.authority));
        let stream = TcpStream::connect((self.host(), self.authority.port_u16().unwrap_or(80)));
        let io = TokioIo::new(stream.await.map_err(|error| failed(&error))?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.map_err(|error| failed(&error))?;
        let _connection = drive(connection);
        let request = self.request().map_err(|error| failed(&error))?;
        Ok(sender.send_request(request).await.map_err(|error| failed(&error))?.status())
    }

    /// Without the brackets of `[::1]`.
    fn host(&self) -> &str {
        self.authority.host().trim_matches(['[', ']'])
    }

    fn request(&self) -> http::Result<Request<Empty<&'static [u8]>>> {
        let agent = concat!("health-endpoint/", env!("CARGO_PKG_VERSION"));
        Request::get(self.path.as_str())
            .header(HOST, self.authority.as_str())
            .header(CONNECTION, "close")
            .header(USER_AGENT, agent)
            .body(Empty::new())
    }
}

/// Moves the bytes until the answer is there. Its errors are those of the request.
#[expect(clippy::disallowed_methods, reason = "it ends with the check, which owns it")]
fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let _ = connection.await;
    }))
}

impl Check for HttpUrl {
    async fn check(&self) -> CheckResult {
        let status = self.ask().await?;
        let reason = format!("{} answered {status}", self.authority);
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::TOO_MANY_REQUESTS => Err(CheckError::degraded(reason)),
            _ => Err(CheckError::down(reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use health_spec::Status;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What the check makes of this answer, and what it asked.
    async fn asked(answer: &'static str) -> (CheckResult, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let check = HttpUrl::new(&format!("http://{}/ready?x=1", listener.local_addr().unwrap())).unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        };
        tokio::join!(check.check(), server)
    }

    #[tokio::test]
    async fn a_success_is_ok_and_the_request_is_a_plain_get() {
        let (result, request) = asked("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(result, Ok(()));
        assert!(request.starts_with("GET /ready?x=1 HTTP/1.1\r\nhost: 127.0.0.1:"), "{request}");
    }

    #[tokio::test]
    async fn what_is_no_success_is_down_and_overload_is_degraded() {
        let cases = [
            ("HTTP/1.1 500 Internal Server Error\r\n\r\n", Status::Down),
            ("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", Status::Down),
            ("HTTP/1.1 429 Too Many Requests\r\n\r\n", Status::Degraded),
            ("nonsense", Status::Down),
            ("", Status::Down),
        ];
        for (answer, status) in cases {
            let error = asked(answer).await.0.unwrap_err();
            assert_eq!(error.status(), status, "{answer}");
            assert!(error.reason().starts_with("127.0.0.1:") && !error.reason().contains("x=1"), "{error:?}");
        }
    }

    #[test]
    fn only_http_urls_are_taken() {
        for url in ["http://a", "http://a:80/b?c=d", "http://[::1]:80/"] {
            assert!(HttpUrl::new(url).is_ok(), "{url}");
        }
        assert!(matches!(HttpUrl::new("https://a"), Err(UrlError::Scheme { .. })));
        for url in ["", "a", "/a", "a b"] {
            assert!(matches!(HttpUrl::new(url), Err(UrlError::Malformed { .. })), "{url}");
        }
        assert_eq!(HttpUrl::new("http://[::1]:80/").unwrap().host(), "::1");
    }
}
