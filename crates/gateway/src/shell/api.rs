//! The gateway's HTTP API (contract, section 6).

mod assets;
mod ecosystem;
mod events;
pub(crate) mod guard;
mod own_health;
pub(crate) mod problem;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::Since;
use super::hub::Hub;
use super::stream;

/// What every request may use.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// What is known.
    pub(crate) hub: Arc<Hub>,
    /// Where the gateway listens.
    pub(crate) address: SocketAddr,
    /// Ends every stream.
    pub(crate) shutdown: CancellationToken,
    /// Streams that must end before the gateway does.
    pub(crate) streams: TaskTracker,
    /// Since when it runs.
    pub(crate) since: Since,
}

/// The dashboard, or its own health for those who ask for that by its media type (contract, section 1).
async fn root(app: State<App>, headers: HeaderMap) -> Response {
    if own_health::asked(&headers) { own_health::answer(app, headers).await } else { assets::index(headers).await }
}

/// Every route.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/health", get(own_health::answer))
        .route("/health/ecosystem", get(ecosystem::all))
        .route("/health/ecosystem/{id}", get(ecosystem::one))
        .route("/health/events", get(events::newest))
        .route("/health/stream", get(stream::open))
        .route("/", get(root))
        .route("/{file}", get(assets::file))
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method)
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}
