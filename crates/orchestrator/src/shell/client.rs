//! A client of a running orchestrator, for the command line: one request, one JSON answer.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most that is read: a fleet of thousands.
const MOST: usize = 64 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("`{0}` is no address; write http://HOST:PORT")]
    Address(String),
    /// Nothing answers.
    #[error("no orchestrator answers at {url}: {cause}; is it running? --url names another address")]
    Unreachable {
        /// Where.
        url: String,
        /// The cause.
        cause: String,
    },
}

/// Sends a request to `base` and reads the whole answer.
pub async fn request(method: Method, base: &str, path: &str, token: Option<&str>) -> Result<(StatusCode, Bytes), ClientError> {
    let authority = base.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')).filter(|rest| !rest.is_empty());
    let authority = authority.ok_or_else(|| ClientError::Address(base.to_owned()))?;
    let unreachable = |cause: String| ClientError::Unreachable { url: base.to_owned(), cause };
    match tokio::time::timeout(TIMEOUT, exchange(method, authority, path, token)).await {
        Ok(answer) => answer.map_err(|error| unreachable(error.to_string())),
        Err(_) => Err(unreachable(format!("no answer within {} s", TIMEOUT.as_secs()))),
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(method: Method, authority: &str, path: &str, token: Option<&str>) -> Result<(StatusCode, Bytes), Failure> {
    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::builder().method(method).uri(path).header("host", authority).header("connection", "close");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Empty::<Bytes>::new())?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST).collect().await?.to_bytes();
        Ok((status, body))
    };
    tokio::select! {
        answer = answer => answer,
        // The connection ends after the answer; sooner is an error that the answer reports.
        Err(error) = connection => Err(error.into()),
    }
}
