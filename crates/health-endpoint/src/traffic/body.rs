//! An answer's body on its way out: when it ends, the request has ended.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};

use super::look::Format;
use super::recorder::Running;
use super::window::Outcome;

pin_project_lite::pin_project! {
    /// A body that a [`TrafficLayer`](crate::TrafficLayer) watches. It passes every frame on as it is, at once.
    #[derive(Debug)]
    pub struct TrafficBody<B> {
        #[pin]
        inner: B,
        watch: Option<Watch>,
    }
}

/// What is known of an answer while it is sent.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) running: Running,
    pub(super) format: Option<Format>,
    /// How it ends when all of it was sent and nothing in it told otherwise.
    pub(super) outcome: Outcome,
}

impl<B: Body> TrafficBody<B> {
    /// With nothing to watch, or nothing left of it, it is the inner body and no more.
    pub(super) fn new(inner: B, watch: Option<Watch>) -> Self {
        let mut body = Self { inner, watch };
        if is_over(&body.inner) {
            end(&mut body.watch);
        }
        body
    }
}

impl<B: Body> Body for TrafficBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(watch) = this.watch else { return this.inner.poll_frame(context) };
        let polled = watch.running.watch(|| this.inner.as_mut().poll_frame(context));
        match &polled {
            Poll::Pending => {}
            Poll::Ready(None) => end(this.watch),
            Poll::Ready(Some(Err(_))) => {
                watch.outcome = Outcome::Failed;
                end(this.watch);
            }
            Poll::Ready(Some(Ok(frame))) => {
                watch.look(frame);
                // Who sends it need not ask again after the last frame.
                if is_over(this.inner.as_ref().get_ref()) {
                    end(this.watch);
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Watch {
    fn look<D: Buf>(&mut self, frame: &Frame<D>) {
        let (Some(format), Some(data)) = (self.format, frame.data_ref()) else { return };
        let bytes = data.chunk();
        if bytes.len() != data.remaining() {
            return;
        }
        match format.look(bytes) {
            Some(Outcome::Failed) => (self.running.outcome, self.outcome) = (Outcome::Failed, Outcome::Failed),
            Some(outcome) if self.outcome != Outcome::Failed => self.outcome = outcome,
            _ => {}
        }
    }
}

fn is_over(body: &impl Body) -> bool {
    body.is_end_stream() || body.size_hint().exact() == Some(0)
}

fn end(watch: &mut Option<Watch>) {
    if let Some(Watch { mut running, outcome, .. }) = watch.take() {
        running.outcome = outcome;
    }
}
