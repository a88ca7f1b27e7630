//! An engine that is none: it says of its containers what a test wants to hear. How real ones behave is tested with real ones.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use futures_util::{StreamExt, stream};
use health_spec::config::{Engine, EngineKind};
use health_spec::registry::{Runtime, RuntimeKind};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// What it says when it is asked how a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    /// It runs.
    Running,
    /// An error of its own.
    Error,
    /// Nothing at all: the question hangs.
    Nothing,
}

/// The engine. None of its restarts ends.
pub(crate) struct Sham {
    address: String,
    _scheduler: tokio::runtime::Runtime,
    yard: Arc<Yard>,
}

#[derive(Default)]
struct Yard {
    containers: Mutex<BTreeMap<&'static str, Tells>>,
    restarts: Notify,
}

impl Sham {
    pub(crate) fn start(containers: &[(&'static str, Tells)]) -> Self {
        let scheduler = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let yard = Arc::new(Yard { containers: Mutex::new(containers.iter().copied().collect()), restarts: Notify::new() });
        let listener = scheduler.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let shared = Arc::clone(&yard);
        let answers = axum::Router::new().fallback(move |method: Method, uri: Uri| {
            let yard = Arc::clone(&shared);
            async move { yard.answer(&method, &uri).await }
        });
        scheduler.spawn(async move { axum::serve(listener, answers).await });
        Self { address, _scheduler: scheduler, yard }
    }

    pub(crate) fn engine(&self) -> Engine {
        Engine { name: "sham".to_owned(), kind: EngineKind::Docker, address: self.address.clone(), tls: None }
    }

    /// A server that is this container.
    pub(crate) fn server(container: &str) -> Runtime {
        Runtime { container: Some(container.to_owned()), ..crate::bench::runtime(RuntimeKind::Docker) }
    }

    pub(crate) fn tells(&self, container: &'static str, tells: Tells) {
        self.yard.containers.lock().unwrap_or_else(PoisonError::into_inner).insert(container, tells);
    }

    /// Waits until it is asked to restart something.
    pub(crate) async fn is_asked_to_restart(&self) {
        self.yard.restarts.notified().await;
    }
}

impl Yard {
    async fn answer(&self, method: &Method, uri: &Uri) -> Response {
        let words: Vec<_> = uri.path().split('/').collect();
        let is_past = uri.query().is_some_and(|query| query.contains("until="));
        match words[..] {
            [.., "version"] => Json(json!({ "ApiVersion": "1.41", "Version": "0" })).into_response(),
            [.., "info"] => Json(json!({ "SystemTime": "2026-01-01T00:00:00Z" })).into_response(),
            [.., "events"] if is_past => Body::empty().into_response(),
            [.., "events"] => Body::from_stream(stream::pending::<Result<Bytes, Infallible>>().boxed()).into_response(),
            [.., "containers", "json"] => Json(self.list()).into_response(),
            [.., "containers", container, "json"] => match self.describe(container) {
                Some(answer) => answer,
                None => std::future::pending().await,
            },
            [.., "restart"] if method == Method::POST => {
                self.restarts.notify_one();
                std::future::pending().await
            }
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }

    /// All but the first have the first one's network.
    fn list(&self) -> Value {
        let containers = self.containers.lock().unwrap_or_else(PoisonError::into_inner);
        let first = containers.keys().next().copied().unwrap_or_default();
        let network = |name: &str| if name == first { "bridge".to_owned() } else { format!("container:{}", id(first)) };
        let one = |name: &&str| json!({ "Id": id(name), "Names": [format!("/{name}")], "State": "running", "HostConfig": { "NetworkMode": network(name) } });
        containers.keys().map(one).collect()
    }

    fn describe(&self, wanted: &str) -> Option<Response> {
        let containers = self.containers.lock().unwrap_or_else(PoisonError::into_inner);
        let found = containers.iter().find(|(name, _)| **name == wanted || id(name) == wanted);
        Some(match found {
            Some((_, Tells::Nothing)) => return None,
            Some((name, Tells::Running)) => {
                let state = json!({ "Running": true, "StartedAt": "2026-01-01T00:00:00Z" });
                Json(json!({ "Id": id(name), "Name": format!("/{name}"), "State": state })).into_response()
            }
            Some((_, Tells::Error)) => {
                (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "message": "its layer is missing" }))).into_response()
            }
            None => (StatusCode::NOT_FOUND, Json(json!({ "message": "no such container" }))).into_response(),
        })
    }
}

/// Sixty-four digits, as engines have them, of names of up to eight letters.
fn id(name: &str) -> String {
    let number = name.bytes().fold(0_u64, |number, byte| (number << 8) | u64::from(byte));
    format!("{number:064x}")
}
