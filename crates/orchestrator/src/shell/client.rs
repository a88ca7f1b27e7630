//! A client of a running orchestrator, for the command line: one request, one JSON answer, or a stream of events.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A stream says something at least every 15 s.
const SILENCE: Duration = Duration::from_secs(60);

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
    /// A stream is refused: the answer's own words.
    #[error("{0}")]
    Refused(String),
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    method: &'a Method,
    token: Option<&'a str>,
    body: &'a [u8],
    accept: &'static str,
}

impl<'a> Question<'a> {
    /// Reads.
    pub fn get() -> Self {
        Self { method: &Method::GET, token: None, body: &[], accept: "application/json" }
    }

    /// Acts, with the operator token and a JSON body.
    pub fn post(token: &'a str, body: &'a [u8]) -> Self {
        Self { method: &Method::POST, token: Some(token), body, accept: "application/json" }
    }
}

/// Sends a request to `base` and reads the whole answer.
pub async fn request(base: &str, path: &str, question: Question<'_>) -> Result<(StatusCode, Bytes), ClientError> {
    let authority = authority(base)?;
    let exchange = async {
        let response = send(authority, path, question).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST).collect().await?.to_bytes();
        Ok::<_, Failure>((status, body))
    };
    match timeout(TIMEOUT, exchange).await {
        Ok(answer) => answer.map_err(|error| unreachable(base, error.to_string())),
        Err(_) => Err(unreachable(base, format!("no answer within {} s", TIMEOUT.as_secs()))),
    }
}

/// Reads server-sent events, and gives the name (empty when there is none) and the data of each to `told`, until that says `false` or the
/// stream ends.
pub async fn follow(base: &str, path: &str, mut told: impl FnMut(&str, &str) -> bool) -> Result<(), ClientError> {
    let question = Question { accept: "text/event-stream", ..Question::get() };
    let sent = timeout(TIMEOUT, send(authority(base)?, path, question)).await;
    let response = sent.map_err(|_| unreachable(base, "no answer in time".to_owned()))?;
    let response = response.map_err(|error| unreachable(base, error.to_string()))?;
    if !response.status().is_success() {
        return Err(ClientError::Refused(format!("{base} answers {}", response.status())));
    }
    let mut body = response.into_body();
    let (mut rest, mut name) = (Vec::new(), String::new());
    loop {
        let Ok(frame) = timeout(SILENCE, body.frame()).await else {
            return Err(unreachable(base, "the stream is silent".into()));
        };
        let frame = match frame {
            None => return Err(unreachable(base, "the stream has ended".to_owned())),
            Some(frame) => frame.map_err(|error| unreachable(base, error.to_string()))?,
        };
        rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if !take(&String::from_utf8_lossy(&line), &mut name, &mut told) {
                return Ok(());
            }
        }
        if rest.len() > MOST {
            return Err(ClientError::Refused(format!("{base} sends a line without an end")));
        }
    }
}

/// One line of a stream; `name` is that of the event which it belongs to. Our data are single lines.
fn take(line: &str, name: &mut String, told: &mut impl FnMut(&str, &str) -> bool) -> bool {
    match line.trim_end().split_once(':') {
        Some(("event", given)) => given.trim_start().clone_into(name),
        Some(("data", data)) => return told(name, data.trim_start()),
        None if line.trim_end().is_empty() => name.clear(),
        _ => {}
    }
    true
}

/// `HOST:PORT` of `http://HOST:PORT`.
pub fn authority(base: &str) -> Result<&str, ClientError> {
    let authority = base.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    authority.filter(|rest| is_authority(rest)).ok_or_else(|| ClientError::Address(base.to_owned()))
}

/// A host and nothing else but its port; nobody is asked whether there is one.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    let is_host = is_bracketed || !host.contains([':', '[', ']']);
    let is_clean = host.chars().all(|c| c.is_alphanumeric() || "-._:[]%".contains(c)) && !bare(host).is_empty();
    is_host && is_clean && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0))
}

fn unreachable(base: &str, cause: String) -> ClientError {
    ClientError::Unreachable { url: base.to_owned(), cause }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn send(authority: &str, path: &str, question: Question<'_>) -> Result<Response<Incoming>, Failure> {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let stream = if has_port { TcpStream::connect(authority).await? } else { TcpStream::connect((bare(authority), 80)).await? };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder().method(question.method).uri(path).header("host", authority).header("connection", "close");
    let mut request = request.header("accept", question.accept);
    if let Some(token) = question.token {
        request = request.header("authorization", format!("Bearer {token}")).header("content-type", "application/json");
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(question.body)))?;
    // It ends with the answer; an error on it is the answer's too.
    spawn(async move { drop(connection.await) });
    Ok(sender.send_request(request).await?)
}

/// An IPv6 address stands in brackets beside a port.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

#[expect(clippy::disallowed_methods, reason = "ends with its one answer, in a program that waits for nothing else")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in ["http://127.0.0.1:8090", "http://localhost", "http://[::1]:8090/", "http://[::1]", "http://my_host.lan:1/"] {
            assert!(authority(good).is_ok(), "{good}");
        }
        for wrong in
            ["nonsense", "ftp://x", "https://x", "http://", "http://:80", "http://x:http", "http://x:0", "http://x/servers"]
        {
            assert!(matches!(authority(wrong), Err(ClientError::Address(_))), "{wrong}");
        }
    }

    #[test]
    fn data_come_with_the_name_of_their_event() {
        let (mut name, mut seen) = (String::new(), Vec::new());
        let mut told = |name: &str, data: &str| {
            seen.push((name.to_owned(), data.to_owned()));
            seen.len() < 3
        };
        let text = ": alive\n\nid: 1\ndata: {\"a\":1}\n\nevent: gap\r\ndata: {}\r\n\r\ndata:last\n\n";
        let all: Vec<_> = text.split_inclusive('\n').map(|line| take(line, &mut name, &mut told)).collect();
        assert!(!all[8] && all[..8].iter().all(|more| *more), "{all:?}");
        let seen: Vec<_> = seen.iter().map(|(name, data)| (name.as_str(), data.as_str())).collect();
        assert_eq!(seen, [("", r#"{"a":1}"#), ("gap", "{}"), ("", "last")]);
    }
}
