//! Serves MCP and health, until a signal or the end of stdin.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use health_endpoint::Health;
use rmcp::ServiceExt;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::Layer;

use crate::tools::Tools;

/// How long connections may stay open once their requests have ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// MCP and health on one port.
pub(crate) async fn http(address: SocketAddr, tools: Tools, health: &Health) -> Result<(), Box<dyn Error>> {
    // Catches signals from here on. It ends when the calls that run have ended; until then `/health` says `draining`.
    let shutdown = health.shutdown_on_signal()?;
    // Whoever asks first shall read results, not that nothing has run yet.
    health.settled().await;
    let stop = CancellationToken::new();
    let mcp = mcp(tools, address, &stop);
    let app = Router::new().nest_service("/mcp", health.traffic().layer(mcp)).layer(health.layer());
    // Without TCP_NODELAY each streamed answer waits 40 ms for the peer's delayed acknowledgement.
    let listener = TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    eprintln!("notes-server: serving http://{}/mcp and /health", listener.local_addr()?);
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let ended = stop.clone();
    let stopped = async move {
        shutdown.await;
        // Ends the streams that clients hold open, which the server would wait for.
        stop.cancel();
    };
    tokio::select! {
        served = axum::serve(listener, app).with_graceful_shutdown(stopped).into_future() => Ok(served?),
        // Half a request would keep it open for ever.
        () = async { ended.cancelled().await; tokio::time::sleep(LAST_WORDS).await } => Ok(()),
    }
}

/// MCP on stdin and stdout, health on a port of its own.
pub(crate) async fn stdio(address: SocketAddr, tools: Tools, health: &Health) -> Result<(), Box<dyn Error>> {
    let serving = health.serve(address).await?;
    eprintln!("notes-server: serving stdio, and http://{}/health", serving.address());
    tools.serve(rmcp::transport::stdio()).await?.waiting().await?;
    Ok(())
}

/// The service behind `/mcp`. rmcp accepts loopback names as `Host` only; elsewhere nobody knows the names in advance.
fn mcp(tools: Tools, address: SocketAddr, stop: &CancellationToken) -> StreamableHttpService<Tools, LocalSessionManager> {
    let config = StreamableHttpServerConfig::default().with_cancellation_token(stop.child_token());
    let config = if address.ip().is_loopback() { config } else { config.disable_allowed_hosts() };
    StreamableHttpService::new(move || Ok(tools.clone()), LocalSessionManager::default().into(), config)
}
