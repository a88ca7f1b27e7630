//! What can go wrong on request: crash, hang, down, memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use health_endpoint::Health;

/// The faults that have happened. They last until the process ends.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    hanging: AtomicBool,
    down: AtomicBool,
}

impl Faults {
    /// Whether the task store is broken.
    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    fn hang(&self) {
        self.hanging.store(true, Ordering::Relaxed);
    }
}

/// Adds `POST /break/{kind}` to `app`, and lets every route of it hang.
pub(crate) fn breakable(app: Router, faults: &Arc<Faults>, health: Health) -> Router {
    let route = post(inflict).with_state((Arc::clone(faults), health));
    app.route("/break/{kind}", route).layer(from_fn_with_state(Arc::clone(faults), hang_if_told))
}

/// Crashes or hangs after a while; ends never, so that it can be raced against the server.
pub(crate) async fn scheduled(crash: Option<Duration>, hang: Option<Duration>, faults: &Faults) {
    let crash = async {
        after(crash).await;
        std::process::abort();
    };
    let hang = async {
        after(hang).await;
        faults.hang();
        std::future::pending::<()>().await;
    };
    let ((), ()) = tokio::join!(crash, hang);
}

async fn after(delay: Option<Duration>) {
    match delay {
        Some(delay) => tokio::time::sleep(delay).await,
        None => std::future::pending().await,
    }
}

async fn inflict(Path(kind): Path<String>, State((faults, health)): State<(Arc<Faults>, Health)>) -> Response {
    match kind.as_str() {
        "crash" => std::process::abort(),
        "hang" => faults.hang(),
        "down" => {
            faults.down.store(true, Ordering::Relaxed);
            // The answer means that `/health` says so from now on.
            health.recheck().await;
        }
        "memory" => drop(std::thread::spawn(swell)),
        _ => {
            let known = "there are crash, hang, down, memory";
            return (StatusCode::NOT_FOUND, format!("no such fault: {kind}; {known}\n")).into_response();
        }
    }
    (StatusCode::ACCEPTED, format!("{kind}\n")).into_response()
}

/// Takes memory until its limit is met, and touches it: what is only promised is not counted. Without a limit it stops at 1 GiB.
fn swell() {
    let blocks: Vec<Vec<u8>> = (0..1_024).map(|_| vec![1; 1 << 20]).collect();
    std::hint::black_box(&blocks);
}

/// Once it hangs, requests are read and never answered.
async fn hang_if_told(State(faults): State<Arc<Faults>>, request: Request, next: Next) -> Response {
    if faults.hanging.load(Ordering::Relaxed) {
        return std::future::pending().await;
    }
    next.run(request).await
}
