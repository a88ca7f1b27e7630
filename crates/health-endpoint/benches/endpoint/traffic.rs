//! Nanoseconds per request of a service that does almost nothing, with and without the traffic layer.

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::pin;

use bytes::Bytes;
use futures_util::FutureExt;
use health_endpoint::Health;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, service_fn};

use crate::{interleaved, timed};

const REQUESTS_IN_A_ROUND: u32 = 100_000;

/// What a tool call is answered with, about 300 bytes.
const ANSWER: &str = concat!(
    r#"{"jsonrpc":"2.0","id":17,"result":{"content":[{"type":"text","text":"Seventeen tasks are open, three of them are due "#,
    r#"today: call the bank, renew the certificate of the build machine, and answer the letter of the landlord. Nothing is "#,
    r#"overdue, and two wait for somebody else."}],"isError":false,"resultType":"complete"}}"#
);

/// With the layer, and without.
pub(crate) fn costs(rounds: usize) -> (f64, f64) {
    let mut bare = service_fn(|_: Request<()>| std::future::ready(Ok::<_, Infallible>(answer())));
    let mut watched = Health::builder("bench").build().traffic().layer(bare);
    interleaved(rounds, || cost(&mut watched), || cost(&mut bare))
}

fn answer() -> Response<Full<Bytes>> {
    let body = Full::new(Bytes::from_static(ANSWER.as_bytes()));
    Response::builder().header("content-type", "application/json").body(body).expect("a response")
}

fn cost<S, B>(service: &mut S) -> f64
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error = Infallible>,
{
    let time = timed(|| (0..REQUESTS_IN_A_ROUND).for_each(|_| exchange(service)));
    time.as_secs_f64() * 1e9 / f64::from(REQUESTS_IN_A_ROUND)
}

/// One request, and its answer to the end.
fn exchange<S, B>(service: &mut S)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error = Infallible>,
{
    let request =
        Request::post("/mcp").header("mcp-method", "tools/call").header("mcp-name", "tasks").body(()).expect("a request");
    let Some(Ok(response)) = service.call(request).now_or_never() else { unreachable!("it answers at once") };
    let mut body = pin!(response.into_body());
    while let Some(Some(frame)) = body.frame().now_or_never() {
        black_box(frame.is_ok());
    }
}
