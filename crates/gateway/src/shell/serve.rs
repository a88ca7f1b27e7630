//! Opens the listener, and runs everything behind it until shutdown. The one place that starts the gateway's tasks,
//! besides a task for each connection.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use futures_util::FutureExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::api::{self, App};
use super::client::ClientError;
use super::hub::Hub;
use super::own_health::own_health;
use super::source::{Carrier, follow};
use crate::source::Source;

/// How long open requests and streams may take to end after a shutdown was asked for.
const DRAIN: Duration = Duration::from_secs(5);

/// What a gateway is and whom it follows.
#[derive(Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whom to follow.
    pub sources: Vec<Source>,
    /// Where an orchestrator in the same process serves its API, such as `http://127.0.0.1:8090`.
    pub api: Option<String>,
    /// Serve beyond this machine although everybody there can read everything.
    pub insecure: bool,
}

/// A gateway that has its port and does not serve yet.
#[derive(Debug)]
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    carriers: Vec<Carrier>,
    apis: Arc<[Option<String>]>,
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port is in use, or the address is not ours.
    #[error("cannot listen on {address}; if another program has the port, stop it or choose another port with --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Everybody on the network could read it.
    #[error(
        "{address} can be reached from other machines, and the gateway asks nobody for a token; listen on 127.0.0.1, or say --insecure if only people you trust can reach it"
    )]
    Exposed {
        /// Where.
        address: SocketAddr,
    },
    /// An orchestrator's address is wrong.
    #[error("cannot follow an orchestrator: {reason}")]
    Source {
        /// What is wrong with it.
        reason: String,
    },
}

/// Why a gateway stopped serving.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener broke.
    #[error("the listener on {address} broke")]
    Listener {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

impl Settings {
    /// Listens on `listen` and follows `sources`.
    pub fn new(listen: SocketAddr, sources: Vec<Source>) -> Self {
        Self { listen, sources, api: None, insecure: false }
    }
}

/// Checks the settings and takes the port, so that what is wrong is known before anything else starts.
/// Nothing is answered before [`Gateway::serve`].
pub async fn bind(settings: Settings) -> Result<Gateway, BindError> {
    let address = settings.listen;
    if !address.ip().is_loopback() && !settings.insecure {
        return Err(BindError::Exposed { address });
    }
    only_once(&settings.sources)?;
    let carriers: Vec<_> = settings.sources.into_iter().map(Carrier::new).collect::<Result<_, _>>().map_err(wrong_source)?;
    let apis = carriers.iter().map(|carrier| carrier.url().or_else(|| settings.api.clone())).collect();
    let failed = |source| BindError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Gateway { listener, address, carriers, apis })
}

/// An orchestrator that is followed twice would count twice.
fn only_once(sources: &[Source]) -> Result<(), BindError> {
    let mut seen = HashSet::new();
    for source in sources {
        let Source::Http(url) = source else { continue };
        if !seen.insert(url.trim_end_matches('/')) {
            return Err(BindError::Source { reason: format!("{url} is named twice") });
        }
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of `map_err`")]
fn wrong_source(error: ClientError) -> BindError {
    BindError::Source { reason: error.to_string() }
}

impl Gateway {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Follows the sources and serves until `shutdown` is cancelled; then closes every stream and waits for them, but
    /// not for long.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), ServeError> {
        let Self { listener, address, carriers, apis } = self;
        let hub = Arc::new(Hub::new(carriers.iter().map(Carrier::url).collect()));
        // A child, so that everything also ends when the listener breaks.
        let shutdown = shutdown.child_token();
        let tasks = TaskTracker::new();
        for (source, carrier) in carriers.into_iter().enumerate() {
            tasks.spawn(follow(source, carrier, Arc::clone(&hub), shutdown.clone()));
        }
        let app = App { hub, apis, address, shutdown: shutdown.clone(), streams: tasks.clone() };
        let health = own_health(&app.hub);
        // Without TCP_NODELAY streamed answers wait 40 ms for an acknowledgement. A socket that refuses it still works.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let serving = axum::serve(listener, api::router(app, &health)).with_graceful_shutdown(shutdown.clone().cancelled_owned());
        let draining = health.clone();
        tasks.spawn(shutdown.clone().cancelled_owned().map(move |()| draining.set_draining(true)));
        let served = tokio::select! {
            served = serving => served,
            () = overdue(&shutdown) => Ok(()),
        };
        shutdown.cancel();
        tasks.close();
        if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
            tracing::warn!(streams = tasks.len(), "streams did not end in time");
        }
        served.map_err(|source| ServeError::Listener { address, source })
    }
}

async fn overdue(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(DRAIN).await;
}
