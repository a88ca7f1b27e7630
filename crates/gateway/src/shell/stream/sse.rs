//! The plain profile as server-sent events: unnamed, with the cursor as `id`. A client that does not read is not
//! read for either: nothing is kept for it but its place.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::feed::Feed;
use crate::machine::message::Text;

/// A comment keeps proxies from closing a quiet stream (contract, section 6.1).
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The stream, until the client leaves or the gateway ends.
pub(super) fn answer(feed: Feed, shutdown: CancellationToken) -> Response {
    let chunks = stream::unfold((feed, shutdown), |(mut feed, shutdown)| async move {
        let chunk = shutdown.run_until_cancelled(chunk(&mut feed)).await?;
        Some((Ok::<_, Infallible>(chunk), (feed, shutdown)))
    });
    // Proxies such as nginx hold an answer back unless they are told not to.
    let unbuffered = [("x-accel-buffering", "no")];
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    (headers, unbuffered, Body::from_stream(chunks)).into_response()
}

async fn chunk(feed: &mut Feed) -> Bytes {
    match timeout(KEEP_ALIVE, feed.next()).await {
        Ok(texts) => encode(&texts),
        Err(_) => Bytes::from_static(b": keep-alive\n\n"),
    }
}

fn encode(texts: &[Text]) -> Bytes {
    let mut chunk = Vec::new();
    for text in texts {
        chunk.extend_from_slice(b"id: ");
        chunk.extend_from_slice(text.cursor());
        chunk.extend_from_slice(b"\ndata: ");
        chunk.extend_from_slice(&text.json());
        chunk.extend_from_slice(b"\n\n");
    }
    chunk.into()
}
