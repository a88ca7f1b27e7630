//! An engine whose clock is set back, which answers as Docker does.

use axum::{
    Router,
    body::Body,
    http::{StatusCode, Uri},
    response::{IntoResponse, Json, Response},
};
use futures_util::StreamExt;
use std::sync::{Arc, Mutex};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::shell::runtime::container::inspect;

/// On one day, by the engine's clock.
const DAY: i64 = 1_767_225_600 * STOP;
const TEN: i64 = DAY + 10 * 3_600 * STOP;
const ELEVEN: i64 = TEN + 3_600 * STOP;
const NOON: i64 = ELEVEN + 3_600 * STOP;

/// Far beyond what anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

/// It has one container, which runs since eleven.
struct Docker {
    connection: Connection,
    events: mpsc::Sender<Result<String, std::io::Error>>,
    /// How it was asked for what is to come.
    asked: Arc<Mutex<String>>,
    serving: JoinHandle<()>,
}

impl Drop for Docker {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn moment(at: i64) -> String {
    jiff::Timestamp::from_nanosecond(at.into()).unwrap().to_string()
}

fn event(action: &str, at: i64) -> String {
    let actor = json!({ "ID": "id1", "Attributes": { "name": "a", "exitCode": "3" } });
    format!("{}\n", json!({ "Type": "container", "Action": action, "Actor": actor, "timeNano": at }))
}

impl Docker {
    async fn at(clock: i64) -> Self {
        let (events, coming) = mpsc::channel(8);
        let coming = Arc::new(Mutex::new(Some(coming)));
        let asked = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&asked);
        let answers = Router::new().fallback(move |uri: Uri| {
            let answer = answer(&uri, clock, &coming, &heard);
            async move { answer }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        let serving = tokio::spawn(async move { axum::serve(listener, answers).await.unwrap() });
        let client = bollard::Docker::connect_with_http(&address, 60, API_DEFAULT_VERSION).unwrap();
        Self { connection: Connection { client, kind: EngineKind::Docker, address }, events, asked, serving }
    }
}

type Coming = Arc<Mutex<Option<mpsc::Receiver<Result<String, std::io::Error>>>>>;

fn answer(uri: &Uri, clock: i64, coming: &Coming, asked: &Arc<Mutex<String>>) -> Response {
    let query = uri.query().unwrap_or_default();
    let of = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    let words: Vec<_> = uri.path().split('/').collect();
    match words[..] {
        [.., "info"] => Json(json!({ "SystemTime": moment(clock) })).into_response(),
        [.., "events"] => match (of("since"), of("until")) {
            (Some(since), Some(until)) if since > until => {
                let message = format!("`since` time ({since}) cannot be after `until` time ({until})");
                (StatusCode::BAD_REQUEST, Json(json!({ "message": message }))).into_response()
            }
            (_, Some(_)) => Body::empty().into_response(),
            (_, None) => {
                *asked.lock().unwrap() = query.to_owned();
                Body::from_stream(ReceiverStream::new(coming.lock().unwrap().take().unwrap()).boxed()).into_response()
            }
        },
        [.., "containers", _, "json"] => {
            let state = json!({ "Running": true, "StartedAt": moment(ELEVEN) });
            Json(json!({ "Id": "id1", "Name": "/a", "State": state })).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// It has heard of things until noon.
fn listener_at_noon() -> (Listener, mpsc::Receiver<Input>) {
    let (mut listener, _, reports) = listener();
    listener.containers[0].ledger.compare(Some(&Look { since: ELEVEN, ..look("id1", State::Running) }));
    (listener.since, listener.began, listener.clock) = (Some(NOON), Some(DAY), EngineClock::of(Some(NOON)));
    (listener, reports)
}

async fn next(reports: &mut mpsc::Receiver<Input>) -> Input {
    timeout(DEADLINE, reports.recv()).await.expect("in time").expect("it listens")
}

#[tokio::test]
async fn an_engine_whose_clock_was_set_back_while_it_was_away_is_listened_to_again() {
    let docker = Docker::at(TEN).await;
    let (mut listener, mut reports) = listener_at_noon();
    listener.link = watch::channel(Link::Lost("it is away".to_owned())).0;
    let mut pause = Pause::default();
    let told = async {
        assert_eq!(next(&mut reports).await, Input::Reported(SERVER, Word::Running));
        assert_eq!(next(&mut reports).await, Input::EngineBack(EngineId(0)));
        docker.events.send(Ok(event("die", TEN + STOP))).await.unwrap();
        let died = Word::Died(Death { exit_code: Some(3), ..Death::default() });
        assert_eq!(next(&mut reports).await, Input::Reported(SERVER, died));
    };
    tokio::select! {
        error = listener.session(&docker.connection, &mut pause) => panic!("it is lost: {error:?}"),
        () = told => {}
    }
    assert!(!docker.asked.lock().unwrap().contains("since="), "what was told the first time would be told again");
}

#[tokio::test]
async fn what_happens_after_an_engines_clock_was_set_back_is_news() {
    let docker = Docker::at(TEN + 2 * STOP).await;
    let (mut listener, mut reports) = listener_at_noon();
    hear(&mut listener, &docker.connection, "id1", "die", TEN + STOP).await;
    assert!(matches!(told(&mut reports)[..], [Word::Died(_)]));
    assert_eq!(listener.unseen, [SERVER], "and it is looked at what was not heard");
    hear(&mut listener, &docker.connection, "id1", "start", TEN + 2 * STOP).await;
    assert_eq!(told(&mut reports), [Word::Started]);
}

#[tokio::test]
async fn so_it_is_for_a_container_that_is_registered_after_that_as_long_as_moments_come_a_second_time() {
    let docker = Docker::at(TEN + 2 * STOP).await;
    let (mut listener, mut reports) = listener_at_noon();
    hear(&mut listener, &docker.connection, "id1", "die", TEN + STOP).await;
    let running = Look { name: "b".to_owned(), since: ELEVEN, ..look("id2", State::Running) };
    let (server, ledger) = (ServerId(1), Ledger::new("b", Some(&running)));
    let registered = Registered { server, ledger, progress: watch::channel(None).0, seen: watch::channel(None).0 };
    listener.serve(Request::Watch(Box::new(registered)), Ok(&docker.connection));
    listener.compare(server, Some(&running)).await;
    hear(&mut listener, &docker.connection, "id2", "die", TEN + 3 * STOP).await;
    let told: Vec<_> = std::iter::from_fn(|| reports.try_recv().ok()).collect();
    assert!(matches!(told[..], [.., Input::Reported(ServerId(1), Word::Died(_))]), "{told:?}");
}

#[tokio::test]
async fn an_event_that_is_told_late_is_no_clock_that_was_set_back() {
    let docker = Docker::at(NOON + STOP).await;
    let (mut listener, mut reports) = listener_at_noon();
    hear(&mut listener, &docker.connection, "id1", "die", TEN).await;
    assert_eq!((told(&mut reports), listener.since, listener.unseen.len()), (vec![], Some(NOON), 0));
}

#[tokio::test]
async fn a_stop_that_lies_ahead_of_a_clock_that_was_set_back_is_told_from_a_death() {
    let docker = Docker::at(TEN).await;
    docker.events.send(Ok(event("die", NOON) + &event("stop", NOON + 1))).await.unwrap();
    let ended = Look { since: NOON, started: ELEVEN, ..look("id1", State::Ended) };
    let asked = inspect::was_stopped(&docker.connection.client, EngineKind::Docker, &ended);
    assert!(timeout(DEADLINE, asked).await.expect("in time").unwrap());
}
