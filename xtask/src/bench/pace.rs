//! The bare client that idle cost is compared with: the same requests at the same pace, and nothing else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::outcome::{Context, Outcome};
use crate::proc;

/// From one check of a server to its next (contract, section 2: the default).
pub(super) const INTERVAL: Duration = Duration::from_secs(30);

/// What to ask, and for how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Who answers
    address: SocketAddr,
    /// As how many servers
    servers: u32,
    /// For how long
    seconds: u64,
}

/// Asks on a fresh connection each time, then reports its own cost as JSON.
pub(crate) fn run(options: &Options) -> Outcome {
    let began = Instant::now();
    let end = Duration::from_secs(options.seconds);
    let step = INTERVAL / options.servers.max(1);
    let mut requests = 0_u32;
    while step * requests < end {
        std::thread::sleep((step * requests).saturating_sub(began.elapsed()));
        let number = usize::try_from(requests % options.servers.max(1) + 1).unwrap_or_default();
        ask(options.address, &path(number)).context(format_args!("ask {}", options.address))?;
        requests += 1;
    }
    std::thread::sleep(end.saturating_sub(began.elapsed()));
    let this = std::process::id();
    let cpu = proc::cpu_time(this).unwrap_or_default().as_millis();
    println!("{}", json!({"requests": requests, "cpu_ms": cpu, "resident_bytes": proc::resident(this)}));
    Ok(())
}

/// Where server `number` answers.
pub(super) fn path(number: usize) -> String {
    format!("/s/{number:04}/health")
}

fn ask(address: SocketAddr, path: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    stream.read_to_end(&mut Vec::new()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_answers_it() {
        let address = super::super::answer::listen().expect("listens");
        ask(address, &path(1)).expect("is answered");
    }
}
