//! The HTTP API (contract, section 5): reads the published state, asks the driver for actions.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use health_endpoint::Health;
use health_spec::status::Observed;
use health_spec::view::{LastCheck, Why};
use health_spec::{Phase, ServerView, Snapshot};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::clock::{Clock, wall};
use super::driver::Operation;
use super::evidence::Collector;
use super::metrics::{Format, Metrics};
use super::published::Published;
use super::runtime::Runtimes;
use super::store::Reader;

mod access;
mod commands;
mod events;
mod incidents;
mod refusal;
mod server_health;
mod slo;

pub use access::{OperatorToken, TokenError};
use refusal::Refused;

/// What the routes need.
#[derive(Debug)]
pub struct Api {
    /// The read model.
    pub published: Arc<Published>,
    /// The event log.
    pub log: Arc<Mutex<Reader>>,
    /// Incidents and the last answers.
    pub collector: Arc<Collector>,
    /// What runs the servers.
    pub runtimes: Arc<Runtimes>,
    /// To the driver.
    pub operations: mpsc::Sender<Operation>,
    /// The machine's time, in which a pause ends.
    pub clock: Clock,
    /// What has been counted.
    pub metrics: Arc<Metrics>,
    /// Who may act.
    pub operator_token: OperatorToken,
    /// Ends the streams.
    pub shutdown: CancellationToken,
}

#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    view: ServerView,
    registry: Value,
}

/// The routes. `bound` is where they are served, which decides on the hosts that are answered.
pub fn router(api: Api, health: &Health, bound: SocketAddr) -> Router {
    let routes = Router::new()
        .route("/servers", get(servers))
        .route("/health/status", get(servers))
        .route("/servers/{name}", get(server))
        .route("/servers/{name}/why", get(why))
        .route("/servers/{name}/health", get(server_health::health))
        .route("/servers/{name}/health/events", get(server_health::events))
        .route("/slo", get(slo::slo))
        .route("/incidents", get(incidents::list))
        .route("/incidents/{id}", get(incidents::one))
        .route("/servers/{name}/restart", post(commands::restart))
        .route("/servers/{name}/pause", post(commands::pause))
        .route("/servers/{name}/resume", post(commands::resume))
        .route("/servers/{name}/check", post(commands::check))
        .route("/metrics", get(metrics))
        .route("/events", get(events::events))
        .fallback(|| async { Refused::unknown_route() })
        .method_not_allowed_fallback(|| async { Refused::wrong_method() })
        .with_state(Arc::new(api));
    let guard = move |request: Request, next: Next| access::guard(bound, request, next);
    routes.merge(health.router()).layer(axum::middleware::from_fn(guard))
}

/// A server's name in a path.
type Named = Result<Path<String>, PathRejection>;

async fn servers(State(api): State<Arc<Api>>) -> Json<Snapshot> {
    Json(api.published.snapshot())
}

async fn server(State(api): State<Arc<Api>>, name: Named) -> Result<Json<Detail>, Refused> {
    let (_, place, view) = named(&api, name)?;
    Ok(Json(Detail { view: ServerView::clone(&view), registry: api.published.entry(place) }))
}

/// What it believes and will do.
#[derive(Serialize)]
struct Explained {
    name: String,
    status: Observed,
    phase: Phase,
    since: String,
    as_of: String,
    #[serde(flatten)]
    why: Why,
    /// The same as lines of text, told from now.
    text: Vec<String>,
    last_check: Option<LastCheck>,
}

async fn why(State(api): State<Arc<Api>>, name: Named) -> Result<Json<Explained>, Refused> {
    let (_, _, view) = named(&api, name)?;
    let ServerView { name, status, phase, since, as_of, why, last_check, .. } = ServerView::clone(&view);
    let (since, as_of) = (format!("{since:.3}"), format!("{as_of:.3}"));
    let text = why.lines(wall());
    Ok(Json(Explained { name, status, phase, since, as_of, why, text, last_check }))
}

/// What has been counted since the start, and the present state.
async fn metrics(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let format = Format::accepted(headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()));
    ([(header::CONTENT_TYPE, format.content_type())], api.metrics.text(&api.published, format)).into_response()
}

/// The server that a path names: its name, its place and its view.
fn named(api: &Api, name: Named) -> Result<(String, usize, Arc<ServerView>), Refused> {
    let Path(name) = name.map_err(|error| Refused::bad_path(&error))?;
    let (place, view) = api.published.server(&name).ok_or_else(|| Refused::unknown_server(&name))?;
    Ok((name, place, view))
}
