//! The container engine's socket: is there one, and a few plain requests to it.
//!
//! Only what the commands need; the orchestrator's own client is not used, so that it is not measured with itself.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Where Docker listens by default.
pub(crate) const SOCKET: &str = "/var/run/docker.sock";

/// Whether an engine answers.
pub(crate) fn answers() -> bool {
    request("GET", "/_ping").is_ok_and(|status| status == 200)
}

/// Sends one request without a body; the status of the answer.
pub(crate) fn request(method: &str, path: &str) -> std::io::Result<u16> {
    let mut stream = UnixStream::connect(SOCKET)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Length: 0\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    let status = std::str::from_utf8(&head[9..]).ok().and_then(|digits| digits.parse().ok());
    status.ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, "not an HTTP answer"))
}
