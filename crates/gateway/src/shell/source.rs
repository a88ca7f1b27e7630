//! Follows sources: whatever the carrier, frames reach the hub in order.

mod http;
mod sse;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::client::{self, ClientError};
use super::hub::Hub;
use crate::source::{Frame, Source};

/// Frames on their way from a carrier; a full queue slows the carrier down, which the source's log makes up for.
const IN_FLIGHT: usize = 256;

/// A source that can be followed.
#[derive(Debug)]
pub(crate) enum Carrier {
    /// In the same process.
    Channel(mpsc::Receiver<Frame>),
    /// Over HTTP: its base address.
    Http(String),
}

impl Carrier {
    /// Checks the source.
    pub(crate) fn new(source: Source) -> Result<Self, ClientError> {
        Ok(match source {
            Source::Channel(frames) => Self::Channel(frames),
            Source::Http(url) => Self::Http(client::base(&url)?),
        })
    }

    /// Its address, if it has one.
    pub(crate) fn url(&self) -> Option<String> {
        match self {
            Self::Channel(_) => None,
            Self::Http(url) => Some(url.clone()),
        }
    }
}

/// Follows a source until `shutdown`, or until an embedded orchestrator is gone.
pub(crate) async fn follow(source: usize, carrier: Carrier, hub: Arc<Hub>, shutdown: CancellationToken) {
    match carrier {
        Carrier::Channel(frames) => deliver(source, frames, &hub, &shutdown).await,
        Carrier::Http(url) => {
            let (sender, frames) = mpsc::channel(IN_FLIGHT);
            tokio::join!(deliver(source, frames, &hub, &shutdown), http::carry(&url, sender, &shutdown));
        }
    }
}

async fn deliver(source: usize, mut frames: mpsc::Receiver<Frame>, hub: &Hub, shutdown: &CancellationToken) {
    let mut lost = false;
    while let Some(frame) = shutdown.run_until_cancelled(frames.recv()).await {
        let Some(frame) = frame else {
            hub.fold(source, Frame::Lost { reason: "the orchestrator has ended".into() });
            return;
        };
        match &frame {
            Frame::Lost { reason } if !std::mem::replace(&mut lost, true) => {
                let name = hub.read(|state| state.view.sources()[source].name());
                tracing::warn!(source = %name, %reason, "source lost, trying again");
            }
            Frame::Lost { .. } => {}
            _ => lost = false,
        }
        hub.fold(source, frame);
    }
}
