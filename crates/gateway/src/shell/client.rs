//! A small HTTP client: one request, one connection, no redirects, no TLS.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a connection and the head of an answer may take.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How long a whole answer may take.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Not an address.
    #[error("{0:?} is not a plain HTTP address such as http://127.0.0.1:8090")]
    Address(String),
    /// No connection.
    #[error("no connection to {authority}")]
    Connect {
        /// Where to.
        authority: String,
        /// Why.
        source: std::io::Error,
    },
    /// The exchange broke.
    #[error("the exchange broke")]
    Exchange(#[from] hyper::Error),
    /// The request could not be made.
    #[error("not a request")]
    Request(#[from] hyper::http::Error),
    /// The body broke, or is too large.
    #[error("the body cannot be read: {0}")]
    Body(String),
    /// Nothing in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
}

/// Checks an address; gives it back without a slash at its end.
pub(crate) fn base(url: &str) -> Result<String, ClientError> {
    let wrong = || ClientError::Address(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let is_odd_port = uri.port_u16().is_none() && uri.authority().is_some_and(|authority| has_port(authority.as_str()));
    if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) || uri.query().is_some() || is_odd_port {
        return Err(wrong());
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Something stands after a colon that belongs to no IPv6 address.
fn has_port(authority: &str) -> bool {
    authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'))
}

/// Sends a `GET` and waits for the head of the answer.
pub(crate) async fn get(url: &str, accept: &str) -> Result<Response<Incoming>, ClientError> {
    get_as(url, accept, None).await
}

/// As [`get`], with somebody's credentials.
pub(crate) async fn get_as(
    url: &str,
    accept: &str,
    authorization: Option<&HeaderValue>,
) -> Result<Response<Incoming>, ClientError> {
    let asked = exchange(url, accept, authorization);
    timeout(HEAD_WITHIN, asked).await.map_err(|_| ClientError::Timeout(HEAD_WITHIN))?
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(body: Incoming, limit: usize) -> Result<Bytes, ClientError> {
    let whole = timeout(BODY_WITHIN, Limited::new(body, limit).collect()).await;
    let collected = whole.map_err(|_| ClientError::Timeout(BODY_WITHIN))?;
    Ok(collected.map_err(|error| ClientError::Body(error.to_string()))?.to_bytes())
}

#[expect(clippy::disallowed_methods, reason = "ends with its connection, which the answer owns")]
async fn exchange(url: &str, accept: &str, authorization: Option<&HeaderValue>) -> Result<Response<Incoming>, ClientError> {
    let uri: Uri = url.parse().map_err(|_| ClientError::Address(url.to_owned()))?;
    let authority = uri.authority().ok_or_else(|| ClientError::Address(url.to_owned()))?;
    let host = authority.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80)))
        .await
        .map_err(|source| ClientError::Connect { authority: authority.to_string(), source })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the connection: when the answer's body is dropped, or when the other side closes it. Its error is
    // also the body's.
    tokio::spawn(async move { drop(connection.await) });
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::get(path).header(HOST, authority.as_str()).header(ACCEPT, accept);
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let request = request.body(Empty::<Bytes>::new())?;
    Ok(sender.send_request(request).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_plain_http_with_a_host() {
        for (url, expected) in [
            ("http://127.0.0.1:8090", Some("http://127.0.0.1:8090")),
            ("http://o:8090/prefix/", Some("http://o:8090/prefix")),
            ("http://[::1]:8090", Some("http://[::1]:8090")),
            ("https://o", None),
            ("127.0.0.1:8090", None),
            ("http://", None),
            ("http://o:port", None),
            ("http://o:99999", None),
            ("http://[::1]", Some("http://[::1]")),
            ("http://o?a=b", None),
            ("", None),
        ] {
            assert_eq!(base(url).ok().as_deref(), expected, "{url}");
        }
    }
}
