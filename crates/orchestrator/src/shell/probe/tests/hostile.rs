//! Targets that do harm: each has its own reason, costs little, and delays nobody else.

use futures_util::future::join_all;
use tokio::net::TcpStream;

use super::*;

/// What a hostile server does with a connection.
#[derive(Clone, Copy, Debug)]
enum Malice {
    /// Takes it and says nothing.
    Hang,
    /// Sends a body of 100 MB, as fast as it is taken.
    Flood,
    /// Headers without an end.
    EndlessHeaders,
    /// Resets it at once.
    ResetAtOnce,
    /// After the request.
    ResetAfterRequest,
    /// In the middle of the head.
    ResetInHead,
    /// In the middle of the body.
    ResetInBody,
    /// Sends to itself, for ever.
    RedirectLoop,
    /// An interim answer after the other, and never a real one.
    Interim,
}

impl Malice {
    const ALL: [Self; 9] = [
        Self::Hang,
        Self::Flood,
        Self::EndlessHeaders,
        Self::ResetAtOnce,
        Self::ResetAfterRequest,
        Self::ResetInHead,
        Self::ResetInBody,
        Self::RedirectLoop,
        Self::Interim,
    ];

    fn reasons(self) -> &'static [Reason] {
        match self {
            Self::Hang | Self::Interim => &[Reason::Timeout],
            Self::Flood => &[Reason::BodyTooLarge],
            Self::EndlessHeaders => &[Reason::InvalidBody],
            Self::ResetAtOnce | Self::ResetAfterRequest | Self::ResetInHead | Self::ResetInBody => &[Reason::ConnectionReset],
            Self::RedirectLoop => &[Reason::HttpStatus],
        }
    }

    async fn serve(self, mut stream: TcpStream) {
        let reset = |stream: &TcpStream| stream.set_zero_linger().expect("a reset instead of an orderly end");
        if matches!(self, Self::ResetAtOnce) {
            return reset(&stream);
        }
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await;
        let beginning: &[u8] = match self {
            Self::Hang => {
                // Ends when the check closes its connection.
                while stream.read(&mut head).await.is_ok_and(|read| read > 0) {}
                return;
            }
            Self::ResetAtOnce | Self::ResetAfterRequest => return reset(&stream),
            Self::ResetInHead => b"HTTP/1.1 200 OK\r\ncontent-",
            Self::ResetInBody => b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
            Self::RedirectLoop => b"HTTP/1.1 302 Found\r\nlocation: /health\r\ncontent-length: 0\r\n\r\n",
            Self::Flood => b"HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n",
            Self::EndlessHeaders => b"HTTP/1.1 200 OK\r\n",
            Self::Interim => b"",
        };
        let mut goes_on = stream.write_all(beginning).await.is_ok();
        let piece: &[u8] = match self {
            Self::Flood => &[b' '; 16 * 1024],
            Self::EndlessHeaders => b"x-more: and more\r\n",
            Self::Interim => b"HTTP/1.1 100 Continue\r\n\r\n",
            _ => &[],
        };
        while goes_on && !piece.is_empty() {
            goes_on = stream.write_all(piece).await.is_ok();
        }
        if matches!(self, Self::ResetInHead | Self::ResetInBody) {
            reset(&stream);
        }
    }
}

async fn hostile(malice: Malice) -> HttpTarget {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/health", listener.local_addr().expect("an address"));
    spawned(async move {
        while let Ok((stream, _)) = listener.accept().await {
            spawned(malice.serve(stream));
        }
    });
    HttpTarget::new(Address::parse(&url).expect("an address"))
}

#[tokio::test]
async fn each_malice_has_its_own_reason() {
    for malice in Malice::ALL {
        let target = hostile(malice).await;
        // Only what never ends meets its deadline.
        let timeout = if matches!(malice, Malice::Hang | Malice::Interim) { Duration::from_millis(150) } else { PATIENT };
        let found = check(&target, timeout, &well_before()).await.expect("a verdict").verdict;
        let is_named = found.reason.is_some_and(|reason| malice.reasons().contains(&reason));
        assert!(found.outcome == Outcome::Failed && is_named, "{malice:?}: {:?} {:?}", found.reason, found.message);
    }
}

#[tokio::test]
async fn a_tenth_that_hangs_delays_nobody() {
    // All on this thread: if one check blocked, none of the others would end before it.
    let (url, _server) = answering(answer("200 OK", "", &body("ok", NOW, ""))).await;
    let well = HttpTarget::new(Address::parse(&url).expect("an address"));
    let ill = hostile(Malice::Hang).await;
    let history = well_before();
    let hanging = join_all((0..30).map(|_| check(&ill, PATIENT, &history)));
    let answered = join_all((0..270).map(|_| check(&well, PATIENT, &history)));
    tokio::select! {
        _ = hanging => panic!("the hanging ones have ended before those that answer"),
        answered = answered => {
            let outcomes: Vec<_> = answered.into_iter().map(|checked| checked.expect("a verdict").verdict.outcome).collect();
            assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Ok), "{outcomes:?}");
        }
    }
}
