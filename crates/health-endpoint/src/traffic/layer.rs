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
