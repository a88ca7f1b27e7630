//! Binds, serves, and stops on a signal.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use health_endpoint::Health;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::args::Args;
use crate::faults::{self, Faults};
use crate::{health, tools};

/// How long requests in flight may take after a signal. One that hangs never ends by itself.
const DRAIN: Duration = Duration::from_secs(1);

/// Why it does not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The port is in use, or the address is not ours.
    #[error("cannot listen on {address}")]
    Bind { address: SocketAddr, source: std::io::Error },
    /// No signal handlers, or no more connections.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Serves until a signal.
pub(crate) async fn run(args: Args) -> Result<(), ServeError> {
    // First of all: process 1 of a container has no default action for signals.
    let mut signals = Signals::new()?;
    tokio::select! {
        () = tokio::time::sleep(args.start_delay) => {}
        () = signals.received() => return Ok(()),
    }
    let listener = TcpListener::bind(args.listen).await.map_err(|source| ServeError::Bind { address: args.listen, source })?;
    let faults = Arc::new(Faults::default());
    let health = health::of(&args, &faults);
    health.settled().await;
    let stop = CancellationToken::new();
    let app = app(&args, &faults, &health, &stop);
    // In one write: some engines take every write for a line of its own.
    let serving = format!("sample-server: serving http://{}/mcp and /health\n", listener.local_addr()?);
    eprint!("{serving}");
    tokio::select! {
        ended = serve(listener, app, stop.clone()) => ended?,
        () = faults::scheduled(args.crash_every, args.hang_every, &faults) => {}
        () = drain_after(signals, &health, &stop) => {}
    }
    Ok(())
}

fn app(args: &Args, faults: &Arc<Faults>, health: &Health, stop: &CancellationToken) -> Router {
    let mcp = tools::service(&args.name, args.listen.ip().is_loopback(), stop.clone());
    let app = Router::new().nest_service("/mcp", mcp).layer(health.layer());
    faults::breakable(app, faults, health.clone())
}

/// Ends when `stop` is cancelled and the last request is answered.
async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) -> std::io::Result<()> {
    // Without TCP_NODELAY streamed answers wait 40 ms for the peer's delayed acknowledgement.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// Asks the server to stop at the first signal; ends when that takes too long, or at the second.
async fn drain_after(mut signals: Signals, health: &Health, stop: &CancellationToken) {
    signals.received().await;
    health.set_draining(true);
    stop.cancel();
    let _ = tokio::time::timeout(DRAIN, signals.received()).await;
}

/// SIGTERM and ctrl-c.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
