//! `GET /health/stream`: the plain profile over WebSocket and over server-sent events (contract, section 6.1).

mod feed;
mod sse;
mod websocket;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, HeaderName, UPGRADE};
use axum::response::{IntoResponse, Response};
use health_spec::Problem;

use super::api::{App, guard, problem};
use crate::machine::cursor::{self, Place};
use crate::machine::filter::Filter;
use feed::Feed;

/// Where an `EventSource` that reconnects says what it has.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Opens a stream, or says why not before any upgrade.
pub(crate) async fn open(
    State(app): State<App>,
    Query(parameters): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let feed = match feed(&app, &parameters, &headers) {
        Ok(feed) => feed,
        Err(wrong) => return problem::answer(&wrong),
    };
    match upgrade {
        Ok(upgrade) => websocket::answer(upgrade, feed, app),
        Err(rejection) if headers.contains_key(UPGRADE) => rejection.into_response(),
        Err(_) if guard::header(&headers, &ACCEPT).is_some_and(|accept| accept.contains("text/event-stream")) => {
            sse::answer(feed, app.shutdown)
        }
        Err(_) => {
            let detail = "open a WebSocket, or ask for server-sent events with Accept: text/event-stream";
            problem::answer(&Problem::new(426, "upgrade_required", "this is a stream").detail(detail))
        }
    }
}

fn feed(app: &App, parameters: &[(String, String)], headers: &HeaderMap) -> Result<Feed, Problem> {
    guard::same_origin(headers)?;
    let mut filter = Filter::default();
    let mut since = None;
    for (name, value) in parameters {
        filter.set(name, value).map_err(|error| wrong("bad_filter", &error))?;
        if name == "since" {
            since = Some(value.as_str());
        }
    }
    let since = guard::header(headers, &LAST_EVENT_ID).or(since);
    let cursor = since.map(cursor::decode).transpose().map_err(|error| wrong("bad_cursor", &error))?;
    subscribe(app, filter, cursor)
}

fn subscribe(app: &App, filter: Filter, cursor: Option<Vec<Place>>) -> Result<Feed, Problem> {
    Feed::new(&app.hub, filter, cursor).map_err(|ahead| wrong("cursor_ahead", &ahead))
}

fn wrong(code: &str, detail: &dyn std::fmt::Display) -> Problem {
    problem::bad_request(code, "the stream cannot be opened so", detail)
}
