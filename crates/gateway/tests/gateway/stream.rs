//! `GET /health/stream`: what clients are told, and what a slow or a foreign one gets.

use health_spec::status::Observed;
use http_body_util::BodyExt;

use crate::client::{Socket, get_with, open};
use crate::sample::{known, said, server};
use crate::start_with_channel;

/// A channel source that has said `a` is `ok` at 1, and a client that has seen it.
async fn started() -> (crate::Running, tokio::sync::mpsc::Sender<gateway::source::Frame>, Socket) {
    let (running, sender) = start_with_channel().await;
    let mut socket = Socket::open(running.address, "").await;
    sender.send(known(1, vec![server("a", Observed::Ok)])).await.expect("taken");
    assert_eq!(socket.next_short(1).await, ["current ok"]);
    (running, sender, socket)
}

#[tokio::test]
async fn a_client_sees_the_present_and_then_each_event() {
    let (running, sender, mut early) = started().await;
    let mut socket = Socket::open(running.address, "").await;
    let current = socket.next().await;
    assert_eq!((&current["event_type"], &current["server"], &current["status"]), (&"current".into(), &"a".into(), &"ok".into()));
    sender.send(said(2, "a", Observed::Down)).await.expect("taken");
    for socket in [&mut socket, &mut early] {
        let event = socket.next().await;
        assert_eq!(
            (&event["event_type"], &event["server"], &event["status"]),
            (&"status_changed".into(), &"a".into(), &"down".into())
        );
        assert!(event["timestamp"].is_string() && event["cursor"].is_string(), "{event}");
    }
}

#[tokio::test]
async fn resuming_loses_and_doubles_nothing() {
    let (running, sender, mut socket) = started().await;
    for seq in 2..=5 {
        sender.send(said(seq, "a", Observed::Ok)).await.expect("taken");
    }
    let cursor = socket.next().await["cursor"].as_str().expect("a cursor").to_owned();
    drop(socket);
    sender.send(said(6, "a", Observed::Ok)).await.expect("taken");
    let mut socket = Socket::open(running.address, &format!("?since={cursor}")).await;
    assert_eq!(socket.next_short(4).await, ["3 ok", "4 ok", "5 ok", "6 ok"]);
    sender.send(said(7, "a", Observed::Ok)).await.expect("taken");
    assert_eq!(socket.next_short(1).await, ["7 ok"]);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_before_the_upgrade() {
    let (running, _sender, mut socket) = started().await;
    for query in ["?since=nonsense", "?since=1.local.e.99", "?types=nonsense", "?status=green", "?colour=red"] {
        assert_eq!(Socket::try_open(running.address, query, None).await.err().map(|code| code.as_u16()), Some(400), "{query}");
    }
    let foreign = Socket::try_open(running.address, "", Some("http://evil.example")).await;
    assert_eq!(foreign.err().map(|code| code.as_u16()), Some(403));
    let own = format!("http://{}", running.address);
    assert!(Socket::try_open(running.address, "", Some(&own)).await.is_ok());
    let plain = get_with(running.address, "/health/stream", &[]).await;
    assert_eq!(plain.status.as_u16(), 426);
    running.shutdown.disarm().cancel();
    assert_eq!(socket.closed().await.map(|frame| u16::from(frame.code)), Some(1001));
    running.served.await.expect("no panic").expect("a clean end");
}

#[tokio::test]
async fn filters_narrow_what_is_told() {
    let (running, sender, _socket) = started().await;
    let mut only_b = Socket::open(running.address, "?server=b").await;
    let mut only_down = Socket::open(running.address, "?status=down&types=status_changed").await;
    for (seq, name, status) in
        [(2, "a", Observed::Ok), (3, "a", Observed::Down), (4, "b", Observed::Ok), (5, "b", Observed::Down)]
    {
        sender.send(said(seq, name, status)).await.expect("taken");
    }
    assert_eq!(only_b.next_short(2).await, ["4 ok", "5 down"]);
    assert_eq!([only_down.next_event().await, only_down.next_event().await], ["3 down", "5 down"]);
}

#[tokio::test]
async fn server_sent_events_resume_by_their_id() {
    let (running, sender, _socket) = started().await;
    let accept = ("accept", "text/event-stream");
    let mut body = open(running.address, "/health/stream", &[accept]).await.into_body();
    let first = body.frame().await.expect("open").expect("a chunk").into_data().expect("data");
    let first = String::from_utf8(first.to_vec()).expect("text");
    assert!(first.starts_with("id: 1.local.e.1\ndata: {\"event_type\":\"current\""), "{first}");
    sender.send(said(2, "a", Observed::Down)).await.expect("taken");
    body.frame().await.expect("open").expect("a chunk");
    let mut body = open(running.address, "/health/stream", &[accept, ("last-event-id", "1.local.e.1")]).await.into_body();
    let mut text = String::new();
    while !text.contains("\"seq\":2") {
        let chunk = body.frame().await.expect("open").expect("a chunk").into_data().expect("data");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert_eq!(text.matches("status_changed").count(), 1, "{text}");
}

#[tokio::test]
async fn a_client_that_does_not_read_delays_no_other_and_catches_up() {
    const ROUNDS: u64 = 15;
    const EACH: u64 = 1000;
    let (running, sender, mut fast) = started().await;
    let mut slow = Socket::open(running.address, "").await;
    for round in 0..ROUNDS {
        let numbers = 2 + round * EACH..2 + (round + 1) * EACH;
        for seq in numbers.clone() {
            sender.send(said(seq, "a", Observed::Ok)).await.expect("taken");
        }
        for seq in numbers {
            assert_eq!(fast.next().await["seq"], seq);
        }
    }
    assert_eq!(slow.next_short(1).await, ["current ok"]);
    for seq in 2..2 + ROUNDS * EACH {
        assert_eq!(slow.next().await["seq"], seq);
    }
}
