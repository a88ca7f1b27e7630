//! Turns away pages of other origins (contract, section 6.3), and tells browsers to take answers as they are.

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::Next;
use axum::response::Response;
use health_spec::Problem;
use health_spec::access::{host_allowed, origin_allowed};

use super::{App, problem};

/// On every request: is the `Host` ours?
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let host = header(request.headers(), &HOST);
    let mut response = if host_allowed(host.or(request.uri().host()), app.address) {
        next.run(request).await
    } else {
        let detail = "the gateway listens on this machine only: use localhost or 127.0.0.1";
        problem::answer(&Problem::new(403, "host_not_allowed", "this host name is not served").detail(detail))
    };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// On streams: does the request come from a page of ours, or from no page?
pub(crate) fn same_origin(headers: &HeaderMap) -> Result<(), Problem> {
    if origin_allowed(header(headers, &ORIGIN), header(headers, &HOST)) {
        return Ok(());
    }
    let detail = "a page may only open streams of the gateway that served it";
    Err(Problem::new(403, "origin_not_allowed", "this origin is not served").detail(detail))
}

/// A header as text. One that is no text is nobody's, which is not the same as absent.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}
