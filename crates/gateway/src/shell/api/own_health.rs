//! `GET /health`: the gateway's own health, in the v1.0 form. A gateway without its orchestrators is degraded, never
//! down: it still serves what it knew.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use health_spec::ecosystem::SourceStatus;
use health_spec::response::Component;
use health_spec::{HealthResponse, Status};

use super::super::clock;
use super::{App, guard};

/// The media type of a health response, for those who ask for it.
const HEALTH_JSON: &str = "application/health+json";

/// Whether a health response is asked for by its media type.
pub(crate) fn asked(headers: &HeaderMap) -> bool {
    guard::header(headers, &ACCEPT).is_some_and(|accept| accept.contains(HEALTH_JSON))
}

/// Its own health.
pub(crate) async fn answer(State(app): State<App>, headers: HeaderMap) -> Response {
    let kind = if asked(&headers) { HEALTH_JSON } else { "application/json" };
    ([(CACHE_CONTROL, "no-store"), (CONTENT_TYPE, kind)], serde_json::json!(health(&app)).to_string()).into_response()
}

fn health(app: &App) -> HealthResponse {
    let missing: Vec<String> = app.hub.read(|state| {
        let missing = state.view.sources().iter().filter(|source| source.status() != SourceStatus::Connected);
        missing.map(|source| source.name().to_string()).collect()
    });
    let status = if missing.is_empty() { Status::Ok } else { Status::Degraded };
    HealthResponse {
        status,
        timestamp: clock::now(),
        uptime_seconds: app.since.elapsed().as_secs(),
        last_check: None,
        version: Some(env!("CARGO_PKG_VERSION").into()),
        checks: Some(BTreeMap::from([("sources".into(), Component::Status(status))])),
        error: (!missing.is_empty()).then(|| format!("not connected: {}", missing.join(", "))),
        metadata: None,
    }
}
