//! The bare client that watching is compared with: hyper, a fresh connection a check, the same pacing and the same reading of the
//! answer, and nothing else.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use health_spec::verdict::{Answer, History, Outcome as Found, classify};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::TaskTracker;

use crate::outcome::{Context, Failure, Outcome};
use crate::proc;

/// What to ask, and for how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Who answers
    address: SocketAddr,
    /// As how many servers
    servers: u32,
    /// Milliseconds from one check of a server to its next
    interval: u64,
    /// For how long, in seconds
    seconds: u64,
}

/// Asks, then reports its own cost as JSON.
pub(crate) fn run(options: &Options) -> Outcome {
    // One thread, as the orchestrator has.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().context("start tokio")?;
    let requests = runtime.block_on(ask_all(options));
    let this = std::process::id();
    let cpu = proc::cpu_time(this).unwrap_or_default().as_millis();
    println!("{}", json!({"requests": requests, "cpu_ms": cpu, "resident_bytes": proc::resident(this)}));
    Ok(())
}

async fn ask_all(options: &Options) -> u32 {
    let (began, tasks) = (Instant::now(), TaskTracker::new());
    let step = Duration::from_millis(options.interval) / options.servers.max(1);
    let end = Duration::from_secs(options.seconds);
    let mut requests = 0_u32;
    while step * requests < end {
        sleep_until(began + step * requests).await;
        let (address, number) = (options.address, requests % options.servers.max(1) + 1);
        tasks.spawn(async move {
            if let Err(failure) = ask(address, number).await {
                eprintln!("bare: {}", failure.message());
            }
        });
        requests += 1;
    }
    tasks.close();
    tasks.wait().await;
    requests
}

async fn ask(address: SocketAddr, number: u32) -> Outcome {
    let stream = TcpStream::connect(address).await.context("connect")?;
    stream.set_nodelay(true).context("set TCP_NODELAY")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.context("shake hands")?;
    let request = Request::get(super::pace::path(number as usize))
        .header("host", address.to_string())
        .header("accept", "application/health+json, application/json;q=0.9, */*;q=0.1")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .context("make a request")?;
    let answer = async {
        let response = sender.send_request(request).await.context("ask")?;
        let status = response.status().as_u16();
        Ok::<_, Failure>((status, response.into_body().collect().await.context("read")?.to_bytes()))
    };
    let (answer, _ended) = tokio::join!(answer, connection);
    let (http_status, body) = answer?;
    let content_type = Some("application/health+json");
    let answer = Answer { http_status, content_type, challenged: false, date: None, retry_after: None, body: &body };
    match classify(&answer, None, &History::default(), jiff::Timestamp::now()).outcome {
        Found::Ok => Ok(()),
        other => Err(Failure::new(format!("the answer is {other:?}"))),
    }
}
