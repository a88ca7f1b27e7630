//! Clients of the gateway: plain HTTP and WebSocket.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longer than anything here takes, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

pub(crate) async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    let mut request = Request::get(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", address.to_string());
    }
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    sender.send_request(request.body(Empty::<Bytes>::new()).expect("a request")).await.expect("an answer")
}

pub(crate) async fn get_with(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    let (head, body) = open(address, path, headers).await.into_parts();
    Answer { status: head.status, headers: head.headers, body: body.collect().await.expect("a body").to_bytes() }
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    get_with(address, path, &[]).await
}

/// Asks for the ecosystem until it is as expected.
pub(crate) async fn ecosystem_until(address: SocketAddr, expected: impl Fn(&Value) -> bool) -> Value {
    answer_until(address, "/health/ecosystem", expected).await
}

/// Asks until the answer is as expected.
pub(crate) async fn answer_until(address: SocketAddr, path: &str, expected: impl Fn(&Value) -> bool) -> Value {
    let mut seen = Value::Null;
    let asking = async {
        loop {
            seen = get(address, path).await.json();
            if expected(&seen) {
                break;
            }
        }
    };
    let in_time = tokio::time::timeout(SOON, asking).await.is_ok();
    assert!(in_time, "not in time: {seen}");
    seen
}

/// A WebSocket client of `/health/stream`.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn open(address: SocketAddr, query: &str) -> Self {
        Self::try_open(address, query, None).await.unwrap_or_else(|status| panic!("refused: {status}"))
    }

    pub(crate) async fn try_open(address: SocketAddr, query: &str, origin: Option<&str>) -> Result<Self, StatusCode> {
        let url = format!("ws://{address}/health/stream{query}");
        let mut request = url.into_client_request().expect("a request");
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().expect("a header"));
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(answer)) => Err(answer.status()),
            Err(error) => panic!("no answer: {error}"),
        }
    }

    pub(crate) async fn next(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
            message => panic!("no text: {message:?}"),
        }
    }

    /// `current STATUS`, `gap` or `SEQ STATUS` for each of the next messages.
    pub(crate) async fn next_short(&mut self, count: usize) -> Vec<String> {
        let mut shorts = Vec::new();
        for _ in 0..count {
            shorts.push(short(&self.next().await));
        }
        shorts
    }

    /// As [`Self::next_short`], for the next event. A `current` is as new as can be when it is written, so whether one
    /// passes a filter depends on the moment.
    pub(crate) async fn next_event(&mut self) -> String {
        loop {
            let message = self.next().await;
            if message["event_type"] != "current" {
                return short(&message);
            }
        }
    }

    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        match self.message().await {
            Message::Close(frame) => frame,
            message => panic!("not closed: {message:?}"),
        }
    }

    async fn message(&mut self) -> Message {
        loop {
            let next = tokio::time::timeout(SOON, self.0.next()).await.expect("in time");
            match next.expect("open").expect("well-formed") {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }
}

pub(crate) fn short(message: &Value) -> String {
    let status = message["status"].as_str().unwrap_or("-");
    match message["event_type"].as_str() {
        Some("current") => format!("current {status}"),
        Some("gap") => "gap".to_owned(),
        _ => format!("{} {status}", message["seq"]),
    }
}
