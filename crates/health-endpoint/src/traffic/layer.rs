//! Watches the requests that pass to a service, as a tower layer. It answers none and changes none.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use tower::{Layer, Service};

use super::Traffic;
use super::body::{TrafficBody, Watch};
use super::look::Format;
use super::recorder::{Recorder, Running};
use super::window::Outcome;
use crate::Health;

/// Watches the requests that pass, for the components that [`Traffic`] describes. Made by [`Health::traffic`].
#[derive(Clone, Debug)]
pub struct TrafficLayer {
    recorder: Arc<Recorder>,
}

/// A service behind a [`TrafficLayer`].
#[derive(Clone, Debug)]
pub struct TrafficService<S> {
    recorder: Arc<Recorder>,
    inner: S,
}

impl Health {
    /// A layer for the MCP route. What passes through it becomes components of `/health`; see [`Traffic`].
    ///
    /// Every layer of one server counts together. Put it on the MCP route alone: what else the server answers
    /// says nothing about its calls.
    ///
    /// ```
    /// use axum::{Router, routing::post};
    /// use health_endpoint::Health;
    ///
    /// let health = Health::builder("my-server").build();
    /// let mcp = Router::<()>::new().route("/mcp", post(|| async { "..." })).route_layer(health.traffic());
    /// let app = mcp.layer(health.layer());
    /// ```
    ///
    /// # Panics
    ///
    /// When a check has the name of a traffic component, as [`Builder::build`](crate::Builder::build) does.
    pub fn traffic(&self) -> TrafficLayer {
        let recorder = match self.shared.traffic.get() {
            Some(recorder) => recorder,
            None => self.shared.record(Traffic::default()),
        };
        TrafficLayer { recorder: Arc::clone(recorder) }
    }
}

impl<S> Layer<S> for TrafficLayer {
    type Service = TrafficService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TrafficService { recorder: Arc::clone(&self.recorder), inner }
    }
}

impl<S, R, B> Service<Request<R>> for TrafficService<S>
where
    S: Service<Request<R>, Response = Response<B>>,
    B: Body,
{
    type Response = Response<TrafficBody<B>>;
    type Error = S::Error;
    type Future = TrafficFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let asked = Asked::of(&request);
        let mut running = (asked != Asked::Stream).then(|| self.recorder.begin());
        let inner = match &mut running {
            Some(running) => running.watch(|| self.inner.call(request)),
            None => self.inner.call(request),
        };
        TrafficFuture { inner, running, asked }
    }
}

/// What a request is, as far as its headers tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// Not counted: it is meant to stay open, or is no MCP message.
    Stream,
    /// Counted, and no sample when it goes well.
    SmallTalk,
    /// A call, or one that its answer will tell more about.
    Call,
}

impl Asked {
    fn of<R>(request: &Request<R>) -> Self {
        if request.method() != Method::POST { Self::Stream } else { Self::posted(request.headers()) }
    }

    /// MCP 2026-07-28 names the method in a header, and in another one what a call is for; earlier ones do neither.
    fn posted(headers: &HeaderMap) -> Self {
        match headers.get("mcp-method") {
            Some(method) if method == "subscriptions/listen" => Self::Stream,
            Some(_) if !headers.contains_key("mcp-name") => Self::SmallTalk,
            _ => Self::Call,
        }
    }
}

pin_project_lite::pin_project! {
    /// The answer of a [`TrafficService`] on its way.
    #[derive(Debug)]
    pub struct TrafficFuture<F> {
        #[pin]
        inner: F,
        running: Option<Running>,
        asked: Asked,
    }
}

impl<F, B, E> Future for TrafficFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<TrafficBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(running) = this.running else {
            return this.inner.poll(context).map_ok(|response| response.map(|body| TrafficBody::new(body, None)));
        };
        match ready!(running.watch(|| this.inner.poll(context))) {
            Ok(response) => Poll::Ready(Ok(watched(response, this.running.take(), *this.asked))),
            Err(error) => {
                running.outcome = Outcome::Failed;
                *this.running = None;
                Poll::Ready(Err(error))
            }
        }
    }
}

fn watched<B: Body>(response: Response<B>, running: Option<Running>, asked: Asked) -> Response<TrafficBody<B>> {
    let outcome = outcome(response.status(), asked);
    let format = if response.status().is_success() { Format::of(response.headers()) } else { None };
    let watch = running.map(|running| Watch { running, format, outcome });
    response.map(|body| TrafficBody::new(body, watch))
}

