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
use crate::{Health, TOOL};

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
        if request.method() == Method::POST { Self::posted(request.headers()) } else { Self::Stream }
    }

    /// MCP 2026-07-28 names the method in a header, and in another one what a call is for; earlier ones do neither.
    /// A monitor that calls our own tool must not hide that the others fail.
    fn posted(headers: &HeaderMap) -> Self {
        match (headers.get("mcp-method"), headers.get("mcp-name")) {
            (Some(method), _) if method == "subscriptions/listen" => Self::Stream,
            (Some(_), None) => Self::SmallTalk,
            (Some(_), Some(name)) if name == TOOL => Self::SmallTalk,
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

    /// The head and the body of an answer.
    type Answer = (u16, &'static str);

    const FAILURE: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}"#;
    const PONG: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    const SUCCESS: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;

    fn response((status, body): Answer) -> Response<Full<Bytes>> {
        let response = Response::builder().status(status).header("content-type", "application/json");
        response.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap()
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

    /// Gives each answer five times, to its end.
    async fn after(answers: &[Answer]) -> Health {
        let health = health();
        for answer in answers.iter().copied().cycle().take(5 * answers.len()) {
            let inner = service_fn(move |_: Request<()>| ready(Ok::<_, Infallible>(response(answer))));
            let response = health.traffic().layer(inner).call(post()).await.unwrap();
            response.into_body().collect().await.unwrap();
        }
        health
    }

    #[tokio::test]
    async fn what_is_the_servers_fault_counts_and_nothing_else() {
        let (failure, success, pong) = ((200, FAILURE), (200, SUCCESS), (200, PONG));
        let cases: [(&[Answer], Status); 7] = [
            (&[success], Status::Ok),
            (&[failure], Status::Degraded),
            (&[(500, "")], Status::Degraded),
            (&[(404, FAILURE)], Status::Ok),
            (&[failure, success], Status::Ok),
            (&[failure, pong, (202, ""), (400, "")], Status::Degraded),
            (&[pong, (202, "")], Status::Ok),
        ];
        for (answers, expected) in cases {
            let health = after(answers).await;
            assert!(is(&health, "mcp_errors", expected), "{answers:?}");
            assert!(is(&health, "mcp_in_flight", Status::Ok), "{answers:?}");
        }
    }

    #[tokio::test]
    async fn an_error_and_a_body_that_breaks_off_are_failures() {
        let health = health();
        for _ in 0..3 {
            let broken = service_fn(|_: Request<()>| ready(Err::<Response<Full<Bytes>>, _>(std::io::Error::other("broken"))));
            assert!(health.traffic().layer(broken).call(post()).await.is_err());
            let breaks = || StreamBody::new(stream::iter([Err::<http_body::Frame<Bytes>, _>(std::io::Error::other("broken"))]));
            let broken = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(breaks()))));
            assert!(health.traffic().layer(broken).call(post()).await.unwrap().into_body().collect().await.is_err());
        }
        assert!(is(&health, "mcp_errors", Status::Degraded) && is(&health, "mcp_in_flight", Status::Ok));
    }

    #[tokio::test]
    async fn small_talk_of_the_newer_protocol_is_told_by_its_headers() {
        let health = health();
        let mut service =
            health.traffic().layer(service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(response((200, SUCCESS))))));
        for (method, name, times) in
            [("server/discover", None, 50), ("tools/call", Some(TOOL), 50), ("tools/call", Some("echo"), 4)]
        {
            for _ in 0..times {
                let request = Request::post("/mcp").header("mcp-method", method);
                let request = name.into_iter().fold(request, |request, name| request.header("mcp-name", name));
                service.call(request.body(()).unwrap()).await.unwrap().into_body().collect().await.unwrap();
            }
        }
        let mut failing = health.traffic().layer(service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(response((500, ""))))));
        for _ in 0..5 {
            let _ = failing.call(post()).await;
        }
        assert!(is(&health, "mcp_errors", Status::Degraded));
    }

    #[tokio::test]
    async fn a_request_runs_until_its_last_frame_is_sent() {
        let (health, frames) = (
            health(),
            [SUCCESS, SUCCESS].map(|frame| Ok::<_, Infallible>(http_body::Frame::data(Bytes::from_static(frame.as_bytes())))),
        );
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
        let endless = service_fn(|_: Request<()>| pending::<Result<Response<Full<Bytes>>, Infallible>>());
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
            let mut at_once = health
                .traffic()
                .layer(service_fn(|_: Request<()>| -> Ready<Result<Response<Full<Bytes>>, Infallible>> { panic!("at once") }));
            let call = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(at_once.call(post()))));
            assert!(call.is_err());
            let mut later = health
                .traffic()
                .layer(service_fn(async |_: Request<()>| -> Result<Response<Full<Bytes>>, Infallible> { panic!("later") }));
            assert!(std::panic::AssertUnwindSafe(later.call(post())).catch_unwind().await.is_err());
        }
        assert!(is(&health, "mcp_errors", Status::Degraded) && is(&health, "mcp_in_flight", Status::Ok));
    }
}
