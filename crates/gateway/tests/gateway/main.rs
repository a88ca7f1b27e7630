//! The gateway over real sockets on free ports.
#![expect(clippy::disallowed_methods, reason = "a test spawns what it talks to")]

mod client;
mod ecosystem;
mod orchestrator;
mod outage;
mod sample;
mod stream;

use std::net::SocketAddr;

use gateway::source::{Frame, Source};
use gateway::{BindError, ServeError, Settings, bind};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A gateway that serves until this is dropped.
struct Running {
    address: SocketAddr,
    shutdown: DropGuard,
    served: JoinHandle<Result<(), ServeError>>,
}

/// Serves on a free port.
async fn start(sources: Vec<Source>) -> Running {
    let gateway = bind(Settings::new(loopback(), sources)).await.expect("a free port");
    let (address, shutdown) = (gateway.address(), CancellationToken::new());
    let served = tokio::spawn(gateway.serve(shutdown.clone()));
    Running { address, shutdown: shutdown.drop_guard(), served }
}

/// Serves what the sender says.
async fn start_with_channel() -> (Running, mpsc::Sender<Frame>) {
    let (sender, frames) = mpsc::channel(64);
    (start(vec![Source::Channel(frames)]).await, sender)
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[tokio::test]
async fn a_port_in_use_is_said_before_anything_starts() {
    let (running, _sender) = start_with_channel().await;
    let error = bind(Settings::new(running.address, vec![])).await.expect_err("it is in use");
    assert!(error.to_string().contains(&running.address.to_string()), "{error}");
}

#[tokio::test]
async fn an_exposed_address_must_be_asked_for() {
    let listen = SocketAddr::from(([0, 0, 0, 0], 0));
    let error = bind(Settings::new(listen, vec![])).await.expect_err("exposed");
    assert!(matches!(error, BindError::Exposed { .. }) && error.to_string().contains("--insecure"), "{error}");
    bind(Settings { insecure: true, ..Settings::new(listen, vec![]) }).await.expect("asked for");
}

#[tokio::test]
async fn a_wrong_orchestrator_address_is_said_at_once() {
    let settings = Settings::new(loopback(), vec![Source::Http("https://example".into())]);
    let error = bind(settings).await.expect_err("not plain http");
    assert!(error.to_string().contains("https://example"), "{error}");
}
