//! Errors of the API, each with its stable code.

use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use health_spec::Problem;
use health_spec::problem::CONTENT_TYPE;

use crate::shell::runtime::Missing;

/// A request that is not met.
#[derive(Debug)]
pub(super) struct Refused(Problem);

impl Refused {
    pub(super) fn unknown_server(name: &str) -> Self {
        Self(
            Problem::new(404, "unknown_server", "No such server")
                .detail(format!("no server `{name}` is registered; `orchestrator status` or GET /servers lists them")),
        )
    }

    pub(super) fn unknown_incident(id: &str) -> Self {
        Self(
            Problem::new(404, "unknown_incident", "No such incident")
                .detail(format!("no incident `{id}` is kept; `orchestrator incidents` or GET /incidents lists them")),
        )
    }

    pub(super) fn unknown_route() -> Self {
        Self(Problem::new(404, "unknown_route", "No such route"))
    }

    pub(super) fn wrong_method() -> Self {
        Self(Problem::new(405, "wrong_method", "Not with this method"))
    }

    pub(super) fn bad_path(error: &PathRejection) -> Self {
        Self(Problem::new(400, "bad_path", "The path cannot be read").detail(error.body_text()))
    }

    pub(super) fn busy(name: &str) -> Self {
        Self(
            Problem::new(409, "action_running", "An action runs already")
                .detail(format!("an action runs for `{name}`; wait until it has ended")),
        )
    }

    pub(super) fn not_restartable(name: &str) -> Self {
        let detail = format!("`{name}` has neither a runtime nor a hook `repair`: nothing here can restart it");
        Self(Problem::new(409, "not_restartable", "Watched only").detail(detail))
    }

    pub(super) fn engine_away(name: &str) -> Self {
        let detail = format!("the engine that runs `{name}` cannot be reached, and nothing was done; ask again when it is back");
        Self(Problem::new(409, "engine_away", "Its engine cannot be reached").detail(detail))
    }

    pub(super) fn not_paused(name: &str) -> Self {
        Self(
            Problem::new(409, "not_paused", "There is no pause to end")
                .detail(format!("`{name}` is not paused; nothing was changed")),
        )
    }

    pub(super) fn no_container(name: &str, Missing { container, engine }: &Missing) -> Self {
        let detail = format!(
            "engine `{engine}` has no container `{container}`, which is what `{name}` runs in, and nothing was done; create and start it \
             there: it is followed from then on"
        );
        Self(Problem::new(409, "no_container", "There is no container to restart").detail(detail))
    }

    pub(super) fn shutting_down() -> Self {
        Self(Problem::new(503, "shutting_down", "The orchestrator is shutting down"))
    }

    /// `kept`: where the token is.
    pub(super) fn no_token(kept: &str) -> Self {
        Self::token_needed(format!("send `Authorization: Bearer TOKEN` with this orchestrator's operator token; it is {kept}"))
    }

    pub(super) fn wrong_token(kept: &str) -> Self {
        Self::token_needed(format!("the token that was sent is not this orchestrator's; the right one is {kept}"))
    }

    fn token_needed(detail: String) -> Self {
        Self(Problem::new(401, "operator_token_needed", "Whatever acts needs the operator token").detail(detail))
    }

    pub(super) fn foreign(header: &str, value: &str) -> Self {
        Self(Problem::new(403, "foreign_page", "Not for this page").detail(format!("the request's {header} is `{value}`")))
    }

    pub(super) fn unread_body(error: &BytesRejection) -> Self {
        Self(Problem::new(error.status().as_u16(), "unread_body", "The body did not come as a whole").detail(error.body_text()))
    }

    pub(super) fn bad_body(detail: String) -> Self {
        Self(Problem::new(400, "bad_body", "The body cannot be read").detail(detail))
    }

    pub(super) fn bad_query(detail: String) -> Self {
        Self(Problem::new(400, "bad_query", "The query cannot be read").detail(detail))
    }

    pub(super) fn ahead_of_log(since: u64, seq: u64) -> Self {
        Self(
            Problem::new(400, "ahead_of_log", "Ahead of the log")
                .detail(format!("since is {since}, but the last event is {seq}")),
        )
    }

    pub(super) fn log_unreadable(cause: &str) -> Self {
        Self(Problem::new(500, "log_unreadable", "The event log cannot be read").detail(cause))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(CONTENT_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}
