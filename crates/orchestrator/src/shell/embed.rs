//! The in-process carrier: what is published here, as the gateway's frames.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use gateway::source::{Frame, Source};
use gateway::{BindError, Gateway, Settings};
use health_spec::{Event, ServerView};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::alarm::Alarm;
use super::published::{Published, Said};

/// Frames that may wait for the gateway; then it is given a fresh snapshot.
const QUEUE: usize = 1_024;

/// A gateway that has its port, and the channel that will feed it.
#[derive(Debug)]
pub struct BoundGateway {
    gateway: Gateway,
    frames: mpsc::Sender<Frame>,
}

impl BoundGateway {
    /// Takes the port. Nothing is answered before [`Self::start`]. `api` is where the orchestrator listens.
    pub async fn bind(address: SocketAddr, api: SocketAddr, insecure: bool) -> Result<Self, BindError> {
        let (frames, inbox) = mpsc::channel(QUEUE);
        let api = Some(format!("http://{}", reachable(api)));
        let settings = Settings { api, insecure, ..Settings::new(address, vec![Source::Channel(inbox)]) };
        Ok(Self { gateway: gateway::bind(settings).await?, frames })
    }

    /// Serves what is published from now on, until `shutdown`. Returns the bound address.
    pub fn start(
        self,
        published: &Arc<Published>,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
        alarm: &Alarm,
    ) -> SocketAddr {
        let Self { gateway, frames } = self;
        let address = gateway.address();
        let carried = alarm.watch("way to the gateway", shutdown, carry(Arc::clone(published), frames));
        tasks.spawn(shutdown.clone().run_until_cancelled_owned(carried));
        let until = shutdown.clone();
        tasks.spawn(alarm.watch("gateway", shutdown, async move {
            if let Err(error) = gateway.serve(until).await {
                tracing::error!(error = &error as &dyn std::error::Error, "the gateway has stopped");
            }
        }));
        address
    }
}

/// One that listens everywhere also listens on loopback.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let loopback: IpAddr = if bound.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    if bound.ip().is_unspecified() { SocketAddr::new(loopback, bound.port()) } else { bound }
}

async fn carry(published: Arc<Published>, frames: mpsc::Sender<Frame>) {
    loop {
        let (snapshot, mut said) = published.follow();
        if frames.send(Frame::Snapshot(Box::new(snapshot))).await.is_err() {
            return;
        }
        loop {
            match said.recv().await {
                Ok(said) => {
                    if frames.send(frame(&said)).await.is_err() {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => return,
            }
        }
    }
}

fn frame(said: &Said) -> Frame {
    let view = said.view.as_ref().map(|view| Box::new(ServerView::clone(view)));
    Frame::Event { event: Box::new(Event::clone(&said.event)), view }
}
