//! The plain profile over WebSocket. A client that does not read delays nobody and grows no memory: it only has a
//! place in the log, and after a minute without progress it is closed with 1013.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::super::api::App;
use super::feed::Feed;
use crate::machine::message::Text;

/// How often a client is asked whether it is still there (contract, section 6.1).
const PING: Duration = Duration::from_secs(20);

/// How many pings may be unanswered.
const UNANSWERED: u8 = 2;

/// How long one message may wait for the client (contract, section 6.1).
const PROGRESS: Duration = Duration::from_secs(60);

/// How long a close may take to be answered.
const CLOSING: Duration = Duration::from_secs(1);

/// The largest frame of a client (contract, section 6.1).
const MAX_FRAME: usize = 64 * 1024;

/// Clients send next to nothing: a small buffer saves 100 KiB a connection.
const READ_BUFFER: usize = 4 * 1024;

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client has left, or broke the rules.
    Gone,
    /// It does not answer pings.
    Silent,
    /// It does not read.
    Slow,
    /// The gateway ends.
    Shutdown,
}

/// Upgrades the connection.
pub(super) fn answer(upgrade: WebSocketUpgrade, feed: Feed, app: App) -> Response {
    let upgrade =
        upgrade.read_buffer_size(READ_BUFFER).write_buffer_size(0).max_message_size(MAX_FRAME).max_frame_size(MAX_FRAME);
    let streams = app.streams.clone();
    upgrade.on_upgrade(move |socket| streams.track_future(serve(socket, feed, app)))
}

async fn serve(socket: WebSocket, mut feed: Feed, app: App) {
    let (mut sink, mut stream) = socket.split();
    let unanswered = AtomicU8::new(0);
    let end = tokio::select! {
        () = listen(&mut stream, &unanswered) => End::Gone,
        end = tell(&mut sink, &mut feed, &unanswered) => end,
        () = app.shutdown.cancelled() => End::Shutdown,
    };
    if let Some(frame) = end.frame() {
        // A client that does not take its leave in time is dropped.
        let _ = timeout(CLOSING, farewell(sink, stream, frame)).await;
    }
}

/// Until the client leaves. What it says means nothing in this profile.
async fn listen(stream: &mut SplitStream<WebSocket>, unanswered: &AtomicU8) {
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Pong(_) => unanswered.store(0, Ordering::Relaxed),
            Message::Close(_) => return,
            _ => {}
        }
    }
}

async fn tell(sink: &mut SplitSink<WebSocket, Message>, feed: &mut Feed, unanswered: &AtomicU8) -> End {
    let mut pings = pings();
    pings.tick().await;
    loop {
        let messages = tokio::select! {
            texts = feed.next() => texts.iter().map(message).collect(),
            _ = pings.tick() => {
                if unanswered.fetch_add(1, Ordering::Relaxed) >= UNANSWERED {
                    return End::Silent;
                }
                vec![Message::Ping(Bytes::new())]
            }
        };
        for message in messages {
            match timeout(PROGRESS, sink.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return End::Gone,
                Err(_) => return End::Slow,
            }
        }
    }
}

/// While a message waits for the client no ping goes out. Were those made up for at once, they would be unanswered at once.
fn pings() -> Interval {
    let mut pings = interval(PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings
}

fn message(text: &Text) -> Message {
    Message::Text(Utf8Bytes::try_from(text.json()).unwrap_or_default())
}

async fn farewell(mut sink: SplitSink<WebSocket, Message>, mut stream: SplitStream<WebSocket>, frame: CloseFrame) {
    if sink.send(Message::Close(Some(frame))).await.is_ok() {
        while let Some(Ok(_)) = stream.next().await {}
    }
}

impl End {
    /// The codes of RFC 6455 and its registry.
    fn frame(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Gone => return None,
            Self::Silent => (1011, "pings were not answered"),
            Self::Slow => (1013, "too slow: reconnect with the last cursor"),
            Self::Shutdown => (1001, "the gateway is shutting down"),
        };
        Some(CloseFrame { code, reason: reason.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pings_that_a_slow_client_has_missed_are_not_made_up_for() {
        assert_eq!(pings().missed_tick_behavior(), MissedTickBehavior::Delay);
    }
}
