//! One listener that answers as any number of healthy servers: the same valid body on every path.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::outcome::{Context, Outcome};

/// Enough that a slow connection holds nobody up.
const THREADS: usize = 4;

/// Listens until the process ends.
pub(super) fn listen() -> Outcome<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen on loopback")?;
    let address = listener.local_addr().context("listen on loopback")?;
    let began = Instant::now();
    for _ in 0..THREADS {
        let listener = listener.try_clone().context("share the listener")?;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _gone = answer(stream, began.elapsed());
            }
        });
    }
    Ok(address)
}

fn answer(mut stream: TcpStream, uptime: Duration) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut lines = BufReader::new(&stream).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let body =
        json!({"status": "ok", "timestamp": jiff::Timestamp::now().to_string(), "uptime_seconds": uptime.as_secs()}).to_string();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/health+json\r\nCache-Control: no-store\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