/// What the head of an answer tells. 202 accepts a notification; whatever else is no success is the client's.
fn outcome(status: StatusCode, asked: Asked) -> Outcome {
    if status.is_server_error() {
        Outcome::Failed
    } else if status.is_success() && status != StatusCode::ACCEPTED && asked == Asked::Call {
        Outcome::Served
    } else {
        Outcome::Neutral
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Ready, pending, ready};

    use bytes::Bytes;
    use futures_util::{FutureExt, stream};
    use http_body_util::{BodyExt, Full, StreamBody};
    use tower::service_fn;

    use super::*;
    use crate::Status;

    type Answer = Result<Response<Full<Bytes>>, std::io::Error>;

    const FAILURE: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}"#;
    const PONG: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    const SUCCESS: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;

    fn answer(status: u16, body: &'static str) -> Answer {
        let response = Response::builder().status(status).header("content-type", "application/json");
        Ok(response.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap())
    }

    fn health() -> Health {
        Health::builder("a").traffic(Traffic::new("mcp").max_in_flight(0)).build()
    }

    fn is(health: &Health, component: &str, status: Status) -> bool {
        health.response().checks.unwrap()[component] == health_spec::response::Component::Status(status)
    }

    fn post() -> Request<()> {
        Request::post("/mcp").body(()).unwrap()
    }

    /// Sends each answer to its end, the calls that fail five times as often as the threshold needs.
    async fn after(answers: impl Fn() -> Vec<Answer>) -> Health {
        let health = health();
        for answer in (0..5).flat_map(|_| answers()) {
            let mut answer = Some(answer);
            let inner = service_fn(move |_: Request<()>| ready(answer.take().unwrap()));
            if let Ok(response) = health.traffic().layer(inner).call(post()).await {
                response.into_body().collect().await.unwrap();
            }
        }
        health
    }

    #[tokio::test]
    async fn what_is_the_servers_fault_counts_and_nothing_else() {
        use Status::{Degraded, Ok};
        let broken = || Err(std::io::Error::other("broken"));
        let cases: [(fn() -> Vec<Answer>, Status); 8] = [
            (|| vec![answer(200, SUCCESS)], Ok),
            (|| vec![answer(200, FAILURE)], Degraded),
            (|| vec![answer(500, "")], Degraded),
            (|| vec![Err(std::io::Error::other("broken"))], Degraded),
            (|| vec![answer(404, FAILURE)], Ok),
            (|| vec![answer(200, FAILURE), answer(200, SUCCESS)], Ok),
            (|| vec![answer(200, FAILURE), answer(200, PONG), answer(202, ""), answer(400, "")], Degraded),
            (|| vec![answer(200, PONG), answer(202, "")], Ok),
        ];
        for (index, (answers, expected)) in cases.into_iter().enumerate() {
            assert!(is(&after(answers).await, "mcp_errors", expected), "case {index}");
        }
        assert!(is(&after(|| vec![broken(), answer(200, SUCCESS)]).await, "mcp_in_flight", Ok), "all have ended");
    }

    #[tokio::test]
    async fn small_talk_of_the_newer_protocol_is_told_by_its_headers() {
        let health = health();
        let mut service = health.traffic().layer(service_fn(|_: Request<()>| ready(answer(200, SUCCESS))));
        for (header, times) in [("mcp-method", 50), ("x-other", 4)] {
            for _ in 0..times {
                let request = Request::post("/mcp").header(header, "server/discover").body(()).unwrap();
                service.call(request).await.unwrap().into_body().collect().await.unwrap();
            }
        }
        let mut failing = health.traffic().layer(service_fn(|_: Request<()>| ready(answer(500, ""))));
        for _ in 0..5 {
            let _ = failing.call(post()).await;
        }
        assert!(is(&health, "mcp_errors", Status::Degraded));
    }

    #[tokio::test]
    async fn a_request_runs_until_its_last_frame_is_sent() {
        let (health, frames) = (health(), [SUCCESS, SUCCESS].map(|frame| Ok::<_, Infallible>(http_body::Frame::data(Bytes::from_static(frame.as_bytes())))));
        let body = StreamBody::new(stream::iter(frames));
        let mut body = Some(body);
        let inner = service_fn(move |_: Request<()>| ready(Ok::<_, Infallible>(Response::new(body.take().unwrap()))));
        let mut body = health.traffic().layer(inner).call(post()).await.unwrap().into_body();
        for running in [Status::Degraded, Status::Degraded, Status::Ok] {
            let frame = body.frame().await;
            assert!(is(&health, "mcp_in_flight", running), "{frame:?}");
        }
    }

    #[tokio::test]
    async fn streams_that_are_meant_to_stay_open_are_not_counted() {
        let health = health();
        let endless = service_fn(|_: Request<()>| pending::<Answer>());
        let mut service = health.traffic().layer(endless);
        let listen = Request::post("/mcp").header("mcp-method", "subscriptions/listen").body(()).unwrap();
        let _streams = [Request::get("/mcp").body(()).unwrap(), listen].map(|request| service.call(request));
        assert!(is(&health, "mcp_in_flight", Status::Ok));
        let call = service.call(post());
        assert!(is(&health, "mcp_in_flight", Status::Degraded));
        drop(call);
        assert!(is(&health, "mcp_in_flight", Status::Ok), "a client that leaves ends its request");
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_wherever_it_happens() {
        let health = health();
        for _ in 0..3 {
            let mut at_once = health.traffic().layer(service_fn(|_: Request<()>| -> Ready<Answer> { panic!("at once") }));
            let call = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(at_once.call(post()))));
            assert!(call.is_err());
            let mut later = health.traffic().layer(service_fn(async |_: Request<()>| -> Answer { panic!("later") }));
            assert!(std::panic::AssertUnwindSafe(later.call(post())).catch_unwind().await.is_err());
        }
        assert!(is(&health, "mcp_errors", Status::Degraded) && is(&health, "mcp_in_flight", Status::Ok));
    }
}
