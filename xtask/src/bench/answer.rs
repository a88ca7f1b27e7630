//! One listener that answers as any number of healthy servers: the same valid body on every path.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::outcome::{Context, Outcome};

/// Enough that a slow connection holds nobody up.
const THREADS: usize = 4;

/// Listens until the process ends.
pub(super) fn listen() -> Outcome<SocketAddr> {
    Ok(listen_and_note()?.0)
}

/// The same, and notes when the orchestrator's checks arrive: those whose query is `ours`.
pub(super) fn listen_and_note() -> Outcome<(SocketAddr, Arrivals)> {
    let arrivals = Arrivals::default();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen on loopback")?;
    let address = listener.local_addr().context("listen on loopback")?;
    let began = Instant::now();
    for _ in 0..THREADS {
        let listener = listener.try_clone().context("share the listener")?;
        let arrivals = arrivals.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _gone = answer(stream, began.elapsed(), &arrivals);
            }
        });
    }
    Ok((address, arrivals))
}

/// When checks of each server arrived, while that is noted.
#[derive(Clone, Default)]
pub(super) struct Arrivals(Arc<Mutex<Option<HashMap<String, Vec<Instant>>>>>);

/// The gaps between the checks of one server, of all servers.
pub(super) struct Gaps(Vec<Duration>);

impl Arrivals {
    /// From now on.
    pub(super) fn begin(&self) {
        *self.lock() = Some(HashMap::new());
    }

    /// Until now.
    pub(super) fn end(&self) -> Gaps {
        let noted = self.lock().take().unwrap_or_default();
        Gaps(noted.into_values().flat_map(|times| times.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()).collect())
    }

    fn note(&self, request: &str) {
        let path = request.split(' ').nth(1).and_then(|target| target.strip_suffix("?ours"));
        if let (Some(path), Some(noted)) = (path, &mut *self.lock()) {
            noted.entry(path.to_owned()).or_default().push(Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<String, Vec<Instant>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A count that is smaller than four billion.
pub(super) fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

impl Gaps {
    /// By what share the mean is off, and by how much the 99th percentile of all distances from the interval.
    pub(super) fn off_by(&self, interval: Duration) -> (f64, Duration) {
        let Self(gaps) = self;
        if gaps.is_empty() {
            return (0.0, Duration::ZERO);
        }
        let mean = gaps.iter().sum::<Duration>().as_secs_f64() / float(gaps.len());
        let mut distances: Vec<_> = gaps.iter().map(|gap| gap.abs_diff(interval)).collect();
        distances.sort_unstable();
        let at = (distances.len() * 99 / 100).min(distances.len() - 1);
        (mean / interval.as_secs_f64() - 1.0, distances[at])
    }
}

fn answer(mut stream: TcpStream, uptime: Duration, arrivals: &Arrivals) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut lines = BufReader::new(&stream).lines();
    if let Some(request) = lines.next().transpose()? {
        arrivals.note(request.trim_end_matches(" HTTP/1.1"));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_compared_with_the_interval() {
        let gaps = Gaps(vec![Duration::from_millis(990), Duration::from_millis(1_010)]);
        let (mean, tail) = gaps.off_by(Duration::from_secs(1));
        assert!(mean.abs() < 1e-9);
        assert_eq!(tail, Duration::from_millis(10));
    }

    #[test]
    fn only_our_own_checks_are_noted() {
        let arrivals = Arrivals::default();
        arrivals.note("GET /s/1/health?ours");
        arrivals.begin();
        for request in ["GET /s/1/health?ours", "GET /s/1/health", "GET /s/1/health?ours", "GET /s/2/health?ours"] {
            arrivals.note(request);
        }
        assert_eq!(arrivals.end().0.len(), 1);
    }
}
