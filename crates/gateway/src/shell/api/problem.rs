//! Errors as RFC 9457 `application/problem+json`.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use health_spec::Problem;
use serde_json::{Value, json};

/// The answer for a problem.
pub(crate) fn answer(problem: &Problem) -> Response {
    with(problem, [])
}

/// The answer for a problem, with further members.
pub(crate) fn with<const N: usize>(problem: &Problem, members: [(&str, Value); N]) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut body = json!(problem);
    for (name, value) in members {
        body[name] = value;
    }
    (status, [(CONTENT_TYPE, health_spec::problem::CONTENT_TYPE)], body.to_string()).into_response()
}

/// A request that cannot be read.
pub(crate) fn bad_request(code: &str, title: &str, detail: &dyn std::fmt::Display) -> Problem {
    Problem::new(400, code, title).detail(detail.to_string())
}

/// No such path.
pub(crate) async fn no_route() -> Response {
    answer(&Problem::new(404, "unknown_route", "there is nothing here"))
}

/// No such method on a path.
pub(crate) async fn no_method() -> Response {
    answer(&Problem::new(405, "method_not_allowed", "this can only be read").detail("use GET or HEAD"))
}
