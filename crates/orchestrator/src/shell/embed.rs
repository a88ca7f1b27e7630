//! The in-process carrier: what is published here, as the gateway's frames.

use std::sync::Arc;

use gateway::source::Frame;
use health_spec::{Event, ServerView};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use super::published::{Published, Said};

/// Frames that may wait for the gateway; then it is given a fresh snapshot.
const QUEUE: usize = 1_024;

/// A channel that carries everything published from now on. Run the future; it ends when the gateway has gone.
pub fn carrier(published: Arc<Published>) -> (mpsc::Receiver<Frame>, impl Future<Output = ()> + Send) {
    let (frames, inbox) = mpsc::channel(QUEUE);
    (inbox, carry(published, frames))
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
