//! `/health` in front of any HTTP service, as a tower layer.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::{Either, MapOk, TryFutureExt};
use http::{Method, Request, Response};
use http_body_util::Full;
use tower::util::Oneshot;
use tower::{Layer, Service, ServiceExt};

use crate::Health;
use crate::answer::{answer, asks_for_health};

/// Answers `/health`, and `/` for requests that accept `application/health+json`; passes everything else on.
/// Made by [`Health::layer`].
#[derive(Clone, Debug)]
pub struct HealthLayer {
    health: Health,
}

/// A service behind a [`HealthLayer`].
#[derive(Clone, Debug)]
pub struct HealthService<S> {
    health: Health,
    inner: S,
}

impl Health {
    /// A layer that answers health in front of any HTTP service. As the last layer of an axum router it also answers
    /// where the router has no route, and leaves your own `/` to those who do not ask for health. Below a prefix a
    /// router's layer is not asked for what it has no route for: nest `Health::router` there.
    ///
    /// Health is answered even while the service behind it is not ready: a full queue is no reason for a restart.
    pub fn layer(&self) -> HealthLayer {
        HealthLayer { health: self.clone() }
    }
}

impl<S> Layer<S> for HealthLayer {
    type Service = HealthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HealthService { health: self.health.clone(), inner }
    }
}

/// The body of an answer: health, or what the service behind answered.
pub type HealthBody<B> = http_body_util::Either<Full<Bytes>, B>;

type Answered<B, E> = Ready<Result<Response<HealthBody<B>>, E>>;
type Passed<S, R, B> = MapOk<Oneshot<S, R>, fn(Response<B>) -> Response<HealthBody<B>>>;

impl<S, R, B> Service<Request<R>> for HealthService<S>
where
    S: Service<Request<R>, Response = Response<B>> + Clone,
{
    type Response = Response<HealthBody<B>>;
    type Error = S::Error;
    type Future = Either<Answered<B, S::Error>, Passed<S, Request<R>, B>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // The inner service is asked when a request is passed on to it.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        if is_ours(&request) {
            let response = answer(&self.health, request.method(), request.headers());
            return Either::Left(ready(Ok(response.map(HealthBody::Left))));
        }
        let passed: fn(Response<B>) -> Response<HealthBody<B>> = |response| response.map(HealthBody::Right);
        Either::Right(self.inner.clone().oneshot(request).map_ok(passed))
    }
}

fn is_ours<R>(request: &Request<R>) -> bool {
    match request.uri().path() {
        "/health" => true,
        "/" => matches!(*request.method(), Method::GET | Method::HEAD) && asks_for_health(request.headers()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::BodyExt;
    use tower::service_fn;

    use super::*;

    async fn ask<S>(service: S, method: &str, path: &str, accept: &str) -> (u16, String)
    where
        S: Service<Request<()>, Response = Response<HealthBody<Full<Bytes>>>, Error = Infallible>,
    {
        let request = Request::builder().method(method).uri(path).header("accept", accept).body(()).unwrap();
        let response = service.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn it_answers_health_and_passes_everything_else() {
        let inner = service_fn(async |_: Request<()>| Ok(Response::new(Full::new(Bytes::from_static(b"inner")))));
        let service = Health::builder("a").build().layer().layer(inner);
        let cases = [
            ("GET", "/health", "*/*", 200, "{"),
            ("HEAD", "/health", "*/*", 200, ""),
            ("POST", "/health", "*/*", 405, ""),
            ("GET", "/", "application/health+json", 200, "{"),
            ("HEAD", "/", "application/health+json", 200, ""),
            ("GET", "/", "*/*", 200, "inner"),
            ("POST", "/", "application/health+json", 200, "inner"),
            ("GET", "/mcp", "application/health+json", 200, "inner"),
        ];
        for (method, path, accept, status, start) in cases {
            let (code, body) = ask(service.clone(), method, path, accept).await;
            assert_eq!(code, status, "{method} {path} {accept}");
            assert!(body.starts_with(start) && body.is_empty() == start.is_empty(), "{method} {path} {accept}: {body}");
        }
    }

    #[derive(Clone)]
    struct NeverReady;

    impl Service<Request<()>> for NeverReady {
        type Response = Response<Full<Bytes>>;
        type Error = Infallible;
        type Future = Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Pending
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            unreachable!("it was never ready")
        }
    }

    #[tokio::test]
    async fn a_full_service_still_has_health() {
        let service = Health::builder("a").build().layer().layer(NeverReady);
        assert_eq!(ask(service, "GET", "/health", "*/*").await.0, 200);
    }
}
