//! `GET /health/ecosystem`, and one server of it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use health_spec::Problem;
use serde_json::json;

use super::{App, guard, problem};
use crate::machine::resolve::{Unresolved, resolve};

/// All servers.
pub(crate) async fn all(State(app): State<App>, headers: HeaderMap) -> Response {
    let body = match app.hub.ecosystem() {
        Ok(body) => body,
        Err(error) => {
            return problem::answer(&Problem::new(500, "internal", "the state cannot be shown").detail(error.to_string()));
        }
    };
    let validators = [(ETAG, &*body.etag), (CACHE_CONTROL, "no-cache")];
    if matches(&headers, &body.etag) {
        return (StatusCode::NOT_MODIFIED, validators).into_response();
    }
    (validators, [(CONTENT_TYPE, "application/json")], body.bytes).into_response()
}

/// One server, by its name or by `source/name`.
pub(crate) async fn one(State(app): State<App>, Path(id): Path<String>) -> Response {
    match app.hub.read(|state| resolve(&state.view, &id).cloned()) {
        Ok(server) => ([(CACHE_CONTROL, "no-cache")], Json(server)).into_response(),
        Err(why) => unresolved(&id, why),
    }
}

/// Why an id names no one server.
pub(crate) fn unresolved(id: &str, why: Unresolved) -> Response {
    match why {
        Unresolved::Unknown => {
            let detail = format!("no source has a server {id:?}; GET /health/ecosystem lists them all");
            problem::answer(&Problem::new(404, "unknown_server", "there is no such server").detail(detail))
        }
        Unresolved::Ambiguous(candidates) => {
            let detail = format!("say which: {} (with %2F for the slash)", candidates.join(" or "));
            let problem = Problem::new(409, "ambiguous_server", "several sources have a server of this name").detail(detail);
            problem::with(&problem, [("candidates", json!(candidates))])
        }
    }
}

/// Whether the client has this already. Proxies may have weakened the tag.
pub(crate) fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let asked = guard::header(headers, &IF_NONE_MATCH).unwrap_or_default();
    asked.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
