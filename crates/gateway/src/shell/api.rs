//! The gateway's HTTP API (contract, section 6).

mod assets;
mod ecosystem;
mod events;
mod forward;
pub(crate) mod guard;
pub(crate) mod problem;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use health_endpoint::Health;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::hub::Hub;
use super::stream;

/// What every request may use.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// What is known.
    pub(crate) hub: Arc<Hub>,
    /// Where each source serves its API, if it does.
    pub(crate) apis: Arc<[Option<String>]>,
    /// Where the gateway listens.
    pub(crate) address: SocketAddr,
    /// Ends every stream.
    pub(crate) shutdown: CancellationToken,
    /// Streams that must end before the gateway does.
    pub(crate) streams: TaskTracker,
}

/// Every route. `health` answers for the gateway itself, also at `/` for those who ask for that by its media type.
pub(crate) fn router(app: App, health: &Health) -> Router {
    Router::new()
        .route("/health/ecosystem", get(ecosystem::all))
        .route("/health/ecosystem/{id}", get(ecosystem::one))
        .route("/health/events", get(events::newest))
        .route("/health/stream", get(stream::open))
        .route("/incidents", get(forward::incidents))
        .route("/incidents/{id}", get(forward::incident))
        .route("/slo", get(forward::slo))
        .route("/servers/{id}/{*rest}", get(forward::server))
        .route("/", get(assets::index))
        .route("/{file}", get(assets::file))
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method)
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
        .layer(health.layer())
}
