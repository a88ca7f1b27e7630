//! A listener of its own for health: for a server that speaks MCP on stdin and stdout, or whose port is not for monitors.
//!
//! It prints nothing: stdout belongs to the protocol.

use std::fmt::Display;
use std::net::SocketAddr;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::Health;

/// Why health cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port is in use, or the address is none of this machine's.
    #[error("cannot serve health on {address}")]
    Bind {
        /// What was asked for.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Health that is served. Dropping it closes the listener.
#[derive(Debug)]
#[must_use = "health is served until this is dropped"]
pub struct Serving {
    address: SocketAddr,
    _stop_on_drop: DropGuard,
}

impl Health {
    /// Serves `GET /health`, and `GET /` for `application/health+json`, on a listener of its own, in the background.
    ///
    /// Port 0 takes a free one; [`Serving::address`] tells which.
    ///
    /// ```
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let health = health_endpoint::Health::builder("my-server").build();
    /// let serving = health.serve("127.0.0.1:8082").await?;
    /// eprintln!("health on http://{}/health", serving.address());
    /// // speak MCP on stdin and stdout here
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::disallowed_methods, reason = "it ends with `Serving`, which owns it; accepting connections never errs")]
    pub async fn serve(&self, address: impl ToSocketAddrs + Display) -> Result<Serving, ServeError> {
        let (listener, bound) =
            bind(&address).await.map_err(|source| ServeError::Bind { address: address.to_string(), source })?;
        let app = Router::new().layer(self.layer());
        let stop = CancellationToken::new();
        let server = axum::serve(nodelay(listener), app).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::spawn(async move { server.await });
        Ok(Serving { address: bound, _stop_on_drop: stop.drop_guard() })
    }
}

impl Serving {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn bind(address: impl ToSocketAddrs) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// An answer is not held back until the peer has acknowledged the last one.
fn nodelay(listener: TcpListener) -> impl axum::serve::Listener<Io = tokio::net::TcpStream, Addr = SocketAddr> {
    listener.tap_io(|stream| {
        // Without it the answer is slower and as good.
        let _ = stream.set_nodelay(true);
    })
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn it_serves_health_and_nothing_else_until_it_is_dropped() {
        let serving = Health::builder("a").build().serve("127.0.0.1:0").await.unwrap();
        assert!(get(serving.address(), "/health").await.starts_with("HTTP/1.1 200"));
        assert!(get(serving.address(), "/other").await.starts_with("HTTP/1.1 404"));
        let address = serving.address();
        drop(serving);
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = Health::builder("a").build().serve(address).await.unwrap_err();
        assert_eq!(error.to_string(), format!("cannot serve health on {address}"));
        assert!(error.source().is_some());
    }
}
