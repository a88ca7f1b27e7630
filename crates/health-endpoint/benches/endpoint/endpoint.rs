//! Requests per second over real keep-alive connections on loopback.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use axum::Router;
use axum::routing::{get, post};
use health_endpoint::{Component, Health, Traffic};
use tokio::net::TcpListener;

use crate::{interleaved, median, timed};

/// So many requests are on their way at once: the server, not the client's waiting, is what is measured.
const CONNECTIONS: usize = 16;
const REQUESTS_IN_A_ROUND: u32 = 16_000;

/// Of `/health`, and of a bare handler with a body of the same size.
pub(crate) fn rates(rounds: usize) -> (f64, f64) {
    let mut health = Client::of("health", health_app);
    let body = "x".repeat(health.body_length());
    let mut bare = Client::of("bare", move || Router::new().route("/health", get(move || std::future::ready(body.clone()))));
    interleaved(rounds, || health.rate(), || bare.rate())
}

/// Nanoseconds to make an answer that no answer of the same millisecond can stand in for.
pub(crate) fn making(rounds: usize) -> f64 {
    const ANSWERS: u32 = 10_000;
    let health = health();
    let make = |_| drop(black_box(serde_json::to_vec(&health.response())));
    let mut times: Vec<_> = (0..rounds).map(|_| timed(|| (0..ANSWERS).for_each(make)).as_secs_f64()).collect();
    median(&mut times) * 1e9 / f64::from(ANSWERS)
}

/// As the README has it, with a few of everything.
fn health_app() -> Router {
    let health = health();
    let mcp = Router::new().route("/mcp", post(|| async { "" })).route_layer(health.traffic());
    mcp.layer(health.layer())
}

fn health() -> Health {
    Health::builder("bench")
        .version("1.2.3")
        .metadata("region", "eu")
        .check("database", || async { Ok(()) })
        .check("queue", || async { Ok(()) })
        .component(Component::new("cache", || async { Ok(()) }).non_critical())
        .traffic(Traffic::default())
        .build()
}

/// Connections to a server that runs on a thread of its own.
struct Client {
    connections: Vec<TcpStream>,
    request: String,
    buffer: Vec<u8>,
}

impl Client {
    fn of(name: &str, app: impl FnOnce() -> Router + Send + 'static) -> Self {
        let address = serve(name, app);
        let connections = (0..CONNECTIONS).map(|_| connect(address)).collect();
        let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\n\r\n");
        Self { connections, request, buffer: vec![0; 16 * 1024] }
    }

    fn rate(&mut self) -> f64 {
        let turns = REQUESTS_IN_A_ROUND / u32::try_from(CONNECTIONS).expect("a small number");
        let time = timed(|| (0..turns).for_each(|_| self.turn()));
        f64::from(REQUESTS_IN_A_ROUND) / time.as_secs_f64()
    }

    /// One request on each connection.
    fn turn(&mut self) {
        for connection in &mut self.connections {
            connection.write_all(self.request.as_bytes()).expect("it reads");
        }
        for connection in &mut self.connections {
            answer(connection, &mut self.buffer);
        }
    }

    fn body_length(&mut self) -> usize {
        let connection = &mut self.connections[0];
        connection.write_all(self.request.as_bytes()).expect("it reads");
        let (head, length) = answer(connection, &mut self.buffer);
        length - head
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(address).expect("it listens");
    connection.set_nodelay(true).expect("a TCP connection");
    connection
}

/// Reads one answer: the length of its head, and of all of it.
fn answer(connection: &mut TcpStream, buffer: &mut [u8]) -> (usize, usize) {
    let mut read = 0;
    loop {
        read += connection.read(&mut buffer[read..]).expect("an answer");
        if let Some((head, whole)) = lengths(&buffer[..read])
            && whole <= read
        {
            assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..read]));
            return (head, whole);
        }
    }
}

fn lengths(answer: &[u8]) -> Option<(usize, usize)> {
    let head = memchr::memmem::find(answer, b"\r\n\r\n")? + 4;
    let at = memchr::memmem::find(&answer[..head], b"content-length: ")? + "content-length: ".len();
    let digits = answer[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some((head, head + digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))))
}

fn serve(name: &str, app: impl FnOnce() -> Router + Send + 'static) -> SocketAddr {
    let (told, address) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name(name.to_owned());
    let server = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            told.send(listener.local_addr().expect("it is bound")).expect("someone waits");
            axum::serve(listener, app()).await
        })
    };
    thread.spawn(server).expect("a thread");
    address.recv().expect("it is served")
}
