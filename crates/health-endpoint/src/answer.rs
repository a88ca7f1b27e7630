//! One HTTP answer: method and headers in, a response out. `router` and `layer` share it.

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;

use crate::Health;
use crate::render::Answer;

/// The media type of a health answer, sent to those who ask for it.
pub(crate) const HEALTH_JSON: &str = "application/health+json";
const JSON: &str = "application/json";
const METHODS: &str = "GET, HEAD";

/// The answer to a request for the health path (contract, section 1). Who brings no token learns nothing else.
pub(crate) fn answer(health: &Health, method: &Method, headers: &HeaderMap) -> Response<Full<Bytes>> {
    if !health.admits(headers) {
        return refuse(StatusCode::UNAUTHORIZED, WWW_AUTHENTICATE, "Bearer");
    }
    match *method {
        Method::GET => carry(health.rendered(), headers, true),
        Method::HEAD => carry(health.rendered(), headers, false),
        _ => refuse(StatusCode::METHOD_NOT_ALLOWED, ALLOW, METHODS),
    }
}

/// Whether the request names `application/health+json`; wildcards do not name it.
pub(crate) fn asks_for_health(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(names_health)
}

/// One entry of `Accept`: the media type, and not a quality of zero.
fn names_health(entry: &str) -> bool {
    let mut parts = entry.split(';').map(str::trim);
    let named = parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case(HEALTH_JSON));
    named && !parts.any(is_zero_quality)
}

fn is_zero_quality(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("q") && value.trim().parse::<f32>().is_ok_and(|quality| quality <= 0.0)
    })
}

fn carry(answer: Answer, headers: &HeaderMap, with_body: bool) -> Response<Full<Bytes>> {
    let content_type = if asks_for_health(headers) { HEALTH_JSON } else { JSON };
    let mut response = status_only(answer.status);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(answer.body.len()));
    if with_body {
        *response.body_mut() = Full::new(answer.body);
    }
    response
}

fn refuse(status: StatusCode, header: HeaderName, value: &'static str) -> Response<Full<Bytes>> {
    let mut response = status_only(status);
    response.headers_mut().insert(header, HeaderValue::from_static(value));
    response
}

fn status_only(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_accept_that_names_the_type_asks_for_it() {
        let cases = [
            ("application/health+json", true),
            ("application/json, application/health+json;q=0.1", true),
            ("APPLICATION/HEALTH+JSON ; charset=utf-8", true),
            ("application/health+json; q=0", false),
            ("application/health+json;q=0.000", false),
            ("*/*", false),
            ("application/*", false),
            ("application/health+jsonp", false),
            ("", false),
        ];
        for (accept, expected) in cases {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(asks_for_health(&headers), expected, "{accept}");
        }
        assert!(!asks_for_health(&HeaderMap::new()));
    }

    #[test]
    fn later_accept_headers_count_too() {
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/html"))]);
        headers.append(ACCEPT, HeaderValue::from_static(HEALTH_JSON));
        assert!(asks_for_health(&headers));
    }
}
