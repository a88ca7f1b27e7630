//! The dashboard's files, served as they are.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::{ecosystem, problem};

#[derive(RustEmbed)]
#[folder = "dashboard/"]
struct Dashboard;

/// Nothing inline, nothing from elsewhere, no framing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page.
pub(crate) async fn index(headers: HeaderMap) -> Response {
    serve("index.html", &headers).await
}

/// What the page needs.
pub(crate) async fn file(Path(file): Path<String>, headers: HeaderMap) -> Response {
    serve(&file, &headers).await
}

async fn serve(path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = Dashboard::get(path) else { return problem::no_route().await };
    let etag =
        format!("\"{:x}\"", file.metadata.sha256_hash().into_iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(byte)));
    let common = [(ETAG, etag.as_str()), (CACHE_CONTROL, "no-cache"), (CONTENT_SECURITY_POLICY, POLICY)];
    if ecosystem::matches(headers, &etag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(CONTENT_TYPE, media_type(path))], file.data).into_response()
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
