//! The end of a server: it says that it drains, and goes on serving until its requests have ended.

use tokio::time::timeout;

use crate::Health;

impl Health {
    /// Says that the server is shutting down, then waits until the requests that the traffic layer saw have ended, at
    /// most for [`Builder::drain_timeout`](crate::Builder::drain_timeout). Without a traffic layer it waits for nothing.
    pub async fn drain(&self) {
        self.set_draining(true);
        if let Some(traffic) = self.shared.traffic.get() {
            // Out of time is no error: the server stops, and what still runs breaks off.
            let _ = timeout(self.shared.drain_timeout, traffic.idle()).await;
        }
    }

    /// Drains once `trigger` has ended. For [`with_graceful_shutdown`], which stops to accept connections when this ends:
    /// until then `/health` still answers, and says `draining`.
    ///
    /// ```
    /// # async fn serve(listener: tokio::net::TcpListener, app: axum::Router) -> std::io::Result<()> {
    /// use health_endpoint::Health;
    /// use tokio_util::sync::CancellationToken;
    ///
    /// let (health, stop) = (Health::builder("my-server").build(), CancellationToken::new());
    /// axum::serve(listener, app).with_graceful_shutdown(health.shutdown_on(stop.cancelled_owned())).await
    /// # }
    /// ```
    ///
    /// [`with_graceful_shutdown`]: https://docs.rs/axum/latest/axum/serve/struct.Serve.html#method.with_graceful_shutdown
    pub fn shutdown_on<F>(&self, trigger: F) -> impl Future<Output = ()> + Send + use<F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let health = self.clone();
        async move {
            trigger.await;
            health.drain().await;
        }
    }

    /// Drains at SIGTERM or ctrl-c. A second signal ends the wait.
    ///
    /// The signals are caught from this call on, not from the first poll: process 1 of a container ignores those that
    /// nobody catches.
    ///
    /// ```
    /// # async fn serve(listener: tokio::net::TcpListener, app: axum::Router) -> std::io::Result<()> {
    /// # let health = health_endpoint::Health::builder("my-server").build();
    /// axum::serve(listener, app).with_graceful_shutdown(health.shutdown_on_signal()?).await
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with IO enabled.
    #[cfg(feature = "signal")]
    pub fn shutdown_on_signal(&self) -> std::io::Result<impl Future<Output = ()> + Send + use<>> {
        let mut signals = signals::Signals::new()?;
        let health = self.clone();
        Ok(async move {
            signals.received().await;
            tokio::select! {
                () = health.drain() => {}
                () = signals.received() => {}
            }
        })
    }
}

#[cfg(all(feature = "signal", unix))]
mod signals {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// SIGTERM and ctrl-c.
    pub(super) struct Signals {
        terminate: Signal,
        interrupt: Signal,
    }

    impl Signals {
        pub(super) fn new() -> std::io::Result<Self> {
            Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
        }

        pub(super) async fn received(&mut self) {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
        }
    }
}

#[cfg(all(feature = "signal", windows))]
mod signals {
    use tokio::signal::windows::{CtrlC, CtrlShutdown, ctrl_c, ctrl_shutdown};

    /// Ctrl-c and the system's shutdown.
    pub(super) struct Signals {
        interrupt: CtrlC,
        shutdown: CtrlShutdown,
    }

    impl Signals {
        pub(super) fn new() -> std::io::Result<Self> {
            Ok(Self { interrupt: ctrl_c()?, shutdown: ctrl_shutdown()? })
        }

        pub(super) async fn received(&mut self) {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.shutdown.recv() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::Full;
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;
    use tower::{Layer, Service, service_fn};

    use super::*;

    /// A request that runs for as long as the returned future lives.
    fn endless(health: &Health) -> impl Future + use<> {
        let endless = service_fn(|_: Request<()>| std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>());
        let request = Request::post("/mcp").body(()).unwrap();
        health.traffic().layer(endless).call(request)
    }

    #[tokio::test(start_paused = true)]
    async fn it_drains_from_the_trigger_on_until_the_last_request_has_ended() {
        let (health, stop) = (Health::builder("a").build(), CancellationToken::new());
        let request = endless(&health);
        let mut shutdown = std::pin::pin!(health.shutdown_on(stop.clone().cancelled_owned()));
        assert!(timeout(Duration::from_secs(60), &mut shutdown).await.is_err());
        assert!(!health.is_draining());
        stop.cancel();
        assert!(timeout(Duration::from_secs(1), &mut shutdown).await.is_err());
        assert!(health.is_draining());
        drop(request);
        shutdown.await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_does_not_end_is_waited_for_no_longer_than_the_timeout() {
        let health = Health::builder("a").drain_timeout(Duration::from_secs(3)).build();
        let (_request, began) = (endless(&health), Instant::now());
        health.shutdown_on(std::future::ready(())).await;
        assert_eq!(began.elapsed().as_secs(), 3);
    }
}
